// Random programs (with loops, and creations of accounts that are then called) and inputs of precompiled contracts on holon-ledger and on
// ethereumjs, a second EVM written by others: output, success and, by the opcode GAS within the programs, gas must be equal.   differential_test.mjs PACKAGES OUR-URL PROGRAMS SEED
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [packages, url, programs, seed] = process.argv.slice(2);
const require = createRequire(`${pathToFileURL(resolve(packages)).href}/node_modules/x.js`);
const load = async (name) => import(pathToFileURL(require.resolve(name)));
const { createEVM } = await load("@ethereumjs/evm");
const { Common, Mainnet, Hardfork } = await load("@ethereumjs/common");
const { hexToBytes, bytesToHex, createAddressFromString } = await load("@ethereumjs/util");

// xorshift, so that a seed gives the same programs everywhere
let state = BigInt(seed) * 0x9e3779b97f4a7c15n & 0xffffffffffffffffn || 1n;
function random(limit) {
    state ^= state << 13n & 0xffffffffffffffffn; state ^= state >> 7n; state ^= state << 17n & 0xffffffffffffffffn;
    return Number(state % BigInt(limit));
}
const byte = (n) => n.toString(16).padStart(2, "0");
const edges = ["00", "01", "20", "ff", "7f" + "ff".repeat(31), "80" + "00".repeat(31), "ff".repeat(32), "0100", "ffffffffffffffff", "010000000000000000"];
function push() {
    let value = random(2) ? edges[random(edges.length)] : Array.from({ length: 1 + random(32) }, () => byte(random(256))).join("");
    return byte(0x5f + value.length / 2) + value;
}
const small = () => "60" + byte(random(160));
const pure = [..."010203040506070809" + "0a0b", ..."101112131415161718191a1b1c1d1e"].join("").match(/../g); // arithmetic, comparison, bits, CLZ
const arity = { "08": 3, "09": 3, "15": 1, "19": 1, "1e": 1 };

/* What makes an account: code that starts with EF or is none, halts, reverts, destroys itself, or calls back and asks for its own place. */
const made = ["ef00", "fe", "", "30ff", "5f5ffd", "3360005260205ff3", "5b600160005401600055", "33ff", "3d5f5f3e3d5ff3", "5f5f5f5f5f335af160005260205ff3"];
function creation() {
    let runtime = random(8) ? made[random(made.length)] : Array.from({ length: random(16) }, () => byte(random(256))).join("");
    const size = random(24) ? byte(runtime.length / 2).padStart(4, "0") : ["6001", "ffff", "5fff"][random(3)]; // now and then more than code may have
    const front = random(6) ? "" : ["60016000556001600055", "5f5ffd", "30ff", "fe", "5f5f5f5f5f335af150"][random(5)];
    let init = front + "61" + size + "80" + "60" + "LL" + "5f39" + "5ff3"; // CODECOPY what follows, RETURN it
    init = init.replace("LL", byte(init.length / 2)) + runtime;
    if (init.length > 64) init = init.slice(0, 64);
    const length = init.length / 2;
    const two = random(2);
    return byte(0x5f + length) + init + "5f52" + (two ? small() : "") + "60" + byte(length) + "60" + byte(32 - length) + (random(6) ? "5f" : "6001") + (two ? "f5" : "f0");
}

/* A program: steps that leave the stack one deeper or as it was; at the end memory and the stack's top come back. */
function program() {
    let code = "", depth = 0;
    const loops = []; // begun and not ended: where, and how deep
    const put = (text, change) => { code += text; depth += change; };
    const own = () => depth - (loops.at(-1)?.depth ?? 0); // what lies above the innermost loop's counter
    const end = () => { // counts down, and goes back unless it is 0
        const loop = loops.pop();
        while (depth < loop.depth) put("5f", 1);
        while (depth > loop.depth) put("50", -1);
        put("6001900380" + "61" + loop.at.toString(16).padStart(4, "0") + "57" + "50", -1);
    };
    for (let i = 4 + random(60); i > 0; i--) {
        const kind = random(20);
        if (kind === 16 && loops.length < 3) { // a loop of up to 12 rounds
            put("60" + byte(1 + random(12)), 1);
            loops.push({ at: code.length / 2, depth });
            put("5b", 0);
        } else if (kind === 17 && loops.length) end();
        else if (kind === 18) put(creation(), 1);
        else if (kind === 19 && own()) { // what was made: its size and hash, calls of it
            const [text, change] = [["3b", 0], ["3f", 0], ["5f5f5f5f845afa", 1], ["5f5f5f5f5f855af1", 1], ["5f5f5f5f845af4", 1]][random(5)];
            put(text, change);
        }
        if (kind < 7) {
            const op = pure[random(pure.length)], n = arity[op] ?? 2;
            while (own() < n) put(push(), 1);
            put(op, 1 - n);
        } else if (kind === 7) put(push(), 1);
        else if (kind === 8 && depth) put(byte(0x80 + random(Math.min(depth, 16))), 1);
        else if (kind === 9 && own() > 1) put(byte(0x90 + random(Math.min(own() - 1, 16))), 0);
        else if (kind === 10) put(small() + small() + "20", 1); // KECCAK256
        else if (kind === 11) { if (!own()) put(push(), 1); put(small() + ["52", "53", "55", "5d"][random(4)], -1); } // MSTORE, MSTORE8, SSTORE, TSTORE
        else if (kind === 12) put(small() + ["51", "54", "5c", "35"][random(4)], 1); // MLOAD, SLOAD, TLOAD, CALLDATALOAD
        else if (kind === 13) put(small() + small() + small() + ["5e", "37", "39"][random(3)], 0); // MCOPY, CALLDATACOPY, CODECOPY
        else if (kind === 14) put(["5a", "59", "58", "36", "38", "30", "33", "3d"][random(8)], 1); // GAS, MSIZE, PC, sizes, ADDRESS, CALLER
        else if (kind === 15) { // a precompiled contract, or a call of itself with little gas
            const gas = random(4) ? "61" + byte(random(256)) + byte(random(256)) : "6101" + "00";
            const to = random(3) ? "60" + byte(1 + random(9)) : "30";
            put(small() + small() + small() + small() + to + gas + ["fa", "f4"][random(2)], 1); // STATICCALL, DELEGATECALL
        }
        const any = random(40) ? 0x5b : random(256); // now and then anything but what tells of the block, prices and balances, creates, or swallows what follows
        if (any !== 0x5b && !(any >= 0x40 && any <= 0x4a) && !(any >= 0x60 && any <= 0x7f) && ![0x31, 0x3a, 0xf0, 0xf5].includes(any)) code += byte(any);
    }
    while (loops.length) end();
    while (depth < 2) put(push(), 1);
    return "0x" + code + "60005260205260605f" + (random(8) ? "f3" : "fd");
}

async function ours(code, data, gas) {
    const to = "0x00000000000000000000000000000000000c0de0";
    const body = { jsonrpc: "2.0", id: 1, method: "eth_call", params: [{ to, from: "0x" + "11".repeat(20), data, gas: "0x" + gas.toString(16) }, "latest", { [to]: { code } }] };
    const answer = await (await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).json();
    if (answer.result !== undefined) return `success ${answer.result}`;
    return answer.error.code === 3 ? `revert ${answer.error.data}` : "failure";
}

async function theirs(code, data, gas) {
    const common = new Common({ chain: Mainnet, hardfork: Hardfork.Osaka });
    const evm = await createEVM({ common });
    const to = createAddressFromString("0x00000000000000000000000000000000000c0de0");
    const from = createAddressFromString("0x" + "11".repeat(20));
    await evm.stateManager.putCode(to, hexToBytes(code));
    for (let i = 1; i <= 17; i++) evm.journal.addAlwaysWarmAddress(i.toString(16).padStart(40, "0"), false);
    evm.journal.addAlwaysWarmAddress("100".padStart(40, "0"), false);
    evm.journal.addAlwaysWarmAddress("0".repeat(40), false); // the coinbase (EIP-3651)
    evm.journal.addAlwaysWarmAddress(to.toString().slice(2), false);
    evm.journal.addAlwaysWarmAddress(from.toString().slice(2), false);
    const bytes = hexToBytes(data);
    const zeros = bytes.filter((b) => b === 0).length;
    const result = await evm.runCall({ to, caller: from, origin: from, data: bytes, gasLimit: BigInt(gas - 21000 - 4 * zeros - 16 * (bytes.length - zeros)) }).catch((e) => e);
    if (/kzg not initialized/.test(result.message)) return "left out"; // 0x0a needs a setup that the package does not bring
    if (result instanceof Error) throw result;
    const error = result.execResult.exceptionError?.error;
    if (!error) return `success ${bytesToHex(result.execResult.returnValue)}`;
    return error === "revert" ? `revert ${bytesToHex(result.execResult.returnValue)}` : "failure";
}

/* ---- precompiled contracts: inputs at the edges of what they take ---- */
const word = (n) => n.toString(16).padStart(64, "0");
const orders = { k1p: 2n ** 256n - 2n ** 32n - 977n, k1n: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n, r1p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn, r1n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    bnp: 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47n, bnn: 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n };
const anyBytes = (n) => Array.from({ length: n }, () => byte(random(256))).join("");
const anyWord = (around) => { const e = [0n, 1n, 2n, 3n, 4n, 2n ** 255n, 2n ** 256n - 1n, ...Object.values(orders)]; const k = random(3); return k === 0 ? word(e[random(e.length)]) : k === 1 ? word((around + BigInt(random(5)) - 2n) % 2n ** 256n) : anyBytes(32); };
const bnPoints = ["0".repeat(128), word(1n) + word(2n), word(1n) + word(orders.bnp - 2n)];
const bnPoint = () => random(4) ? bnPoints[random(bnPoints.length)] : random(2) ? word(orders.bnp + 1n) + word(2n) : anyWord(orders.bnp) + anyWord(orders.bnp);
const blsG1 = "0".repeat(32) + "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb" + "0".repeat(32) + "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1";
const blsP = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
const blsPoint = () => [blsG1, "0".repeat(256), blsG1, "0".repeat(32) + blsP + blsG1.slice(128), blsG1.slice(0, 255) + "2", "01" + blsG1.slice(2)][random(6)];
const length = () => word(BigInt([0, 1, 2, 31, 32, 33, 64, 96, 1023, 1024, 1025][random(11)]));
const inputs = {
    1: () => anyWord(orders.k1n) + word([27n, 28n, 27n, 28n, 0n, 29n, 2n ** 200n][random(7)]) + anyWord(orders.k1n) + anyWord(orders.k1n),
    2: () => anyBytes(random(200)), 3: () => anyBytes(random(200)), 4: () => anyBytes(random(200)),
    5: () => length() + length() + length() + (random(4) ? anyBytes(random(200)) : random(2) ? "00".repeat(random(100)) + anyBytes(random(100)) : "ff".repeat(random(200))),
    6: () => bnPoint() + bnPoint(), 7: () => bnPoint() + anyWord(orders.bnn),
    8: () => anyBytes([0, 192, 191, 384][random(4)]),
    9: () => anyBytes(2).replace(/^/, "0000") + anyBytes(208) + ["00", "01", "02"][random(3)],
    11: () => blsPoint() + blsPoint(), 12: () => Array.from({ length: 1 + random(3) }, () => blsPoint() + anyWord(0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n)).join(""),
    16: () => "0".repeat(32) + (random(3) ? anyBytes(48).replace(/^./, "0") : random(2) ? blsP : "0".repeat(96)),
    256: () => anyWord(orders.r1n) + anyWord(orders.r1n) + anyWord(orders.r1n) + anyWord(orders.r1p) + anyWord(orders.r1p),
};
/* Calls the contract with its own input; gives success, the gas that is left, and what came back. */
const caller = (to) => `0x365f5f375f5f365f61${to.toString(16).padStart(4, "0")}620f4240fa5f525a6020523d5f60403e3d6040015ff3`;

let failed = 0, successes = 0;
for (let i = 0; i < Number(programs); i++) {
    const code = program();
    const data = "0x" + Array.from({ length: random(100) }, () => byte(random(256))).join("");
    const gas = 100000 + random(200000);
    const [a, b] = [await ours(code, data, gas), await theirs(code, data, gas)];
    successes += a.startsWith("success");
    if (b !== "left out" && a !== b && failed++ < 5) console.log(`not ok differential: program ${i} of seed ${seed} - ${code} data ${data} gas ${gas}: ${a.slice(0, 300)}, ethereumjs ${b.slice(0, 300)}`);
}
let wrong = 0, taken = 0;
const each = Math.ceil(Number(programs) / 30);
for (const [to, make] of Object.entries(inputs))
    for (let i = 0; i < each; i++) {
        let data = make();
        if (!random(8)) data = random(2) ? data.slice(0, 2 * random(data.length / 2 + 1)) : data + anyBytes(1 + random(40));
        const [a, b] = [await ours(caller(Number(to)), "0x" + data, 3000000), await theirs(caller(Number(to)), "0x" + data, 3000000)];
        taken += a.startsWith("success 0x" + word(1n));
        if (a !== b && wrong++ < 5) console.log(`not ok differential: precompiled contract ${to} of 0x${data}: ${a.slice(0, 300)}, ethereumjs ${b.slice(0, 300)}`);
    }
console.log(wrong || !taken ? `not ok differential: ${wrong} inputs of precompiled contracts differ, ${taken} are taken` : `ok differential: ${each * Object.keys(inputs).length} inputs of precompiled contracts give the same, ${taken} of them are taken`);
console.log(failed || successes * 4 < Number(programs) ? `not ok differential: ${programs} programs, ${failed} differ, ${successes} succeed` : `ok differential: ${programs} random programs of seed ${seed} give the same on ethereumjs; ${successes} of them succeed`);
process.exit(failed || wrong ? 1 : 0);
