// Twelve transactions each of sixteen accounts, all at once and out of order, through a gateway; read at another validator.
//   gateway_test.mjs PACKAGES GATEWAY-URL NODE-URL
import { require, rpc, scale } from "./compile.mjs";

const ethers = require("ethers");
const [gateway, node] = process.argv.slice(3);
const chainId = BigInt(await rpc(node, "eth_chainId", []));
let failed = 0;

function check(name, good, why = "") {
    console.log(good ? `ok gateway: ${name}` : `not ok gateway: ${name} - ${why}`);
    if (!good) failed++;
}

const wallets = Array.from({ length: 16 }, (_, i) => new ethers.Wallet(ethers.id(`gateway ${i}`)));
const signed = [];
for (const wallet of wallets)
    for (let nonce = 11; nonce >= 0; nonce--)
        signed.push({ wallet, nonce, raw: await wallet.signTransaction({ type: 2, chainId, nonce, gasLimit: 60000, to: wallet.address, data: ethers.toBeHex(nonce + 1), maxFeePerGas: 0, maxPriorityFeePerGas: 0 }) });
const answers = await Promise.all(signed.map(({ raw }) => rpc(gateway, "eth_sendRawTransaction", [raw]).then((hash) => hash, (e) => `${e}`)));
check("every transaction is taken", signed.every(({ raw }, i) => answers[i] === ethers.keccak256(raw)), answers.find((a, i) => a !== ethers.keccak256(signed[i].raw)));

const receipts = new Map();
for (let tries = 0; tries < 1200 * scale && receipts.size < signed.length; tries++) {
    for (const hash of answers)
        if (!receipts.has(hash)) {
            const receipt = await rpc(node, "eth_getTransactionReceipt", [hash]);
            if (receipt) receipts.set(hash, receipt);
        }
    await new Promise((r) => setTimeout(r, 100));
}
check("every one is executed", receipts.size === signed.length && [...receipts.values()].every((r) => r.status === "0x1"), `${receipts.size} of ${signed.length}`);
const place = (hash) => { const r = receipts.get(hash); return r ? Number(r.blockNumber) * 100000 + Number(r.transactionIndex) : -1; };
const ordered = wallets.every((wallet) => {
    const places = signed.map((s, i) => [s, answers[i]]).filter(([s]) => s.wallet === wallet).sort((a, b) => a[0].nonce - b[0].nonce).map(([, hash]) => place(hash));
    return places.every((p, i) => i === 0 || p > places[i - 1]);
});
check("those of one account stand in the order of their nonces", ordered);
const counts = await Promise.all(wallets.map((w) => rpc(node, "eth_getTransactionCount", [w.address, "latest"])));
check("the accounts' nonces say so, too", counts.every((c) => c === "0xc"), `${counts}`);
process.exit(failed ? 1 : 0);
