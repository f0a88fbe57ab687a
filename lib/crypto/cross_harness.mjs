// What the cross-checks against OpenSSL share: the oracle as an object, mutation of inputs, check lines.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';

const hex = (bytes) => {
	if (typeof bytes === 'number' || typeof bytes === 'bigint') {
		const number = Buffer.alloc(8);
		number.writeBigUInt64LE(BigInt(bytes));
		return number.toString('hex');
	}
	if (typeof bytes === 'string') bytes = Buffer.from(bytes, 'latin1');
	return bytes.length ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex') : '-';
};

// The program build/host/bin/crypto-oracle (see oracle/oracle.h). Calls may be made without waiting for earlier ones.
export class Oracle {
	constructor(program = 'build/host/bin/crypto-oracle') {
		this.waiting = [];
		this.child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
		let text = '';
		this.child.stdout.setEncoding('latin1').on('data', (piece) => {
			text += piece;
			const lines = text.split('\n');
			text = lines.pop();
			for (const line of lines) this.waiting.shift().resolve(line);
		});
		const fail = (why) => {
			for (const one of this.waiting.splice(0)) one.reject(new Error(`crypto-oracle: ${why}`));
		};
		this.child.on('error', (error) => fail(error.message)).on('close', (code) => fail(`ended with status ${code}`));
		this.child.stdin.on('error', () => {});
	}

	// Resolves to the fields (Buffers) on success and to the status's name (a string) on failure.
	async call(operation, ...args) {
		const line = await new Promise((resolve, reject) => {
			this.waiting.push({ resolve, reject });
			this.child.stdin.write(`${[operation, ...args.map(hex)].join(' ')}\n`);
		});
		const [kind, ...fields] = line.split(' ');
		if (kind === 'ok') return fields.map((field) => Buffer.from(field === '-' ? '' : field, 'hex'));
		if (kind === 'error') return fields[0];
		throw new Error(`${operation}: ${line}`);
	}

	// The same, for calls that must succeed.
	async must(operation, ...args) {
		const result = await this.call(operation, ...args);
		if (typeof result === 'string') throw new Error(`${operation}: ${result}`);
		return result;
	}

	close() {
		this.child.stdin.end();
	}
}

// A copy with one bit flipped, or one byte longer or shorter (only where `lengths`).
export const mutate = (bytes, lengths = false) => {
	const kind = lengths ? randomInt(4) : 0;
	if (kind === 3) return Buffer.concat([bytes, Buffer.from([randomInt(256)])]);
	if (kind === 2 && bytes.length) return Buffer.from(bytes.subarray(0, bytes.length - 1));
	const copy = Buffer.from(bytes);
	if (copy.length === 0) return Buffer.from([0]);
	copy[randomInt(copy.length)] ^= 1 << randomInt(8);
	return copy;
};

let failures = 0;

// Runs one named check: `body` throws on failure and returns how many cases it compared.
export const check = async (name, body) => {
	try {
		const cases = await body();
		console.log(`ok ${name}${cases === undefined ? '' : ` (${cases} cases)`}`);
	} catch (error) {
		failures++;
		console.log(`not ok ${name} - ${error.message.replaceAll('\n', ' ').slice(0, 300)}`);
	}
};

export const equal = (a, b, what) => {
	if (typeof a === 'string' || typeof b === 'string' ? a !== b : !Buffer.from(a).equals(Buffer.from(b)))
		throw new Error(`${what}: ${describe(a)} is not ${describe(b)}`);
};

export const expect = (condition, what) => {
	if (!condition) throw new Error(what);
};

const describe = (value) => (typeof value === 'string' ? value : Buffer.from(value).toString('hex').slice(0, 64));

export const finish = (oracle) => {
	oracle?.close();
	process.exitCode = failures ? 1 : 0;
};
