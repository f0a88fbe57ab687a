# For tests with npm's clients (sourced, from the repository's root): four validators, and npm's packages.

# begin NAME: sets packages, dir (removed in the end), pids (ended in the end), limit (seconds that a program may take) and port, the
# first of six that are free: four nodes answer at the first four, and two gateways may at the others. Ends the test NAME as passed
# where npm's packages cannot be had.
begin() {
	packages=$(tools/npm-packages clients ethers@6 viem@2 web3@4 @openzeppelin/contracts@5 solc@0.8 @foundry-rs/anvil@1) || {
		echo "ok $1 # skipped: npm's packages cannot be had"
		exit 0
	}
	dir=$(mktemp -d) || exit 1
	pids=
	limit=$(awk "BEGIN { print 400 * ${HOLON_TIME_SCALE:-1} }") # see tools/run-tests
	trap 'kill $pids 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
	port=$(tools/free-port 6) || exit 1
	build/host/bin/holon-ledger testnet --validators 4 --dir "$dir/net" --rpc-port "$port" >"$dir/testnet" 2>&1 &
	pids=$!
	wait_for '^ready' "$dir/testnet"
}

# wait_for PATTERN FILE: until a line of it says so, for two minutes at most.
wait_for() {
	for _ in $(seq 1200); do
		grep -q "$1" "$2" && return
		sleep 0.1
	done
}

# process_of N: the validator's process.
process_of() {
	sed -n "s/^validator $1: process \\([0-9]*\\),.*/\\1/p" "$dir/testnet"
}
