// Cross-checks of ML-KEM and ML-DSA against OpenSSL 3.5: keys, ciphertexts and signatures made on each side and used on
// the other, whole and mutated. The library is reached through crypto-oracle.
import crypto, { randomBytes, randomInt } from 'node:crypto';
import { Oracle, check, equal, expect, finish, mutate } from './cross_harness.mjs';

const times = process.env.HOLON_SOAK ? 10 : 1;
const oracle = new Oracle();
const accepted = (result) => typeof result !== 'string';

const publicKey = (type, bytes) => crypto.createPublicKey({ key: bytes, format: 'raw-public', asymmetricKeyType: type });
const seedKey = (type, bytes) => crypto.createPrivateKey({ key: bytes, format: 'raw-seed', asymmetricKeyType: type });
const rawPublic = (key) => (key.type === 'public' ? key : crypto.createPublicKey(key)).export({ format: 'raw-public' });

const der = (tag, ...parts) => {
	const body = Buffer.concat(parts), size = body.length;
	const head = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
	return Buffer.concat([Buffer.from([tag, ...head]), body]);
};
// The last arcs of 2.16.840.1.101.3.4: 4.1 to 4.3 are ML-KEM, 3.17 to 3.19 ML-DSA.
const arcs = { 'ml-kem-512': [4, 1], 'ml-kem-768': [4, 2], 'ml-kem-1024': [4, 3], 'ml-dsa-44': [3, 17], 'ml-dsa-65': [3, 18], 'ml-dsa-87': [3, 19] };
// An expanded secret key, as the standards encode it, in PKCS #8 (RFC 9881 and 9935: the expandedKey choice).
const expandedKey = (type, bytes) => {
	const oid = der(0x06, Buffer.from([0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, ...arcs[type]]));
	const info = der(0x30, der(0x02, Buffer.from([0])), der(0x30, oid), der(0x04, der(0x04, bytes)));
	return crypto.createPrivateKey({ key: info, format: 'der', type: 'pkcs8' });
};
const attempt = (body) => {
	try {
		return body();
	} catch {
		return null;
	}
};

// Sets the 12-bit coefficient `index` of a packed key.
const setCoefficient = (bytes, index, value) => {
	const at = (index >> 1) * 3;
	if (index & 1) {
		bytes[at + 1] = (bytes[at + 1] & 15) | ((value & 15) << 4);
		bytes[at + 2] = value >> 4;
	} else {
		bytes[at] = value & 255;
		bytes[at + 1] = (bytes[at + 1] & 0xf0) | (value >> 8);
	}
};

for (const size of ['512', '768', '1024']) {
	const type = `ml-kem-${size}`, rounds = 40 * times;
	await check(`${type}: keys, ciphertexts and secrets both ways`, async () => {
		for (let i = 0; i < rounds; i++) {
			const seed = i % 2 ? randomBytes(64) : crypto.generateKeyPairSync(type).privateKey.export({ format: 'raw-seed' });
			const key = seedKey(type, seed);
			const [ek, dk] = await oracle.must(`mlkem_keygen:${size}`, seed.subarray(0, 32), seed.subarray(32));
			equal(ek, rawPublic(key), 'encapsulation keys of one seed');
			await oracle.must(`mlkem_check_dk:${size}`, dk);
			const [ct, shared] = await oracle.must(`mlkem_encapsulate:${size}`, ek, randomBytes(32));
			equal(crypto.decapsulate(key, ct), shared, "OpenSSL's secret of our ciphertext");
			equal(crypto.decapsulate(expandedKey(type, dk), ct), shared, "OpenSSL's secret with our expanded key");
			const theirs = crypto.encapsulate(publicKey(type, ek));
			equal((await oracle.must(`mlkem_decapsulate:${size}`, dk, theirs.ciphertext))[0], theirs.sharedKey, "our secret of OpenSSL's ciphertext");
		}
		return 5 * rounds;
	});
	await check(`${type}: implicit rejection of mutated ciphertexts is the same`, async () => {
		const cases = 600 * times, seed = randomBytes(64), key = seedKey(type, seed);
		const [ek, dk] = await oracle.must(`mlkem_keygen:${size}`, seed.subarray(0, 32), seed.subarray(32));
		for (let i = 0; i < cases; i++) {
			const { ciphertext } = crypto.encapsulate(publicKey(type, ek));
			const bad = i % 3 ? mutate(ciphertext, true) : randomBytes(ciphertext.length);
			const ours = await oracle.call(`mlkem_decapsulate:${size}`, dk, bad), theirs = attempt(() => crypto.decapsulate(key, bad));
			expect(accepted(ours) === (theirs !== null), `verdicts differ on ${bad.length} bytes`);
			if (theirs) equal(ours[0], theirs, 'secrets of a mutated ciphertext');
		}
		return cases;
	});
	await check(`${type}: the same encapsulation keys are accepted`, async () => {
		const cases = 600 * times;
		const [good] = await oracle.must(`mlkem_keygen:${size}`, randomBytes(32), randomBytes(32));
		for (let i = 0; i < cases; i++) {
			const bad = i % 2 ? mutate(good, i % 8 === 1) : Buffer.from(good);
			if (i % 2 === 0) setCoefficient(bad, randomInt(((good.length - 32) / 3) * 2), 3325 + randomInt(8));
			const ours = await oracle.call(`mlkem_encapsulate:${size}`, bad, randomBytes(32));
			const theirs = attempt(() => crypto.encapsulate(publicKey(type, bad)));
			expect(accepted(ours) === (theirs !== null), `OpenSSL ${theirs ? 'accepts' : 'refuses'} key ${i}`);
		}
		return cases;
	});
	await check(`${type}: the same decapsulation keys are accepted`, async () => {
		const cases = 200 * times;
		const [ek, dk] = await oracle.must(`mlkem_keygen:${size}`, randomBytes(32), randomBytes(32));
		const { ciphertext } = crypto.encapsulate(publicKey(type, ek));
		for (let i = 0; i < cases; i++) {
			const bad = i % 8 === 1 ? mutate(dk, true) : Buffer.from(dk), secret = dk.length - ek.length - 64;
			/* By turns in the secret vector, the encapsulation key, its hash, and z. */
			const [from, length] = [[0, secret], [secret, ek.length], [dk.length - 64, 32], [dk.length - 32, 32]][i % 4];
			if (bad.length === dk.length) bad[from + randomInt(length)] ^= 1 << randomInt(8);
			const ours = await oracle.call(`mlkem_decapsulate:${size}`, bad, ciphertext);
			const theirs = attempt(() => crypto.decapsulate(expandedKey(type, bad), ciphertext));
			const strict = accepted(await oracle.call(`mlkem_check_dk:${size}`, bad));
			/* OpenSSL also tries whether the secret vector fits, which the standard leaves open. */
			expect(strict === (theirs !== null) || (strict && i % 4 === 0), `OpenSSL ${theirs ? 'accepts' : 'refuses'} key ${i}`);
			if (theirs) equal(ours[0], theirs, 'secrets under a changed key');
		}
		return cases;
	});
}

for (const size of ['44', '65', '87']) {
	const type = `ml-dsa-${size}`;
	const verifies = (pk, message, context, signature) =>
		attempt(() => crypto.verify(null, message, { key: publicKey(type, pk), context }, signature)) ?? false;
	await check(`${type}: keys and signatures both ways`, async () => {
		const rounds = 60 * times;
		for (let i = 0; i < rounds; i++) {
			const seed = i % 2 ? randomBytes(32) : crypto.generateKeyPairSync(type).privateKey.export({ format: 'raw-seed' });
			const message = randomBytes(randomInt(2000)), context = i % 3 ? randomBytes(randomInt(256)) : Buffer.alloc(0);
			const key = seedKey(type, seed);
			const [pk, sk] = await oracle.must(`mldsa_keygen:${size}`, seed);
			equal(pk, rawPublic(key), 'public keys of one seed');
			equal((await oracle.must(`mldsa_public:${size}`, sk))[0], pk, 'public key of the secret key');
			const [ours] = await oracle.must(`mldsa_sign:${size}`, sk, message, context, i % 2 ? randomBytes(32) : '');
			expect(verifies(pk, message, context, ours), 'OpenSSL refuses our signature');
			for (const theirKey of [key, expandedKey(type, sk)]) {
				const theirs = crypto.sign(null, message, { key: theirKey, context });
				await oracle.must(`mldsa_verify:${size}`, pk, message, context, theirs);
			}
		}
		return 5 * rounds;
	});
	await check(`${type}: mutated signatures, keys and messages get the same verdict`, async () => {
		const cases = 900 * times;
		let good;
		for (let i = 0; i < cases; i++) {
			if (i % 30 === 0) {
				const [pk, sk] = await oracle.must(`mldsa_keygen:${size}`, randomBytes(32));
				const message = randomBytes(100), context = randomBytes(10);
				const [signature] = await oracle.must(`mldsa_sign:${size}`, sk, message, context, randomBytes(32));
				good = [pk, message, context, signature];
			}
			const bad = [...good], which = i % 5 < 3 ? 3 : i % 3;
			if (i % 5 === 0) {
				/* In the hint, where many encodings of one hint would be possible. */
				bad[3] = Buffer.from(good[3]);
				bad[3][bad[3].length - 1 - randomInt(83)] = randomInt(256);
			} else {
				bad[which] = mutate(good[which], true);
			}
			const ours = await oracle.call(`mldsa_verify:${size}`, ...bad);
			expect(accepted(ours) === verifies(...bad), `field ${which}: we ${accepted(ours) ? 'accept' : 'refuse'}`);
			if (bad.some((field, at) => !field.equals(good[at]))) expect(!accepted(ours), `a mutated field ${which} is accepted`);
		}
		return cases;
	});
	await check(`${type}: mutated secret keys are refused on both sides`, async () => {
		const cases = 150 * times;
		const [, sk] = await oracle.must(`mldsa_keygen:${size}`, randomBytes(32));
		for (let i = 0; i < cases; i++) {
			const bad = mutate(sk, i % 8 === 1);
			/* K, bytes 32 to 63, is free. */
			const free = bad.length === sk.length && bad.every((byte, at) => byte === sk[at] || (at >= 32 && at < 64));
			expect(accepted(await oracle.call(`mldsa_public:${size}`, bad)) === free, `we ${free ? 'refuse' : 'accept'} key ${i}`);
			expect((attempt(() => expandedKey(type, bad)) !== null) === free, `OpenSSL ${free ? 'refuses' : 'accepts'} key ${i}`);
		}
		return cases;
	});
}
finish(oracle);
