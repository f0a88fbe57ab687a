// What a gateway took is kept until it is final: the node that takes a stream of transactions is killed in the midst of it, and
// another lies about nonces and keeps envelopes back; every transaction comes into a block, once and in order.
//   keep_test.mjs PACKAGES GATEWAY-COMMAND… (a command without --node and --rpc-port) -- NODE-URL-1 NODE-URL-2 NODE-URL-3 PID-OF-NODE-1 PORT
import http from "node:http";
import { spawn } from "node:child_process";
import { require, rpc, scale } from "./compile.mjs";

const ethers = require("ethers");
const words = process.argv.slice(3);
const command = words.slice(0, words.indexOf("--"));
const [first, second, third, pid, port] = words.slice(words.indexOf("--") + 1);
const chainId = BigInt(await rpc(third, "eth_chainId", []));
const wait = (ms) => new Promise((r) => setTimeout(r, ms));
let failed = 0;

function check(name, good, why = "") {
    console.log(good ? `ok gateway keeps: ${name}` : `not ok gateway keeps: ${name} - ${why}`);
    if (!good) failed++;
}

function sign(wallet, nonce, more = {}) {
    return wallet.signTransaction({ type: 2, chainId, nonce, gasLimit: 60000, to: wallet.address, data: ethers.toBeHex(nonce + 1), maxFeePerGas: 0, maxPriorityFeePerGas: 0, ...more });
}

// Starts a gateway, gives its URL and how to end it.
async function gateway(nodes, at) {
    const child = spawn(command[0], [...command.slice(1), ...nodes.flatMap((n) => ["--node", n]), "--rpc-port", `${at}`], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((r) => child.stdout.once("data", r));
    return { url: `http://127.0.0.1:${at}`, end: () => new Promise((r) => { child.once("exit", r); child.kill(); }) };
}

// Every account's transactions, to be sent in the order of nonces, accounts at the same time.
async function make(name, accounts, each) {
    const lists = [];
    for (let i = 0; i < accounts; i++) {
        const wallet = new ethers.Wallet(ethers.id(`${name} ${i}`));
        const list = [];
        for (let nonce = 0; nonce < each; nonce++) list.push(await sign(wallet, nonce));
        lists.push({ address: wallet.address, raws: list, hashes: list.map((raw) => ethers.keccak256(raw)) });
    }
    return lists;
}

// As far as they come within so many seconds, on a machine that has time.
async function receiptsOf(node, lists, seconds) {
    seconds *= scale;
    const receipts = new Map();
    const all = lists.flatMap((l) => l.hashes);
    for (let tries = 0; tries < seconds * 4 && receipts.size < all.length; tries++) {
        for (const hash of all)
            if (!receipts.has(hash)) {
                const receipt = await rpc(node, "eth_getTransactionReceipt", [hash]);
                if (receipt) receipts.set(hash, receipt);
                else break; /* those after it come after it, mostly */
            }
        if (receipts.size < all.length) {
            for (const { hashes } of lists)
                for (const hash of hashes)
                    if (!receipts.has(hash)) {
                        const receipt = await rpc(node, "eth_getTransactionReceipt", [hash]);
                        if (!receipt) break;
                        receipts.set(hash, receipt);
                    }
            await wait(250);
        }
    }
    return receipts;
}

function judge(what, lists, receipts, answers) {
    const all = lists.flatMap((l) => l.hashes);
    check(`${what}: all are in blocks`, all.every((h) => receipts.has(h)), `${receipts.size} of ${all.length}; ${answers.filter((a) => !a.startsWith("0x"))[0] ?? ""}`);
    const place = (r) => Number(r.blockNumber) * 100000 + Number(r.transactionIndex);
    check(`${what}: in the order of nonces`, lists.every((l) => l.hashes.every((h, i) => i === 0 || (receipts.has(h) && receipts.has(l.hashes[i - 1]) && place(receipts.get(h)) > place(receipts.get(l.hashes[i - 1]))))));
}

// How often each hash stands in the chain.
async function occurrences(node, hashes, from) {
    const wanted = new Map(hashes.map((h) => [h, 0]));
    const last = Number(await rpc(node, "eth_blockNumber", []));
    for (let number = from; number <= last; number++)
        for (const hash of (await rpc(node, "eth_getBlockByNumber", [ethers.toQuantity(number), false])).transactions)
            if (wanted.has(hash)) wanted.set(hash, wanted.get(hash) + 1);
    return wanted;
}

// ---- a node that lies first, while all are up ----
// Stands before the first node: a nonce is what `nonce` says, proofs are what `prove` makes of the node's, an envelope is taken and
// kept back.
const lies = { nonce: "0x0", kept: 0, proofs: 0, prove: null };
const liar = http.createServer((request, response) => {
    let text = "";
    request.on("data", (data) => { text += data; });
    request.on("end", async () => {
        try {
            const body = JSON.parse(text);
            const one = async (call) => {
                if (call.method === "eth_getTransactionCount") return { jsonrpc: "2.0", id: call.id, result: lies.nonce };
                if (call.method === "holon_prove") { lies.proofs++; return { jsonrpc: "2.0", id: call.id, result: await lies.prove(call.params) }; }
                if (call.method === "holon_sendEnvelope") { lies.kept++; return { jsonrpc: "2.0", id: call.id, result: true }; }
                return { jsonrpc: "2.0", id: call.id, result: await rpc(first, call.method, call.params ?? []) };
            };
            const answer = Array.isArray(body) ? await Promise.all(body.map(one)) : await one(body);
            response.setHeader("content-type", "application/json");
            response.end(JSON.stringify(answer));
        } catch {
            response.destroy();
        }
    });
});
await new Promise((r) => liar.listen(0, "127.0.0.1", r));
const liarUrl = `http://127.0.0.1:${liar.address().port}`;
const unused = ethers.getAddress("0x" + "77".repeat(20));
const honest = (params) => rpc(first, "holon_prove", params);
// The first character of a byte behind `at`, changed.
const changed = (text, at) => text.slice(0, at) + (text[at] === "0" ? "1" : "0") + text.slice(at + 1);
let kept = null;
const waysToLie = [
    ["a node proves another account in place of the one that was asked for", "0x0", async ([known, accounts, slots]) => honest([known, accounts.map(() => unused), slots])],
    ["a node changes the header", "0xffffffffffffffff", async (params) => { const a = await honest(params); return a.header ? { ...a, header: changed(a.header, 200) } : a; }],
    ["a node makes a state of its own, in which every account's nonce is 99", "0x63", async ([, accounts, slots]) => {
        const a = await honest(["0x0", accounts, slots]);
        if (!a.head || accounts.length !== 1) return a;
        const leaf = ethers.encodeRlp([ethers.concat(["0x20", ethers.keccak256(accounts[0])]), ethers.encodeRlp(["0x63", "0x", ethers.keccak256("0x80"), ethers.keccak256("0x")])]);
        const header = a.header.slice(0, 184) + ethers.keccak256(leaf).slice(2) + a.header.slice(248);
        return { ...a, header, head: a.head.slice(0, 52) + ethers.keccak256(header).slice(2) + a.head.slice(116), accounts: [[leaf]] };
    }],
    ["a node says that nothing happens any more", "0x0", async ([, accounts, slots]) => kept && kept.accounts.length === accounts.length ? kept : (kept = await honest(["0x0", accounts, slots]), kept.header ? kept : (kept = null, honest(["0x0", accounts, slots])))],
    ["a node promises blocks that never come", "0xffffffffffffffff", async (params) => ({ ...await honest(params), latest: "0xffffffff" })],
    ["a node gives anything but a proof", "0x0", async () => ({ latest: "0x0", header: "0xc0", accounts: [["0x80"]], slots: {} })],
];
for (const [what, nonce, prove] of waysToLie) {
    lies.nonce = nonce;
    lies.prove = prove;
    lies.proofs = 0;
    lies.kept = 0;
    const g = await gateway([liarUrl, second, third], port);
    const lists = await make(what, 3, 8);
    const answers = [];
    await Promise.all(lists.map(async ({ raws }) => {
        for (const raw of raws) answers.push(await rpc(g.url, "eth_sendRawTransaction", [raw]).then((h) => h, (e) => `${e}`));
    }));
    judge(what, lists, await receiptsOf(third, lists, 120), answers);
    check(`${what}: it was asked for proofs`, lies.proofs > 0);
    const counts = await Promise.all(lists.map((l) => rpc(g.url, "eth_getTransactionCount", [l.address, "pending"])));
    check(`${what}: a wallet is told the nonce that is so`, counts.every((c) => c === "0x8"), `${counts}`);
    // The node that is asked may have a block less for a moment than the one that gave the receipts.
    let latest;
    for (let tries = 0; tries < 50 * scale && !latest?.every((c) => c === "0x8"); tries++)
        latest = await Promise.all(lists.map((l) => rpc(g.url, "eth_getTransactionCount", [l.address, "latest"])));
    check(`${what}: also in the last block`, latest.every((c) => c === "0x8"), `${latest}`);
    await g.end();
}

// ---- replacements, behind a gap ----
const replaced = await gateway([second, third], port);
const wallet = new ethers.Wallet(ethers.id("replaced"));
const old = await rpc(replaced.url, "eth_sendRawTransaction", [await sign(wallet, 1)]);
const better = await rpc(replaced.url, "eth_sendRawTransaction", [await sign(wallet, 1, { maxFeePerGas: 9, gasLimit: 70000 })]);
const start = await rpc(replaced.url, "eth_sendRawTransaction", [await sign(wallet, 0)]);
const again = await rpc(replaced.url, "eth_sendRawTransaction", [await sign(wallet, 0, { gasLimit: 70000 })]).then(() => "taken", (e) => e.message);
check("one that is on its way, or final, is not replaced", /underpriced|nonce too low/.test(again), again);
const seen = await receiptsOf(third, [{ hashes: [start, better] }], 60);
check("one that waits behind a gap is", seen.size === 2 && (await rpc(third, "eth_getTransactionReceipt", [old])) === null, `${seen.size}`);
await replaced.end();

// ---- a node dies in the midst of a stream ----
const g = await gateway([first, second, third], port);
const lists = await make("stream", 5, 100);
const from = Number(await rpc(third, "eth_blockNumber", []));
const answers = [];
let killed = false;
await Promise.all(lists.map(async ({ raws }) => {
    for (const raw of raws) {
        // As a client does that is told to try again later.
        let answer;
        for (let tries = 0; tries < 600 * scale; tries++) {
            answer = await rpc(g.url, "eth_sendRawTransaction", [raw]).then((h) => h, (e) => `${e.message}`);
            if (answer.startsWith("0x") || answer === "already known") break;
            await wait(100);
        }
        answers.push(answer === "already known" ? "0x" : answer);
        if (answers.length === 200) { process.kill(Number(pid), "SIGKILL"); killed = true; }
    }
}));
check("500 transactions of five accounts are taken while their node is killed", killed && answers.length === 500 && answers.every((a) => a.startsWith("0x")), answers.find((a) => !a.startsWith("0x")));
judge("a node is killed", lists, await receiptsOf(third, lists, 240), answers);
const counted = await occurrences(third, lists.flatMap((l) => l.hashes), from);
check("each once", [...counted.values()].every((n) => n === 1), `${[...counted.values()].filter((n) => n !== 1)}`);
await g.end();
liar.close();
process.exit(failed ? 1 : 0);
