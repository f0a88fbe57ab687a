/* The known answers of selftest.c: the start of SHA3-256 of each algorithm's outputs on fixed inputs. */
#ifndef HOLON_CRYPTO_SELFTEST_ANSWERS_H
#define HOLON_CRYPTO_SELFTEST_ANSWERS_H

static const struct {
	const char *name, *digest;
} selftest_answers[] = {
    {"hashes", "ae266f8f3e1cfdbe9ec8b297407602e0"},
    {"hmac-hkdf", "98dd707bbde4242ea60b98e7d2b3ad4c"},
    {"aead", "9ef2096bf3b4597547bfff49ed53db12"},
    {"argon2id", "31b152def31f1c5e6fc7455c447c6586"},
    {"ed25519", "b94dfc4181cd3d5dc92cd5bb77aed0ee"},
    {"x25519", "3be0cd0fad59c3973e3e0f111a743496"},
    {"ml-kem-512", "1a7e6a8a8a2e842a45073fcda5037444"},
    {"ml-kem-768", "a70af652274d5f6461c48e284f9c8664"},
    {"ml-kem-1024", "4e52c77d189fbf853d1ac5af0e459c53"},
    {"ml-dsa-44", "f5d27b6090b8349aab41b2690992f2b3"},
    {"ml-dsa-65", "d4726b0f8b2723244cb6be74e53a1607"},
    {"ml-dsa-87", "7bf6a862ccf46e12a166159aae1c9cd6"},
    {"slh-dsa-sha2-128f", "236618f81a8c207e28657e386c793bb2"},
    {"slh-dsa-sha2-192f", "6c54a8a42464fd02b7b48f79cc27c7e7"},
    {"slh-dsa-sha2-256f", "b38f2e356d45b791606a2610900c1c44"},
    {"slh-dsa-shake-128f", "d205e2229051df25608e8cc1ed2579a0"},
    {"slh-dsa-shake-192f", "6b94417df00f55221c06a821a5b668f3"},
    {"slh-dsa-shake-256f", "79d23609f1c7196c3361eb2495a43e90"},
    {"hybrid-sign", "0ced72609f70441beab04e1a104951fd"},
    {"hybrid-kem", "276f5b9bc5eaf4f720f9f35f8bde3333"},
    {"sealed-box", "6558edb84598d8d68b913aacde78203a"},
    {"slh-dsa-sha2-128s", "d497e92119d802e6f26d3f4b432c200f"},
    {"slh-dsa-sha2-192s", "1b0a7edb87697ea6a865acfdd12dcbb6"},
    {"slh-dsa-sha2-256s", "bd85746853768d35193738fb9507b56e"},
    {"slh-dsa-shake-128s", "a857f1c7c22b06599e88a58fb32f9a98"},
    {"slh-dsa-shake-192s", "69cae92d04c59ee6357a8298d9617db1"},
    {"slh-dsa-shake-256s", "2260a1bd3b50c9c68753e2a1c8a9760f"},
};

#endif
