// `make bench-crypto`: the library against the OpenSSL inside Node 26, one operation after the other in turns, so that
// both meet the same machine; prints the medians of processor time. An argument restricts the rows to names that contain it.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';

const SLOW_NS = 50e6, ROUNDS = 11, SLOW_ROUNDS = 3, STRETCH_NS = 20e6;
// Processor features (CRYPTO_CPU_ in cpu.h): everything, AVX2 and the SHA instructions, nothing.
const PATHS = { all: 0xffffffff, avx2: 3, plain: 0 };

// What OpenSSL does for the row of the same name: a function that returns what to time.
const peers = {};
const long = Buffer.alloc(256 * 1024), short = Buffer.alloc(64);
const hashes = { 'SHA-256': 'sha256', 'SHA-512': 'sha512', 'SHA3-256': 'sha3-256', 'SHA3-512': 'sha3-512' };
for (const [name, algorithm] of Object.entries(hashes)) {
	peers[`${name}, 256 KiB`] = () => () => crypto.hash(algorithm, long, 'buffer');
	peers[`${name}, 64 B`] = () => () => crypto.hash(algorithm, short, 'buffer');
}
for (const [name, algorithm, outputLength] of [['SHAKE128', 'shake128', 32], ['SHAKE256', 'shake256', 64]])
	peers[`${name}, 256 KiB`] = () => () => crypto.createHash(algorithm, { outputLength }).update(long).digest();
peers['SHAKE128 x4, 4 x 64 KiB'] = peers['SHAKE128, 256 KiB'];
peers['HMAC-SHA-256, 256 KiB'] = () => () => crypto.createHmac('sha256', long.subarray(0, 32)).update(long).digest();

// Keys, signatures and verification of one node:crypto key type.
function signaturePeers(name, type) {
	let keys, signature;
	const make = () => (keys ??= crypto.generateKeyPairSync(type));
	peers[`${name} keygen`] = () => () => crypto.generateKeyPairSync(type);
	peers[`${name} sign`] = () => (make(), () => crypto.sign(null, short, keys.privateKey));
	peers[`${name} verify`] = () => {
		make();
		signature ??= crypto.sign(null, short, keys.privateKey);
		return () => {
			if (!crypto.verify(null, short, keys.publicKey, signature)) throw new Error(`${name}: not verified`);
		};
	};
}
for (const hash of ['SHA2', 'SHAKE'])
	for (const size of ['128s', '128f', '192s', '192f', '256s', '256f'])
		signaturePeers(`SLH-DSA-${hash}-${size}`, `slh-dsa-${hash}-${size}`.toLowerCase());

for (const size of ['44', '65', '87']) signaturePeers(`ML-DSA-${size}`, `ml-dsa-${size}`);
for (const size of ['512', '768', '1024']) {
	const name = `ML-KEM-${size}`, type = name.toLowerCase();
	let keys;
	const make = () => (keys ??= crypto.generateKeyPairSync(type));
	peers[`${name} keygen`] = () => () => crypto.generateKeyPairSync(type);
	peers[`${name} encapsulate`] = () => (make(), () => crypto.encapsulate(keys.publicKey));
	peers[`${name} decapsulate`] = () => {
		const { ciphertext } = crypto.encapsulate(make().publicKey);
		return () => crypto.decapsulate(keys.privateKey, ciphertext);
	};
}

const child = spawn('build/host/bin/crypto-bench', { stdio: ['pipe', 'pipe', 'inherit'] });
child.on('close', (code) => code && process.exit(code));
const lines = [], waiting = [];
let text = '';
child.stdout.setEncoding('latin1').on('data', (piece) => {
	const all = (text + piece).split('\n');
	text = all.pop();
	for (const line of all) (waiting.length ? waiting.shift() : (l) => lines.push(l))(line);
});
const nextLine = () => new Promise((resolve) => (lines.length ? resolve(lines.shift()) : waiting.push(resolve)));

async function timeOurs(name, mask) {
	child.stdin.write(`time ${name}\t${mask}\n`);
	return Number(await nextLine());
}

// Nanoseconds of this thread's processor time.
function now() {
	const { user, system } = process.threadCpuUsage();
	return (user + system) * 1e3;
}

function timePeer(run) {
	for (let runs = 1; ; ) {
		const start = now();
		for (let i = 0; i < runs; i++) run();
		const spent = now() - start;
		if (spent >= STRETCH_NS / 2) return spent / runs;
		runs = Math.floor(runs * Math.min(10, STRETCH_NS / (spent + 1))) + 1;
	}
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

function duration(ns) {
	if (ns === undefined) return '-';
	const [value, unit] = ns < 1e3 ? [ns, 'ns'] : ns < 1e6 ? [ns / 1e3, 'us'] : [ns / 1e6, 'ms'];
	return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}

child.stdin.write('rows\n');
const rows = [];
for (let line; (line = await nextLine()) !== ''; ) {
	const [name, bytes] = line.split('\t');
	if (name.includes(process.argv[2] ?? '')) rows.push({ name, bytes: Number(bytes) });
}

console.log(`OpenSSL ${process.versions.openssl} of Node ${process.versions.node}; medians of processor time; ratio = ours / OpenSSL's\n`);
const line = (...cells) => console.log(`| ${cells[0].padEnd(27)} | ${cells.slice(1).map((c) => c.padStart(9)).join(' | ')} |`);
line('operation', 'all', 'rate', 'AVX2', 'plain C', 'OpenSSL', 'ratio', 'AVX2', 'plain');
line('---', ...Array(8).fill('--:'));
for (const { name, bytes } of rows) {
	const times = { all: [], avx2: [], plain: [] }, theirs = [], peer = peers[name]?.();
	let rounds = ROUNDS;
	for (let i = 0; i < rounds; i++) {
		for (const [path, mask] of Object.entries(PATHS)) times[path].push(await timeOurs(name, mask));
		if (peer) theirs.push(timePeer(peer));
		if (Math.max(times.plain[0], theirs[0] ?? 0) > SLOW_NS) rounds = SLOW_ROUNDS;
	}
	const ours = Object.values(times).map(median), other = median(theirs);
	line(name, duration(ours[0]), bytes ? `${(bytes / ours[0]).toFixed(2)} GB/s` : '', duration(ours[1]), duration(ours[2]),
		duration(other), ...ours.map((time) => (other ? (time / other).toFixed(2) : '-')));
}
child.stdin.end();
