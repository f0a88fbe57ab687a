// A Hardhat project as its users write it, but for two things: the compiler is npm's solc instead of a download, and the network's
// address, folders and OpenZeppelin's place come from the environment (hardhat_test).
require("@nomicfoundation/hardhat-ethers");
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion }) => {
    const path = require.resolve("solc/soljson.js");
    return { compilerPath: path, isSolcJs: true, version: solcVersion, longVersion: require("solc").version() };
});

module.exports = {
    solidity: { version: require("solc/package.json").version, settings: { optimizer: { enabled: true, runs: 200 }, evmVersion: "cancun" } },
    defaultNetwork: "tested",
    networks: { tested: { url: process.env.TESTED_URL, accounts: { mnemonic: "test test test test test test test test test test test junk", count: 3 } } },
};
