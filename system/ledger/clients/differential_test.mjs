// Random programs on holon-ledger and on ethereumjs, a second EVM written by others: output, success and, by the opcode GAS within the
// programs, gas must be equal.   differential_test.mjs PACKAGES OUR-URL PROGRAMS SEED
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

/* A program: steps that leave the stack one deeper or as it was; at the end memory and the stack's top come back. */
function program() {
    let code = "", depth = 0;
    const put = (text, change) => { code += text; depth += change; };
    for (let i = 4 + random(60); i > 0; i--) {
        const kind = random(16);
        if (kind < 7) {
            const op = pure[random(pure.length)], n = arity[op] ?? 2;
            while (depth < n) put(push(), 1);
            put(op, 1 - n);
        } else if (kind === 7) put(push(), 1);
        else if (kind === 8 && depth) put(byte(0x80 + random(Math.min(depth, 16))), 1);
        else if (kind === 9 && depth > 1) put(byte(0x90 + random(Math.min(depth - 1, 16))), 0);
        else if (kind === 10) put(small() + small() + "20", 1); // KECCAK256
        else if (kind === 11) { if (!depth) put(push(), 1); put(small() + ["52", "53", "55", "5d"][random(4)], -1); } // MSTORE, MSTORE8, SSTORE, TSTORE
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
    evm.journal.addAlwaysWarmAddress(to.toString().slice(2), false);
    evm.journal.addAlwaysWarmAddress(from.toString().slice(2), false);
    const bytes = hexToBytes(data);
    const zeros = bytes.filter((b) => b === 0).length;
    const result = await evm.runCall({ to, caller: from, origin: from, data: bytes, gasLimit: BigInt(gas - 21000 - 4 * zeros - 16 * (bytes.length - zeros)) });
    const error = result.execResult.exceptionError?.error;
    if (!error) return `success ${bytesToHex(result.execResult.returnValue)}`;
    return error === "revert" ? `revert ${bytesToHex(result.execResult.returnValue)}` : "failure";
}

let failed = 0, successes = 0;
for (let i = 0; i < Number(programs); i++) {
    const code = program();
    const data = "0x" + Array.from({ length: random(100) }, () => byte(random(256))).join("");
    const gas = 100000 + random(200000);
    const [a, b] = [await ours(code, data, gas), await theirs(code, data, gas)];
    successes += a.startsWith("success");
    if (a !== b && failed++ < 5) console.log(`not ok differential: program ${i} of seed ${seed} - ${code} data ${data} gas ${gas}: ${a.slice(0, 300)}, ethereumjs ${b.slice(0, 300)}`);
}
console.log(failed || successes * 4 < Number(programs) ? `not ok differential: ${programs} programs, ${failed} differ, ${successes} succeed` : `ok differential: ${programs} random programs of seed ${seed} give the same on ethereumjs; ${successes} of them succeed`);
process.exit(failed ? 1 : 0);
