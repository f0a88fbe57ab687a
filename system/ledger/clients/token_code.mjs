// Prints the benchmark token's creation code with its constructor's arguments: token_code.mjs PACKAGES OWNER
import { compile, require } from "./compile.mjs";
const { AbiCoder } = require("ethers");
const token = compile(["Bench.sol"]).BenchToken;
console.log(token.bytecode + AbiCoder.defaultAbiCoder().encode(["string", "address"], ["T", process.argv[3]]).slice(2));
