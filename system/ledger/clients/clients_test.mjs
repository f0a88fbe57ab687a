// Flows of ethers, viem and web3 with OpenZeppelin's contracts, against holon-ledger and, when its address is given,
// against npm's anvil: code, storage, logs, results and revert data must be equal.
//   clients_test.mjs PACKAGES OUR-URL [ANVIL-URL]
import { compile, require, rpc, scale } from "./compile.mjs";

const urls = process.argv.slice(3);
const ethers = require("ethers");
const viem = require("viem");
const { privateKeyToAccount } = require("viem/accounts");
const { Web3 } = require("web3");
const contracts = compile(["Sample.sol"]);
const keys = ["0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"];
let failed = 0;

function check(name, good, why = "") {
    console.log(good ? `ok clients: ${name}` : `not ok clients: ${name} - ${why}`);
    if (!good) failed++;
}
const text = (value) => JSON.stringify(value, (_, v) => (typeof v === "bigint" ? v.toString() : v));

// ---- ethers: the whole flow; gives what must be the same on every node ----
async function withEthers(url) {
    const seen = {};
    const provider = new ethers.JsonRpcProvider(url, undefined, { pollingInterval: 100, cacheTimeout: -1 });
    const [a, b] = keys.map((k) => new ethers.Wallet(k, provider));
    const deploy = async (name, ...parameters) => {
        const c = await new ethers.ContractFactory(contracts[name].abi, contracts[name].bytecode, a).deploy(...parameters);
        await c.waitForDeployment();
        seen[`${name} at`] = await c.getAddress();
        seen[`${name} code`] = await provider.getCode(await c.getAddress());
        return c;
    };
    const logs = (receipt) => receipt.logs.map((l) => [l.address, l.topics, l.data, l.index]);
    const revert = async (promise) => {
        try { await promise; return "no revert"; } catch (e) { return [e.data ?? e.info?.error?.data, e.reason, e.revert?.name]; }
    };

    const token = await deploy("SampleToken", 10n ** 24n);
    const transfer = await (await token.transfer(b.address, 12345n)).wait();
    seen["transfer logs"] = logs(transfer);
    seen["transfer gas"] = transfer.gasUsed;
    seen["balances"] = [await token.balanceOf(a.address), await token.balanceOf(b.address), await token.totalSupply()];
    seen["too much"] = await revert(token.transfer.staticCall(b.address, 10n ** 30n));
    seen["not a minter"] = await revert(token.connect(b).mint.staticCall(b.address, 1n));
    // permit: typed data signed by b, sent by a
    const domain = { name: "Sample", version: "1", chainId: (await provider.getNetwork()).chainId, verifyingContract: await token.getAddress() };
    const types = { Permit: ["owner address", "spender address", "value uint256", "nonce uint256", "deadline uint256"]
        .map((f) => ({ name: f.split(" ")[0], type: f.split(" ")[1] })) };
    const permit = { owner: b.address, spender: a.address, value: 777n, nonce: 0n, deadline: 2n ** 60n };
    const s = ethers.Signature.from(await b.signTypedData(domain, types, permit));
    await (await token.permit(permit.owner, permit.spender, permit.value, permit.deadline, s.v, s.r, s.s)).wait();
    seen["allowance"] = await token.allowance(b.address, a.address);
    seen["spent"] = logs(await (await token.transferFrom(b.address, a.address, 700n)).wait());

    const nft = await deploy("SampleNft", a.address);
    seen["nft logs"] = logs(await (await nft.mint(b.address, 7n)).wait());
    seen["nft owner"] = await nft.ownerOf(7n);
    seen["nft none"] = await revert(nft.ownerOf(8n));

    const probe = await deploy("Probe");
    for (let kind = 0; kind < 6; kind++) seen[`fail ${kind}`] = await revert(probe.fail(kind));
    seen["clone"] = logs(await (await probe.clone()).wait());
    await (await probe.set(0x1234n)).wait();
    await (await probe.setBlob("0x" + "ab".repeat(100))).wait();
    for (let slot = 0; slot < 3; slot++) seen[`slot ${slot}`] = await provider.getStorage(await probe.getAddress(), slot);
    seen["long slot"] = await provider.getStorage(await probe.getAddress(), ethers.keccak256(ethers.zeroPadValue("0x01", 32)));
    const digest = ethers.hashMessage("hello");
    seen["signer"] = await probe.signer(digest, await b.signMessage("hello"));
    seen["estimate over use"] = (await probe.set.estimateGas(99n)) >= 21000n;
    // a failing transaction that is mined
    const bad = await token.connect(b).mint(b.address, 1n, { gasLimit: 100000n });
    seen["mined failure"] = await bad.wait().then(() => "success", (e) => [e.code, e.receipt?.status, e.receipt?.gasUsed]);
    // many at once, by nonces given out of order
    const nonce = await a.getNonce();
    const order = [3, 1, 0, 2, 4];
    const sent = await Promise.all(order.map((i) => probe.set(BigInt(i), { nonce: nonce + i, gasLimit: 100000n })));
    await Promise.all(sent.map((t) => t.wait()));
    seen["out of order"] = await probe.stored();
    // blocks, transactions, logs
    const block = await provider.getBlock("latest", true);
    seen["block has transactions"] = block.transactions.length > 0 && block.prefetchedTransactions.length > 0;
    const found = await provider.getTransaction(transfer.hash);
    seen["transaction"] = [found.from, found.to, found.data, found.nonce];
    seen["events"] = (await token.queryFilter("Transfer", 0)).map((e) => e.args.map(String));
    seen["filtered"] = (await token.queryFilter(token.filters.Transfer(null, b.address), 0)).length;
    // a creation by a raw legacy transaction
    const raw = await a.signTransaction({ type: 0, nonce: await a.getNonce(), gasLimit: 200000n, gasPrice: (await provider.getFeeData()).gasPrice ?? 0n,
        data: "0x6001600c60003960016000f300", chainId: domain.chainId });
    seen["legacy creation"] = (await (await provider.broadcastTransaction(raw)).wait()).status;
    // EIP-7702: b's account runs Probe's code
    const authorization = await b.authorize({ address: await probe.getAddress(), nonce: await b.getNonce() });
    await (await a.sendTransaction({ type: 4, to: b.address, data: probe.interface.encodeFunctionData("set", [5n]), authorizationList: [authorization], gasLimit: 200000n })).wait();
    seen["delegated code"] = await provider.getCode(b.address);
    seen["delegated slot"] = await provider.getStorage(b.address, 0);
    provider.destroy();
    return seen;
}

async function overWebSocket(url) {
    const provider = new ethers.WebSocketProvider(url.replace("http", "ws"), undefined, { cacheTimeout: -1 });
    const wallet = new ethers.Wallet(keys[0], provider);
    const token = await (await new ethers.ContractFactory(contracts.SampleToken.abi, contracts.SampleToken.bytecode, wallet).deploy(1000n)).waitForDeployment();
    const blocks = [];
    const events = [];
    await provider.on("block", (n) => blocks.push(n));
    await token.on("Transfer", (from, to, value) => events.push(value));
    for (const v of [1n, 2n, 3n]) await (await token.transfer(wallet.address, v)).wait();
    for (let i = 0; i < 300 * scale && (events.length < 3 || blocks.length < 3); i++) await new Promise((r) => setTimeout(r, 100));
    await provider.destroy();
    return { events, blocks: blocks.length >= 3 };
}

async function withViem(url) {
    const id = Number(await rpc(url, "eth_chainId", []));
    const chain = viem.defineChain({ id, name: "test", nativeCurrency: { name: "none", symbol: "N", decimals: 18 }, rpcUrls: { default: { http: [url] } } });
    const account = privateKeyToAccount(keys[1]);
    const reader = viem.createPublicClient({ chain, transport: viem.http(url, { batch: true }), pollingInterval: 100 });
    const writer = viem.createWalletClient({ chain, account, transport: viem.http(url) });
    const { abi, bytecode } = contracts.SampleToken;
    const made = await reader.waitForTransactionReceipt({ hash: await writer.deployContract({ abi, bytecode, args: [500n] }) });
    const address = made.contractAddress;
    const { request } = await reader.simulateContract({ address, abi, functionName: "transfer", args: [address.replace(/.$/, "1"), 5n], account }).catch((e) => ({ request: e }));
    await reader.waitForTransactionReceipt({ hash: await writer.writeContract(request) });
    const reads = await Promise.all(["name", "symbol", "decimals", "totalSupply"].map((functionName) => reader.readContract({ address, abi, functionName })));
    const refused = await reader.simulateContract({ address, abi, functionName: "transfer", args: [account.address, 10n ** 9n], account: address }).catch((e) => e.walk((x) => x.data)?.data?.errorName);
    const logs = await reader.getContractEvents({ address, abi, eventName: "Transfer", fromBlock: made.blockNumber });
    const seenBlocks = [];
    const socket = viem.createPublicClient({ chain, transport: viem.webSocket(url.replace("http", "ws")) });
    const stop = socket.watchBlockNumber({ onBlockNumber: (n) => seenBlocks.push(n) });
    // Nobody says when the subscription stands: blocks are made until one is seen.
    for (let i = 0; i < 100 * scale && !seenBlocks.length; i++) {
        await reader.waitForTransactionReceipt({ hash: await writer.writeContract({ address, abi, functionName: "burn", args: [1n] }) });
        for (let j = 0; j < 10 && !seenBlocks.length; j++) await new Promise((r) => setTimeout(r, 100));
    }
    stop();
    (await socket.transport.getRpcClient()).close();
    return { reads, refused, logs: logs.map((l) => l.args.value), watched: seenBlocks.length > 0 };
}

async function withWeb3(url) {
    const web3 = new Web3(url);
    const [from] = await web3.eth.getAccounts();
    const { abi, bytecode } = contracts.Probe;
    const probe = await new web3.eth.Contract(abi).deploy({ data: bytecode }).send({ from, gas: "3000000" });
    await probe.methods.set(31337).send({ from });
    const stored = await probe.methods.stored().call();
    const refused = await probe.methods.fail(1).call().then(() => "none", (e) => e.cause?.data ?? e.data);
    await probe.methods.clone().send({ from });
    const events = await probe.getPastEvents("Made", { fromBlock: 0 });
    return { stored, refused, events: events.length, type: typeof (await web3.eth.getBlock()).number };
}

const flows = { ethers: withEthers, "ethers over WebSocket": overWebSocket, viem: withViem, web3: withWeb3 };
for (const [name, flow] of Object.entries(flows)) {
    try {
        const [mine, theirs] = [await flow(urls[0]), urls[1] && (await flow(urls[1]))];
        const skip = ["spent-by"];
        for (const key of Object.keys(mine))
            check(`${name}, ${key}${theirs ? ", as anvil" : ""}`, !theirs || skip.includes(key) || text(mine[key]) === text(theirs[key]), `${text(mine[key])?.slice(0, 300)}, anvil ${theirs && text(theirs[key])?.slice(0, 300)}`);
    } catch (e) {
        check(name, false, `${e.stack?.slice(0, 900)}`.replace(/\n/g, " | "));
    }
}
process.exit(failed ? 1 : 0);
