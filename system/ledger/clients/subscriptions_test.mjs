// Subscriptions through a gateway: ethers, viem and bare WebSockets see every block, log and transaction once, also when the node
// that answers is killed; and clients that mean harm meet limits.
//   subscriptions_test.mjs PACKAGES GATEWAY-URL NODE-URL PID-OF-THE-FIRST-NODE
import net from "node:net";
import crypto from "node:crypto";
import { require, rpc, scale } from "./compile.mjs";

const ethers = require("ethers");
const viem = require("viem");
const { WebSocket } = require("ws");
const [gateway, node, first] = process.argv.slice(3);
const socketUrl = gateway.replace("http", "ws");
const chainId = BigInt(await rpc(node, "eth_chainId", []));
const wait = (ms) => new Promise((r) => setTimeout(r, ms));
let failed = 0;

function check(name, good, why = "") {
    console.log(good ? `ok gateway subscriptions: ${name}` : `not ok gateway subscriptions: ${name} - ${why}`);
    if (!good) failed++;
}

async function until(predicate, tries = 600) {
    for (let i = 0; i < tries * scale && !predicate(); i++) await wait(100);
    return predicate();
}

// A connection whose answers and notifications are kept.
class Client {
    constructor() {
        this.socket = new WebSocket(socketUrl);
        this.answers = new Map();
        this.seen = new Map();
        this.last = 0;
        this.closed = false;
        this.socket.on("error", () => {});
        this.socket.on("close", () => { this.closed = true; });
        this.socket.on("message", (data) => {
            const message = JSON.parse(data);
            if (message.method === "eth_subscription") {
                const { subscription, result } = message.params;
                this.seen.set(subscription, [...(this.seen.get(subscription) ?? []), result]);
            } else {
                this.answers.set(message.id, message);
            }
        });
        this.open = new Promise((resolve, reject) => { this.socket.on("open", resolve); this.socket.on("error", reject); });
    }
    async call(method, ...params) {
        await this.open;
        const id = ++this.last;
        this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
        await until(() => this.answers.has(id) || this.closed);
        return this.answers.get(id) ?? { error: { message: "closed" } };
    }
    async subscribe(...params) {
        return (await this.call("eth_subscribe", ...params)).result;
    }
    of(id) {
        return this.seen.get(id) ?? [];
    }
}

const wallet = new ethers.Wallet(ethers.id("subscriptions"));
let nonce = Number(await rpc(node, "eth_getTransactionCount", [wallet.address, "latest"]));

async function send(fields) {
    const raw = await wallet.signTransaction({ type: 2, chainId, nonce: nonce++, gasLimit: 200000, maxFeePerGas: 0, maxPriorityFeePerGas: 0, ...fields });
    const hash = await rpc(gateway, "eth_sendRawTransaction", [raw]);
    let receipt = null;
    for (let i = 0; i < 600 && !receipt; i++) {
        receipt = await rpc(node, "eth_getTransactionReceipt", [hash]);
        if (!receipt) await wait(100);
    }
    return { hash, receipt };
}

// A contract that answers each call with one log: topic T, data 42.
const topic = ethers.id("Answer(uint256)");
const code = `0x602c600c600039602c6000f3602a6000527f${topic.slice(2)}60206000a100`;

const heads = new Client(), logs = new Client(), pending = new Client();
const headsId = await heads.subscribe("newHeads");
const pendingId = await pending.subscribe("newPendingTransactions");
check("a connection subscribes", /^0x[0-9a-f]+$/.test(headsId ?? "") && /^0x[0-9a-f]+$/.test(pendingId ?? ""), `${headsId} ${pendingId}`);
const made = await send({ data: code });
const address = made.receipt?.contractAddress;
const logsId = await logs.subscribe("logs", { address, topics: [topic] });
const othersId = await logs.subscribe("logs", { address, topics: [ethers.id("Other()")] });
const anyId = await logs.subscribe("logs", { topics: [[topic, ethers.id("Other()")]] });

const provider = new ethers.WebSocketProvider(socketUrl, undefined, { cacheTimeout: -1 });
const contract = new ethers.Contract(address, ["event Answer(uint256 value)"], provider);
const ethersBlocks = [], ethersEvents = [], viemBlocks = [], viemLogs = [];
await provider.on("block", (n) => ethersBlocks.push(n));
await contract.on("Answer", (value) => ethersEvents.push(value));
const viemClient = viem.createPublicClient({ transport: viem.webSocket(socketUrl) });
const stopBlocks = viemClient.watchBlockNumber({ onBlockNumber: (n) => viemBlocks.push(n) });
const stopLogs = viemClient.watchEvent({ address, event: viem.parseAbiItem("event Answer(uint256 value)"), onLogs: (l) => viemLogs.push(...l) });
await wait(500);

const hashes = [made.hash];
for (let i = 0; i < 4; i++) {
    if (i === 2) process.kill(Number(first), "SIGKILL");
    hashes.push((await send({ to: address, data: "0x" })).hash);
}
const wanted = (await rpc(node, "eth_getLogs", [{ fromBlock: "0x0", toBlock: "latest", address }]));
await until(() => logs.of(logsId).length >= wanted.length && ethersEvents.length >= 4 && viemLogs.length >= 4 && ethersBlocks.length >= 3 && viemBlocks.length >= 3);
const plain = (list) => JSON.stringify(list.map((l) => [l.address, l.topics, l.data, l.blockNumber, l.transactionHash, l.logIndex, l.removed]));
check("each log comes once, as eth_getLogs has it, with a node killed meanwhile", wanted.length === 4 && plain(logs.of(logsId)) === plain(wanted), `${plain(logs.of(logsId))} ${plain(wanted)}`.slice(0, 400));
check("to whoever's filter it matches", plain(logs.of(anyId)) === plain(wanted) && logs.of(othersId).length === 0);
check("ethers sees the events", ethersEvents.length === 4 && ethersEvents.every((v) => v === 42n), `${ethersEvents}`);
check("and blocks", ethersBlocks.length >= 3, `${ethersBlocks}`);
check("so does viem", viemLogs.length === 4 && viemLogs.every((l) => l.args.value === 42n) && viemBlocks.length >= 3, `${viemLogs.length} ${viemBlocks.length}`);
check("transactions on their way are told", JSON.stringify(pending.of(pendingId)) === JSON.stringify(hashes), `${pending.of(pendingId)}`);
await until(() => heads.of(headsId).length >= hashes.length); // each transaction waited for its receipt: so many blocks at least
const numbers = heads.of(headsId).map((h) => Number(h.number));
check("blocks come in order, none twice and none left out", numbers.length >= hashes.length && numbers.every((n, i) => i === 0 || n === numbers[i - 1] + 1), `${numbers}`);
const chained = heads.of(headsId).every((h, i, all) => i === 0 || h.parentHash === all[i - 1].hash);
const { transactions, uncles, withdrawals, ...header } = await rpc(node, "eth_getBlockByNumber", [heads.of(headsId)[0].number, false]);
check("as the headers of the chain", chained && JSON.stringify(heads.of(headsId)[0]) === JSON.stringify(header), JSON.stringify(heads.of(headsId)[0])?.slice(0, 200));
stopBlocks();
stopLogs();
(await viemClient.transport.getRpcClient()).close();
await provider.destroy();

const ended = await heads.call("eth_unsubscribe", headsId);
const stood = heads.of(headsId).length;
await send({ to: address, data: "0x" });
await until(() => logs.of(logsId).length === 5);
check("who unsubscribes is told no more", ended.result === true && (await heads.call("eth_unsubscribe", headsId)).result === false && heads.of(headsId).length === stood);
check("nobody ends another's", (await heads.call("eth_unsubscribe", logsId)).result === false);

// ---- limits ----
const greedy = new Client();
const taken = [];
for (let i = 0; i < 70; i++) taken.push(await greedy.call("eth_subscribe", "newPendingTransactions"));
check("a connection has at most 64", taken.filter((a) => a.result).length === 64 && taken[64].error?.code === -32005, JSON.stringify(taken[64]));
const many = Array.from({ length: 1025 }, (_, i) => ethers.zeroPadValue(ethers.toBeHex(i + 1), 20));
const wrong = [["nothing"], [], ["logs", { address: many }], ["logs", { topics: [1, 2, 3, 4, 5] }], ["logs", { address: "0x12" }]];
const answers = await Promise.all(wrong.map((params) => heads.call("eth_subscribe", ...params)));
check("what is no subscription is refused", answers.every((a) => a.error?.code === -32602), JSON.stringify(answers));
check("and one over HTTP", await rpc(gateway, "eth_subscribe", ["newHeads"]).then(() => false, () => true));
greedy.socket.terminate();

// As many as there may be, by connections that end at once; then there is room again.
for (let round = 0; round < 3; round++) {
    const crowd = Array.from({ length: 70 }, () => new Client());
    const batch = JSON.stringify(Array.from({ length: 64 }, (_, id) => ({ jsonrpc: "2.0", id, method: "eth_subscribe", params: ["newHeads"] })));
    await Promise.all(crowd.map((c) => c.open.then(() => c.socket.send(batch), () => {})));
    if (round === 1) await wait(300);
    for (const c of crowd) c.socket.terminate();
}
let again;
for (let i = 0; i < 600 * scale && !again; i++) {
    again = await heads.subscribe("newHeads");
    if (!again) await wait(100);
}
check("subscriptions of connections that end are given back", again !== undefined);

// One that asks and asks, and reads nothing.
const { hostname, port } = new URL(gateway);
const deaf = net.connect(Number(port), hostname);
deaf.on("error", () => {});
let over = false;
deaf.on("close", () => { over = true; });
deaf.write(`GET / HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${crypto.randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\n\r\n`);
await new Promise((r) => deaf.once("data", r));
deaf.pause();
function frame(text) {
    const body = Buffer.from(text), head = Buffer.alloc(14);
    head[0] = 0x81;
    head[1] = 0xff;
    head.writeBigUInt64BE(BigInt(body.length), 2);
    return Buffer.concat([head, body]); // the mask is 0
}
const request = { jsonrpc: "2.0", id: "x".repeat(60000), method: "eth_accounts", params: [] };
for (let i = 0; i < 60 && !over; i++) {
    deaf.write(frame(JSON.stringify(Array.from({ length: 20 }, () => request))));
    await wait(20);
}
check("others are served meanwhile", (await heads.call("eth_chainId")).result !== undefined);
deaf.resume();
check("who reads nothing is let go", await until(() => over, 300));

// Frames that are no requests.
const noise = new Client();
await noise.open;
noise.socket.send("{");
noise.socket.send(JSON.stringify([1, null, {}, []]));
noise.socket.send(Buffer.from([0xff, 0xfe, 0x00]));
noise.socket.send(JSON.stringify({ jsonrpc: "2.0", method: "eth_subscribe", params: { a: 1 } }));
await wait(200);
check("and after nonsense", (await heads.call("eth_blockNumber")).result !== undefined && (await rpc(gateway, "eth_chainId", [])) !== undefined);
for (const c of [heads, logs, pending, noise]) c.socket.terminate();
process.exit(failed ? 1 : 0);
