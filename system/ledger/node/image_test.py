#!/usr/bin/env python3
"""The image with the ledger (make run-ledger): the manifest's node runs by itself; and one whose root lies in a vault is the ledger in
its place, and goes on after the next boot where it was."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # see tools/run-tests
failures = 0

COMMON = f"TRIES={int(200 * SCALE)}" + r"""
ask='wget -q -O - --header "Content-Type: application/json" --post-data "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"METHOD\",\"params\":[PARAMS]}" http://ledger:8545'
call() { eval "$(echo "$ask" | sed "s/METHOD/$1/;s/PARAMS/$2/")" 2>/dev/null; }
reach() { for _ in $(seq $TRIES); do call web3_clientVersion | grep -q result && echo yes && return; sleep 0.5; done; echo no; }
count() { call eth_getTransactionCount "\\\\\"$1\\\\\",\\\\\"latest\\\\\"" | sed 's/.*"result":"\(0x[0-9a-f]*\)".*/\1/'; }
node() { subkernel run --detach --restart -n ledger -m 384M --ledger-node --net nat --vault v:ledger -- holon-ledger run --create --dir /srv/ledger --rpc-port 8545 --application-option address=0.0.0.0; }
"""
FIRST = COMMON + r"""
echo "manifest: $(reach)"
echo "second: $(subkernel run -m 48M --ledger-node -- true 2>&1)"
echo "below: $(subkernel run -m 96M -- subkernel run -m 40M --ledger-node -- true 2>&1)"
subkernel kill "$(subkernel ls | awk '$2 == "ledger" { print $1 }')"
vault create disk --key-file /key && vault open disk v --key-file /key && mkdir -p /mnt && vault mount v /mnt && mkdir -p /mnt/ledger/root /mnt/ledger/work && umount /mnt
number=$(node)
echo "vault: $(reach)"
echo "child: $(subkernel run -m 48M --ledger -- sh -c "$(echo "$ask" | sed 's/METHOD/eth_chainId/;s/PARAMS//')" | grep -c result)"
echo secret >/p
wallet() { HOME=/root holon-wallet --passphrase-file /p --yes "$@" 2>/shown; }
wallet create >/dev/null
address=$(wallet list | grep -o '0x[0-9a-fA-F]\{40\}' | head -1)
echo 600a600c600039600a6000f3602a60005260206000f3 >/code
wallet --url http://ledger:8545 deploy /code >/deployed
echo "deployed: $(grep -c contract /deployed) $(cat /shown | tr '\n' ' ')"
echo "address: $address"
echo "count: $(count $address)"
subkernel exec ledger killall holon-ledger
for _ in $(seq $TRIES); do again=$(subkernel ls | awk '$2 == "ledger" { print $1 }'); [ -n "$again" ] && [ "$again" != "$number" ] && break; sleep 0.5; done
echo "restarted: $(reach)"
echo "count then: $(count $address)"
subkernel kill "$again"; sleep 3
echo "rows: $(subkernel ls | awk '$2 == "ledger"' | wc -l)"
for _ in $(seq 50); do vault close v && break; sleep 0.2; done; echo "closed: $?"
"""
SECOND = COMMON + r"""
vault open disk v --key-file /key
number=$(node)
echo "again: $(reach)"
echo "count: $(count ADDRESS)"
subkernel kill ledger
for _ in $(seq 50); do vault close v && break; sleep 0.2; done; echo "closed: $?"
"""


def check(good, name, why=""):
    global failures
    failures += not good
    why = " | ".join(why.splitlines())
    print(f"ok ledger in the image: {name}" if good else f"not ok ledger in the image: {name} - {why}", flush=True)


def boot(work, name, script, words):
    (work / name).write_text(script)
    log = work / "log"
    run = subprocess.run([str(ROOT / "tools/holon-run"), "--bundle", str(ROOT / "build/x86_64/ledger.bundle"), "--cpus", "2", "--mem", "1500", "--timeout", str(600 * SCALE),
                          "--block", str(work / "disk"), "--log", str(log), "--add", f"{work / name}:/go", "--add", f"{work / 'key'}:/key", *words, "--", "sh", "/go"],
                         capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    seen = dict(line.split(": ", 1) for line in run.stdout.splitlines() if ": " in line)
    return seen, f"{run.stdout[-900:]} {run.stderr[-400:]} {log.read_text(errors='replace')[-500:]}"


def main():
    with tempfile.TemporaryDirectory(prefix="holon-ledger-image-") as directory:
        work = pathlib.Path(directory)
        with open(work / "disk", "wb") as disk:
            disk.truncate(256 << 20)
        (work / "key").write_bytes(os.urandom(32))
        seen, said = boot(work, "first", FIRST, ["--cmdline", "ledger"])
        check(seen.get("manifest") == "yes", "the manifest's node answers without files of the caller's", said)
        check("runs already" in seen.get("second", ""), "a second one is refused", said)
        check("may not" in seen.get("below", ""), "and one below a child", said)
        check(seen.get("vault") == "yes", "one whose root lies in a vault takes its place", said)
        check(seen.get("child") == "1", "for all that hold the ledger's capability", said)
        check(seen.get("count") == "0x1", "a contract is deployed there by the image's wallet", said)
        check(seen.get("restarted") == "yes" and seen.get("count then") == "0x1", "its node is started again when it ends, and has what was there", said)
        check(seen.get("rows") == "0", "one that is killed is not", said)
        check(seen.get("closed") == "0", "the vault closes", said)
        address = seen.get("address", "")
        seen, said = boot(work, "second", SECOND.replace("ADDRESS", address), [])
        check(seen.get("again") == "yes", "after the next boot it runs again", said)
        check(seen.get("count") == "0x1", "and has what was there", said)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
