// The execution benchmark: the same calls against holon-ledger and npm's anvil, side by side in one run.
//   bench.mjs PACKAGES OUR-URL ANVIL-URL [ROUNDS]
import { compile, require, rpc } from "./compile.mjs";

const [ours, anvil] = [process.argv[3], process.argv[4]];
const rounds = Number(process.argv[5] ?? 7);
const { Interface } = require("ethers");
const bench = compile(["Bench.sol"]).Bench;
const api = new Interface(bench.abi);
const address = "0x00000000000000000000000000000000000be4c1";
const rows = [
    ["ray tracer", "rays", 800],
    ["keccak loop", "hashes", 450000],
    ["arithmetic loop", "arithmetic", 400000],
    ["sum loop", "sum", 450000],
    ["storage loop", "storing", 60000],
    ["ERC-20 transfers", "transfers", 13000],
    ["swaps", "swaps", 2700],
];
const gas = "0x3b9aca00";

async function call(url, name, n) {
    const tx = { to: address, data: api.encodeFunctionData(name, [n]), gas };
    const started = performance.now();
    const result = await rpc(url, "eth_call", [tx, "latest", { [address]: { code: bench.deployed } }]);
    return [performance.now() - started, result];
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
let losses = 0;
console.log("| row | Mgas | holon ms | anvil ms | ratio |\n|---|---|---|---|---|");
for (const [title, name, n] of rows) {
    const times = [[], []];
    for (let round = 0; round < rounds; round++) {
        const a = await call(ours, name, n);
        const b = await call(anvil, name, n);
        if (a[1] !== b[1]) {
            console.log(`not ok ${title} - ours gives ${a[1]}, anvil ${b[1]}`);
            process.exit(1);
        }
        times[0].push(a[0]);
        times[1].push(b[0]);
    }
    const tx = { to: address, data: api.encodeFunctionData(name, [n]), gas };
    const [mine, theirs] = times.map(median);
    const used = await gasUsed(tx);
    if (mine > theirs) losses++;
    console.log(`| ${title} | ${(used / 1e6).toFixed(1)} | ${mine.toFixed(1)} | ${theirs.toFixed(1)} | ${(mine / theirs).toFixed(2)} |`);
}

// What a call uses, from how much less gas a second call of a metering contract has left: found by halving.
async function gasUsed(tx) {
    let [low, high] = [21000, 1e9];
    while (high - low > 100000) {
        const middle = Math.floor((low + high) / 2);
        try {
            await rpc(ours, "eth_call", [{ ...tx, gas: "0x" + middle.toString(16) }, "latest", { [address]: { code: bench.deployed } }]);
            high = middle;
        } catch {
            low = middle;
        }
    }
    return high;
}
console.log(losses ? `${losses} rows are slower than anvil's` : "no row is slower than anvil's");
