// Cross-checks against OpenSSL 3.5: hashes, HMAC, HKDF, the classical algorithms, SLH-DSA, and the combined forms
// rebuilt here from OpenSSL's parts.
import crypto, { randomBytes, randomInt } from 'node:crypto';
import { Oracle, check, equal, expect, finish, mutate } from './cross_harness.mjs';

const times = process.env.HOLON_SOAK ? 10 : 1;
const oracle = new Oracle();
const concat = (...parts) => Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));

// Lengths around block boundaries as often as others.
const someLength = (most = 3000) => {
	const edge = [55, 56, 63, 64, 65, 71, 72, 103, 104, 111, 112, 127, 128, 129, 135, 136, 143, 144, 167, 168, 1024];
	return randomInt(3) ? randomInt(most) : Math.min(most - 1, edge[randomInt(edge.length)] + randomInt(3) - 1);
};

// ---- keys in and out of OpenSSL, as the bytes of their standards ----

const publicKey = (type, bytes) => crypto.createPublicKey({ key: bytes, format: 'raw-public', asymmetricKeyType: type });
const privateKey = (type, bytes) => crypto.createPrivateKey({ key: bytes, format: 'raw-private', asymmetricKeyType: type });
const seedKey = (type, bytes) => crypto.createPrivateKey({ key: bytes, format: 'raw-seed', asymmetricKeyType: type });
const rawPublic = (key) => (key.type === 'public' ? key : crypto.createPublicKey(key)).export({ format: 'raw-public' });
const rawPrivate = (key) => key.export({ format: 'raw-private' });

// OpenSSL's verdict; an exception (a key or signature it cannot even read) is a refusal.
const verifies = (options, message, signature) => {
	try {
		return crypto.verify(null, message, options, signature);
	} catch {
		return false;
	}
};
const accepted = (result) => typeof result !== 'string';

// ---- hashes, MAC, KDF ----

const hashes = [
	['sha2:224', 'sha224'], ['sha2:256', 'sha256'], ['sha2:384', 'sha384'], ['sha2:512', 'sha512'],
	['sha2:512-224', 'sha512-224'], ['sha2:512-256', 'sha512-256'], ['sha3:224', 'sha3-224'],
	['sha3:256', 'sha3-256'], ['sha3:384', 'sha3-384'], ['sha3:512', 'sha3-512'],
];
for (const [operation, name] of hashes)
	await check(`${name} agrees with OpenSSL`, async () => {
		const cases = 1000 * times;
		for (let i = 0; i < cases; i++) {
			const message = randomBytes(i < 300 ? i : someLength());
			equal((await oracle.must(operation, message))[0], crypto.createHash(name).update(message).digest(), `${message.length} bytes`);
		}
		return cases;
	});
for (const bits of [128, 256])
	await check(`shake${bits} agrees with OpenSSL, any output length`, async () => {
		const cases = 1000 * times;
		for (let i = 0; i < cases; i++) {
			const message = randomBytes(someLength());
			const length = 1 + someLength(1000);
			const expected = crypto.createHash(`shake${bits}`, { outputLength: length }).update(message).digest();
			equal((await oracle.must(`shake:${bits}`, message, length))[0], expected, `${message.length} to ${length} bytes`);
		}
		return cases;
	});
for (const [variant, name] of [['224', 'sha224'], ['256', 'sha256'], ['384', 'sha384'], ['512', 'sha512'], ['512-224', 'sha512-224'],
	['512-256', 'sha512-256'], ['3-224', 'sha3-224'], ['3-256', 'sha3-256'], ['3-384', 'sha3-384'], ['3-512', 'sha3-512']])
	await check(`HMAC over ${name} agrees with OpenSSL, any key length`, async () => {
		const cases = 500 * times;
		for (let i = 0; i < cases; i++) {
			const key = randomBytes(someLength(300));
			const message = randomBytes(someLength());
			equal((await oracle.must(`hmac:${variant}`, key, message))[0], crypto.createHmac(name, key).update(message).digest(), `key of ${key.length}`);
		}
		return cases;
	});
for (const bits of [256, 384, 512])
	await check(`HKDF-SHA-${bits} agrees with OpenSSL`, async () => {
		const cases = 500 * times;
		for (let i = 0; i < cases; i++) {
			const [secret, salt, info] = [randomBytes(1 + someLength(200)), randomBytes(someLength(200)), randomBytes(someLength(200))];
			const length = 1 + randomInt((255 * bits) / 8);
			const expected = Buffer.from(crypto.hkdfSync(`sha${bits}`, secret, salt, info, length));
			equal((await oracle.must(`hkdf:${bits}`, secret, salt, info, length))[0], expected, `${length} bytes`);
		}
		expect((await oracle.call(`hkdf:${bits}`, 's', '', '', (255 * bits) / 8 + 1)) === 'BAD_LENGTH', 'too long an output');
		return cases;
	});

// ---- classical ----

await check('Ed25519: keys, signatures and refusals agree with OpenSSL', async () => {
	const cases = 500 * times;
	for (let i = 0; i < cases; i++) {
		const seed = randomBytes(32);
		const message = randomBytes(someLength(300));
		const [pk] = await oracle.must('ed25519_keygen', seed);
		const key = privateKey('ed25519', seed);
		equal(pk, rawPublic(key), 'public key');
		const [signature] = await oracle.must('ed25519_sign', seed, message);
		equal(signature, crypto.sign(null, message, key), 'signature');
		expect(accepted(await oracle.call('ed25519_verify', pk, message, signature)), 'a good signature is refused');
		const bad = [mutate(pk), message, signature];
		if (i % 3 === 1) bad.splice(0, 3, pk, mutate(message), signature);
		if (i % 3 === 2) bad.splice(0, 3, pk, message, mutate(signature));
		const theirs = verifies((() => { try { return publicKey('ed25519', bad[0]); } catch { return null; } })(), bad[1], bad[2]);
		expect(accepted(await oracle.call('ed25519_verify', ...bad)) === theirs && !theirs, 'a mutated signature: verdicts differ');
	}
	return 2 * cases;
});

await check('X25519: keys and secrets agree with OpenSSL', async () => {
	const cases = 500 * times;
	for (let i = 0; i < cases; i++) {
		const [mine, peer] = [randomBytes(32), randomBytes(32)];
		const [pk] = await oracle.must('x25519_public', mine);
		const key = privateKey('x25519', mine);
		equal(pk, rawPublic(key), 'public key');
		// Any 32 bytes are a public key: also ones on the twist, and with the top bit set.
		const theirs = crypto.diffieHellman({ privateKey: key, publicKey: publicKey('x25519', peer) });
		equal((await oracle.must('x25519', mine, peer))[0], theirs, 'shared secret');
	}
	return cases;
});

for (const [variant, name] of [['chacha20', 'chacha20-poly1305'], ['aes256gcm', 'aes-256-gcm']])
	await check(`${name} agrees with OpenSSL both ways, mutations refused`, async () => {
		const cases = 1000 * times;
		for (let i = 0; i < cases; i++) {
			const nonceSize = variant === 'aes256gcm' && i % 4 === 0 ? 1 + randomInt(100) : 12;
			const [key, nonce, data, text] = [randomBytes(32), randomBytes(nonceSize), randomBytes(someLength(100)), randomBytes(someLength(5000))];
			const cipher = crypto.createCipheriv(name, key, nonce, { authTagLength: 16 });
			cipher.setAAD(data, { plaintextLength: text.length });
			const expected = concat(cipher.update(text), cipher.final());
			const [out, tag] = await oracle.must(`encrypt:${variant}`, key, nonce, data, text);
			equal(out, expected, 'ciphertext');
			equal(tag, cipher.getAuthTag(), 'tag');
			equal((await oracle.must(`decrypt:${variant}`, key, nonce, data, out, tag))[0], text, 'plaintext');
			const bad = [key, nonce, data, out, tag];
			const at = randomInt(5);
			bad[at] = at === 2 || at === 3 ? mutate(bad[at], true) : mutate(bad[at]);
			expect((await oracle.call(`decrypt:${variant}`, ...bad)) === 'BAD_CIPHERTEXT', `a mutated field ${at} is accepted`);
		}
		return cases;
	});

await check('XChaCha20-Poly1305 is ChaCha20-Poly1305 under HChaCha20, computed here', async () => {
	const rotate = (x, n) => ((x << n) | (x >>> (32 - n))) >>> 0;
	const hchacha = (key, nonce) => {
		const s = new Uint32Array(16);
		for (let i = 0; i < 4; i++) s[i] = Buffer.from('expand 32-byte k').readUInt32LE(4 * i);
		for (let i = 0; i < 8; i++) s[4 + i] = key.readUInt32LE(4 * i);
		for (let i = 0; i < 4; i++) s[12 + i] = nonce.readUInt32LE(4 * i);
		const quarter = (a, b, c, d) => {
			s[a] += s[b]; s[d] = rotate(s[d] ^ s[a], 16);
			s[c] += s[d]; s[b] = rotate(s[b] ^ s[c], 12);
			s[a] += s[b]; s[d] = rotate(s[d] ^ s[a], 8);
			s[c] += s[d]; s[b] = rotate(s[b] ^ s[c], 7);
		};
		for (let i = 0; i < 10; i++) {
			for (let j = 0; j < 4; j++) quarter(j, 4 + j, 8 + j, 12 + j);
			for (let j = 0; j < 4; j++) quarter(j, 4 + ((j + 1) % 4), 8 + ((j + 2) % 4), 12 + ((j + 3) % 4));
		}
		const out = Buffer.alloc(32);
		[0, 1, 2, 3, 12, 13, 14, 15].forEach((word, i) => out.writeUInt32LE(s[word], 4 * i));
		return out;
	};
	const cases = 300 * times;
	for (let i = 0; i < cases; i++) {
		const [key, nonce, data, text] = [randomBytes(32), randomBytes(24), randomBytes(someLength(100)), randomBytes(someLength(1000))];
		const cipher = crypto.createCipheriv('chacha20-poly1305', hchacha(key, nonce), concat(Buffer.alloc(4), nonce.subarray(16)), { authTagLength: 16 });
		cipher.setAAD(data, { plaintextLength: text.length });
		const expected = concat(cipher.update(text), cipher.final());
		const [out, tag] = await oracle.must('encrypt:xchacha20', key, nonce, data, text);
		equal(out, expected, 'ciphertext');
		equal(tag, cipher.getAuthTag(), 'tag');
	}
	return cases;
});

await check('Argon2id agrees with OpenSSL', async () => {
	const cases = 60 * times;
	for (let i = 0; i < cases; i++) {
		const [message, nonce, secret, associatedData] = [randomBytes(someLength(100)), randomBytes(8 + randomInt(40)), randomBytes(randomInt(33)), randomBytes(randomInt(100))];
		const parallelism = 1 + randomInt(4);
		const memory = 8 * parallelism + randomInt(200);
		const passes = 1 + randomInt(3);
		const tagLength = 4 + randomInt(100);
		const expected = crypto.argon2Sync('argon2id', { message, nonce, secret, associatedData, parallelism, memory, passes, tagLength });
		equal((await oracle.must('argon2id', message, nonce, secret, associatedData, memory, passes, parallelism, tagLength))[0], expected, `${memory} KiB, ${passes} passes, ${parallelism} lanes`);
	}
	return cases;
});

// ---- SLH-DSA ----

const slhdsaSets = ['SHA2-128s', 'SHA2-128f', 'SHA2-192s', 'SHA2-192f', 'SHA2-256s', 'SHA2-256f',
	'SHAKE-128s', 'SHAKE-128f', 'SHAKE-192s', 'SHAKE-192f', 'SHAKE-256s', 'SHAKE-256f'];
for (const set of slhdsaSets) {
	const type = `slh-dsa-${set.toLowerCase()}`;
	const slow = set.endsWith('s');
	await check(`${type}: keys and signatures both ways, mutations refused`, async () => {
		const rounds = (slow ? 2 : 6) * times;
		const mutations = 30;
		for (let i = 0; i < rounds; i++) {
			const n = Number(set.match(/\d\d\d/)[0]) / 8;
			const context = i % 2 ? randomBytes(randomInt(256)) : Buffer.alloc(0);
			const message = randomBytes(someLength(500));
			let sk, pk;
			if (i % 2 === 0) {
				[pk, sk] = await oracle.must(`slhdsa_keygen:${set}`, randomBytes(3 * n));
			} else {
				const pair = crypto.generateKeyPairSync(type);
				[pk, sk] = [rawPublic(pair.publicKey), rawPrivate(pair.privateKey)];
				const [samePk, sameSk] = await oracle.must(`slhdsa_keygen:${set}`, sk.subarray(0, 3 * n));
				equal(samePk, pk, "the public key of OpenSSL's seeds");
				equal(sameSk, sk, "the secret key of OpenSSL's seeds");
			}
			const theirs = publicKey(type, pk);
			const [ours] = await oracle.must(`slhdsa_sign:${set}`, sk, message, context, i % 3 ? randomBytes(n) : '');
			expect(verifies({ key: theirs, context }, message, ours), 'OpenSSL refuses our signature');
			const other = crypto.sign(null, message, { key: privateKey(type, sk), context });
			expect(accepted(await oracle.call(`slhdsa_verify:${set}`, pk, message, context, other)), "OpenSSL's signature is refused");
			for (let j = 0; j < mutations; j++) {
				const bad = [pk, message, context, j % 2 ? ours : other];
				const at = j < 20 ? 3 : j % 3;
				bad[at] = mutate(bad[at], true);
				if (bad[2].length > 255) continue;
				expect(!accepted(await oracle.call(`slhdsa_verify:${set}`, ...bad)), `a mutated field ${at} is accepted`);
				if (j < 6 && bad[0].length === pk.length)
					expect(!verifies({ key: publicKey(type, bad[0]), context: bad[2] }, bad[1], bad[3]), 'OpenSSL accepts a mutated one');
			}
		}
		return rounds * (2 + mutations);
	});
}

// HashSLH-DSA is not in OpenSSL; its M' is built here from FIPS 205 algorithm 23 and verified through our internal form.
await check('HashSLH-DSA: the encoding of FIPS 205 algorithm 23, built here, for every hash', async () => {
	const oids = [4, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12];
	const names = ['sha224', 'sha256', 'sha384', 'sha512', 'sha512-224', 'sha512-256', 'sha3-224', 'sha3-256', 'sha3-384', 'sha3-512', 'shake128', 'shake256'];
	const digestOf = (name, message) => {
		const outputLength = name === 'shake128' ? 32 : name === 'shake256' ? 64 : undefined;
		return crypto.createHash(name, outputLength && { outputLength }).update(message).digest();
	};
	const digestSize = (name) => digestOf(name, '').length;
	for (const [hash, name] of names.entries()) {
		const message = randomBytes(someLength());
		const context = randomBytes(randomInt(256));
		const digest = digestOf(name, message);
		equal((await oracle.must('prehash', hash, message))[0], digest, `digest of ${name}`);
		const oid = Buffer.from([6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, oids[hash]]);
		const [pk, sk] = await oracle.must('slhdsa_keygen:SHA2-128f', randomBytes(48));
		const [signature] = await oracle.must('slhdsa_sign_prehash:SHA2-128f', sk, hash, digest, context, '');
		expect(accepted(await oracle.call('slhdsa_verify_prehash:SHA2-128f', pk, hash, digest, context, signature)), `${name}: refused`);
		expect(accepted(await oracle.call('slhdsa_verify_internal:SHA2-128f', pk, concat(Buffer.from([1, context.length]), context, oid, digest), signature)), `${name}: another encoding`);
		expect(!accepted(await oracle.call('slhdsa_verify:SHA2-128f', pk, message, context, signature)), `${name}: taken for a pure signature`);
		const same = names.findIndex((other, i) => i !== hash && digestSize(other) === digest.length);
		expect(!accepted(await oracle.call('slhdsa_verify_prehash:SHA2-128f', pk, same, digest, context, signature)), `${name}: taken for another hash`);
	}
	return names.length * 5;
});

// ---- combined forms, from OpenSSL's parts ----

const xwingExpand = (seed) => {
	const bytes = crypto.createHash('shake256', { outputLength: 96 }).update(seed).digest();
	const mlkem = seedKey('ml-kem-768', bytes.subarray(0, 64));
	const x25519 = privateKey('x25519', bytes.subarray(64));
	return { mlkem, x25519, pk: concat(rawPublic(mlkem), rawPublic(x25519)) };
};
const xwingCombine = (mlkemShared, x25519Shared, ct, pk) =>
	crypto.createHash('sha3-256').update(concat(mlkemShared, x25519Shared, ct, pk, '\\.//^\\')).digest();
const agree = (secret, peer) => crypto.diffieHellman({ privateKey: secret, publicKey: publicKey('x25519', peer) });

await check("X-Wing from OpenSSL's parts: both directions, mutated ciphertexts", async () => {
	const cases = 300 * times;
	for (let i = 0; i < cases; i++) {
		const seed = randomBytes(32);
		const { mlkem, x25519, pk } = xwingExpand(seed);
		equal((await oracle.must('xwing_keygen', seed))[0], pk, 'public key');
		let [ct, shared] = await oracle.must('xwing_encapsulate', pk, randomBytes(64));
		const open = (bytes) => xwingCombine(crypto.decapsulate(mlkem, bytes.subarray(0, 1088)), agree(x25519, bytes.subarray(1088)), bytes.subarray(1088), pk.subarray(1184));
		equal(open(ct), shared, 'our ciphertext opened by OpenSSL');
		const ephemeral = crypto.generateKeyPairSync('x25519');
		const made = crypto.encapsulate(publicKey('ml-kem-768', pk.subarray(0, 1184)));
		const point = rawPublic(ephemeral.publicKey);
		ct = concat(made.ciphertext, point);
		shared = xwingCombine(made.sharedKey, agree(ephemeral.privateKey, pk.subarray(1184)), point, pk.subarray(1184));
		equal((await oracle.must('xwing_decapsulate', seed, ct))[0], shared, "OpenSSL's ciphertext opened by us");
		const bad = mutate(ct);
		equal((await oracle.must('xwing_decapsulate', seed, bad))[0], open(bad), 'a mutated ciphertext (implicit rejection)');
	}
	expect((await oracle.call('xwing_decapsulate', randomBytes(32), randomBytes(1119))) === 'BAD_LENGTH', 'a short ciphertext');
	return 3 * cases;
});

await check("the hybrid signature from OpenSSL's parts: both directions, mutations refused", async () => {
	const cases = 200 * times;
	const cstring = (text) => concat(text, '\0');
	for (let i = 0; i < cases; i++) {
		const seed = randomBytes(32);
		const seeds = crypto.createHash('shake256', { outputLength: 64 }).update(concat(cstring('Holon hybrid signature v1: key generation'), seed)).digest();
		const [ed, ml] = [privateKey('ed25519', seeds.subarray(0, 32)), seedKey('ml-dsa-65', seeds.subarray(32))];
		const pk = concat(rawPublic(ed), rawPublic(ml));
		equal((await oracle.must('hybrid_sign_keygen', seed))[0], pk, 'public key');
		const [message, context] = [randomBytes(someLength()), randomBytes(randomInt(256))];
		const digest = crypto.createHash('sha3-512').update(concat(cstring('Holon hybrid signature v1: Ed25519, ML-DSA-65, SHA3-512'), pk, Buffer.from([context.length]), context, message)).digest();
		const edInput = concat(cstring('Holon hybrid v1 Ed25519'), digest);
		const mlContext = Buffer.from('Holon hybrid v1 ML-DSA-65');
		const made = concat(crypto.sign(null, edInput, ed), crypto.sign(null, digest, { key: ml, context: mlContext }));
		expect(accepted(await oracle.call('hybrid_verify', pk, message, context, made)), "OpenSSL's signature is refused");
		const [ours] = await oracle.must('hybrid_sign', seed, message, context, i % 2 ? randomBytes(32) : '');
		expect(verifies(crypto.createPublicKey(ed), edInput, ours.subarray(0, 64)), 'OpenSSL refuses our Ed25519 half');
		expect(verifies({ key: crypto.createPublicKey(ml), context: mlContext }, digest, ours.subarray(64)), 'OpenSSL refuses our ML-DSA half');
		const bad = [pk, message, context, ours];
		const at = randomInt(4);
		bad[at] = mutate(bad[at], true);
		expect(!accepted(await oracle.call('hybrid_verify', ...bad)), `a mutated field ${at} is accepted`);
	}
	return 3 * cases;
});

await check("sealed boxes from OpenSSL's parts: opened and made", async () => {
	const sizes = [0, 1, 1000, 65535, 65536, 65537, 131072, 200000];
	const derive = (header, shared, pk, context) => {
		const length = Buffer.alloc(8);
		length.writeBigUInt64LE(BigInt(context.length));
		const info = crypto.createHash('sha3-256').update(concat(header, pk, length, context)).digest();
		const label = 'Holon sealed box v1: X-Wing, HKDF-SHA512, ChaCha20-Poly1305, 65536\0';
		return Buffer.from(crypto.hkdfSync('sha512', shared, Buffer.from(label), info, 64));
	};
	const nonceOf = (index, last) => {
		const nonce = Buffer.alloc(12);
		nonce[3] = last ? 1 : 0;
		nonce.writeBigUInt64LE(BigInt(index), 4);
		return nonce;
	};
	for (const size of sizes) {
		const seed = randomBytes(32);
		const { mlkem, x25519, pk } = xwingExpand(seed);
		const context = randomBytes(randomInt(300));
		const content = randomBytes(size);
		const [box] = await oracle.must('seal', pk, context, randomBytes(64), content);
		const bound = box.subarray(0, 9 + 1120);
		const ct = bound.subarray(9);
		equal(box.subarray(0, 9), Buffer.from('HolonBox\x01'), 'magic');
		const shared = xwingCombine(crypto.decapsulate(mlkem, ct.subarray(0, 1088)), agree(x25519, ct.subarray(1088)), ct.subarray(1088), pk.subarray(1184));
		const keys = derive(bound, shared, pk, context);
		equal(box.subarray(1129, 1161), keys.subarray(32), 'commitment');
		const opened = [];
		const made = [box.subarray(0, 1161)];
		for (let at = 1161, index = 0; at < box.length; at += 65552, index++) {
			const chunk = box.subarray(at, at + 65552);
			const last = at + 65552 >= box.length;
			const decipher = crypto.createDecipheriv('chacha20-poly1305', keys.subarray(0, 32), nonceOf(index, last), { authTagLength: 16 });
			decipher.setAuthTag(chunk.subarray(chunk.length - 16));
			opened.push(decipher.update(chunk.subarray(0, chunk.length - 16)), decipher.final());
			const cipher = crypto.createCipheriv('chacha20-poly1305', keys.subarray(0, 32), nonceOf(index, last), { authTagLength: 16 });
			made.push(cipher.update(content.subarray(65536 * index, 65536 * (index + 1))), cipher.final(), cipher.getAuthTag());
		}
		equal(concat(...opened), content, 'content');
		equal((await oracle.must('open', seed, context, concat(...made)))[0], content, 'a box made by OpenSSL');
	}
	return 2 * sizes.length;
});

finish(oracle);
