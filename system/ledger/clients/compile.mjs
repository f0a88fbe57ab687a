// Compiles the contracts beside this file with npm's solc: compile(["Bench.sol"]) gives {name: {abi, bytecode, deployed}}.
import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
// By how much limits are stretched: see tools/run-tests.
export const scale = Number(process.env.HOLON_TIME_SCALE ?? 1);

export const packages = process.argv[2]; // the folder tools/npm-packages printed
export const require = createRequire(join(packages, "node_modules/"));

export function compile(files) {
    const solc = require("solc");
    const input = {
        language: "Solidity",
        sources: Object.fromEntries(files.map((f) => [f, { content: readFileSync(join(here, "contracts", f), "utf8") }])),
        settings: {
            optimizer: { enabled: true, runs: 200 },
            evmVersion: "cancun",
            outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
        },
    };
    const find = (path) => {
        const file = [join(packages, "node_modules", path), join(here, "contracts", path)].find(existsSync);
        return file ? { contents: readFileSync(file, "utf8") } : { error: "not found" };
    };
    const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }));
    const errors = (output.errors ?? []).filter((e) => e.severity === "error");
    if (errors.length) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
    const contracts = {};
    for (const file of Object.values(output.contracts))
        for (const [name, c] of Object.entries(file))
            contracts[name] = { abi: c.abi, bytecode: "0x" + c.evm.bytecode.object, deployed: "0x" + c.evm.deployedBytecode.object };
    return contracts;
}

export async function rpc(url, method, params) {
    const answer = await fetch(url, {
        method: "POST",
        // A connection each: one that is kept may end just when it is used again.
        headers: { "content-type": "application/json", connection: "close" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    const body = await answer.json();
    if (body.error) throw Object.assign(new Error(body.error.message), body.error);
    return body.result;
}
