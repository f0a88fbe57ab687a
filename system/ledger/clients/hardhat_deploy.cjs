// Deploys as a Hardhat script does and tells what it saw, for a comparison of two nodes: JSON on the last line.
const { ethers, network } = require("hardhat");

const logs = (receipt) => receipt.logs.map((l) => [l.address, l.topics, l.data, l.index]);
const text = (value) => JSON.stringify(value, (_, v) => (typeof v === "bigint" ? v.toString() : v));

async function main() {
    const seen = {};
    const [owner, other] = await ethers.getSigners();
    seen.accounts = [owner.address, other.address];
    const token = await ethers.deployContract("SampleToken", [10n ** 24n]);
    await token.waitForDeployment();
    seen.token = [await token.getAddress(), await ethers.provider.getCode(await token.getAddress())];
    seen.transfer = logs(await (await token.transfer(other.address, 5n)).wait());
    seen.balances = [await token.balanceOf(owner.address), await token.balanceOf(other.address)];
    const nft = await (await ethers.getContractFactory("SampleNft", other)).deploy(other.address);
    await nft.waitForDeployment();
    seen.nft = [await nft.getAddress(), logs(await (await nft.mint(owner.address, 1n)).wait()), await nft.ownerOf(1n)];
    const attached = await ethers.getContractAt("SampleToken", await token.getAddress(), other);
    seen.attached = logs(await (await attached.transfer(owner.address, 2n)).wait());
    seen.refused = await attached.mint.staticCall(other.address, 1n).then(() => "no revert", (e) => [e.data, e.revert?.name]);
    seen.events = (await token.queryFilter("Transfer", 0)).map((e) => e.args.map(String));
    // What Hardhat asks a node for besides: raw calls through its own provider.
    seen.sent = await network.provider.send("eth_getTransactionCount", [owner.address, "latest"]);
    seen.chain = Number(await network.provider.send("eth_chainId", []));
    console.log(text(seen));
}

main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
