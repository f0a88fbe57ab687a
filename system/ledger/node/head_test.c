/* Certificates of heads: f+1 good signatures of those who decide are enough, and nothing else is. */
#include "ledger/node/head.h"

#include "crypto/test_support.h"

#define VALIDATORS 4
#define ENTRY      (1 + HYBRID_SIGN_SIGNATURE_SIZE)

static struct hybrid_sign_key keys[VALIDATORS + 1];
static struct network network;
static uint8_t certificate[HEAD_CERTIFICATE];

static size_t begin(const struct head *head)
{
	head_encode(certificate, head);
	certificate[HEAD_STATEMENT] = 0;
	return HEAD_STATEMENT + 1;
}

/* Adds the signature of `key`, said to be validator `number`'s. */
static size_t add(size_t size, unsigned number, unsigned key)
{
	certificate[size] = (uint8_t)number;
	certificate[HEAD_STATEMENT]++;
	if (hybrid_sign(&keys[key], certificate, HEAD_STATEMENT, HEAD_CONTEXT, sizeof HEAD_CONTEXT - 1, NULL,
	                certificate + size + 1) != CRYPTO_OK)
		abort();
	return size + ENTRY;
}

int main(void)
{
	struct head head = {3, 64, 1234567, {7}}, found;
	const uint64_t members = 0xf;
	for (unsigned i = 0; i <= VALIDATORS; i++) {
		uint8_t seed[HYBRID_SIGN_SEED_SIZE] = {(uint8_t)(i + 1)};
		if (hybrid_sign_keygen(&keys[i], seed) != CRYPTO_OK)
			abort();
		memcpy(network.peers[i].key, keys[i].pk, HYBRID_SIGN_PK_SIZE);
		network.peers[i].known = true; /* the last is known, and does not decide */
	}

	size_t size = add(add(begin(&head), 0, 0), 2, 2);
	check(head_decode(&found, certificate, size) && found.epoch == 3 && found.index == 64 &&
	          found.time_ms == 1234567 && found.root[0] == 7,
	      "heads: a certificate is read as it was written");
	check(head_signed(certificate, size, &network, members), "heads: two of four signed");
	check(!head_signed(certificate, size, &network, 0x7f), "heads: of seven two are not enough");
	check(!head_signed(certificate, size, &network, 0), "heads: where nobody decides nothing is signed");
	bool good = true;
	for (size_t i = 0; i < HEAD_STATEMENT; i++) {
		certificate[i] ^= 1;
		good &= !head_signed(certificate, size, &network, members);
		certificate[i] ^= 1;
	}
	check(good, "heads: no byte of the statement can be changed");
	good = true;
	for (size_t cut = 0; cut < size; cut += 97)
		good &= !head_signed(certificate, cut, &network, members);
	check(good && !head_signed(certificate, size + 1, &network, members),
	      "heads: nor is it shorter or longer");

	size = add(add(begin(&head), 1, 1), 1, 1);
	check(!head_signed(certificate, size, &network, members), "heads: who signs twice counts once");
	size = add(add(begin(&head), 1, 1), 2, 1);
	check(!head_signed(certificate, size, &network, members), "heads: nobody signs for another");
	size = add(add(begin(&head), 1, 1), VALIDATORS, VALIDATORS);
	check(!head_signed(certificate, size, &network, members),
	      "heads: who does not decide does not count");
	size = add(add(begin(&head), 1, 1), 200, 2);
	check(!head_signed(certificate, size, &network, members),
	      "heads: a number out of range does not count");
	size = add(add(add(begin(&head), 0, 1), 1, 1), 3, 3);
	check(head_signed(certificate, size, &network, members),
	      "heads: a wrong signature among good ones spoils nothing");
	return test_finish();
}
