#!/usr/bin/env python3
"""The ledger as a part of the system: started from the manifest in a sub-kernel of its own, reached by those that hold its
capability and by nobody else, and asked by holon-capsule for proofs, inside one boot of Holon."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = ROOT / "build" / "host" / "bin"
LEDGER, CAPSULE, CRYPTO = (str(BIN / name) for name in ("holon-ledger", "holon-capsule", "holon-crypto"))
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # see tools/run-tests
failures = 0

# Lines "NAME: VALUE" of what was seen; checked below. (`wget -T` of Debian's busybox-static crashes, on Linux too.)
SCRIPT = r"""
cd /root/files
node=http://ledger:8545
capsule() { command=$1; shift; holon-capsule $command "$@" --validators /srv/ledger/network --node $node 2>&1; echo "status $?"; }
verify() { capsule verify "$@" --root root.pub --keys keys | tr '\n' ' '; }
ask='wget -q -O - --header "Content-Type: application/json" --post-data "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"holon_logSize\",\"params\":[]}"'
reach() { for _ in $(seq 1000); do eval "$ask $node" 2>/dev/null && return; sleep 0.5; done; echo nothing; }
row() { subkernel ls | awk '$2 == "ledger"'; }
echo "asked: $(reach)"
echo "row: $(row)"
ledger=$(row | awk '{ print $1 }')
subkernel exec ledger sh -c 'mkdir /tmp/w; echo other >/tmp/w/index.html; busybox httpd -p 80 -h /tmp/w'
echo "own port: $(subkernel exec ledger wget -q -O - http://127.0.0.1/)"
echo "other port: $(timeout 3 wget -q -O - http://ledger/ 2>/dev/null || echo refused)"
address=$(nslookup ledger 2>/dev/null | sed -n 's/^Address[^:]*: *\(100\.[0-9.]*\).*/\1/p' | tail -1)
mine=$(ifconfig | sed -n 's/.*inet addr:\(100\.[0-9.]*\).*/\1/p')
echo "addresses: $address $mine"
mkdir -p /tmp/w; echo mine >/tmp/w/index.html; httpd -p 80 -h /tmp/w
echo "own page: $(wget -q -O - http://127.0.0.1/)"
echo "from the ledger: $(subkernel exec ledger timeout 3 wget -q -O - "http://$mine/" 2>/dev/null || echo refused)"
echo "held: $(subkernel run -m 48M --ledger -- sh -c "$ask $node")"
echo "held below: $(subkernel run -m 96M --ledger -- subkernel run -m 40M --ledger -- sh -c "$ask $node")"
echo "held outside: $(subkernel run -m 48M --ledger -- sh -c 'timeout 3 wget -q -O - http://10.0.2.2/ 2>/dev/null || echo refused')"
echo "not held: $(subkernel run -m 48M --net nat -- sh -c "$ask $node 2>/dev/null || echo refused")"
echo "not held, by address: $(subkernel run -m 48M --net nat -- sh -c "timeout 3 $ask http://$address:8545 2>/dev/null || echo refused")"
echo "without a network: $(subkernel run -m 48M -- sh -c "$ask $node 2>/dev/null || echo refused")"
echo "not handed on: $({ subkernel run -m 96M --net nat -- subkernel run -m 40M --ledger -- true 2>&1; echo "status $?"; } | tr '\n' ' ')"
echo "published: $(subkernel exec ledger holon-ledger publish --dir /srv/ledger /root/files/keys /root/files/cert /root/files/cert2 /root/files/release 2>&1 | tr '\n' ' ')"
for _ in $(seq 1000); do capsule logged cert2 | grep -q 'status 0' && break; sleep 0.5; done
echo "good: $(verify capsule)"
echo "release: $(capsule logged release | tr '\n' ' ')"
echo "signer not revoked yet: $(verify capsule2)"
echo "not published: $(verify capsule3)"
echo "others: $({ holon-capsule verify capsule --root root.pub --keys keys --validators others --node $node 2>&1; echo "status $?"; } | tr '\n' ' ')"
subkernel exec ledger holon-ledger publish --dir /srv/ledger /root/files/revocations >/dev/null
for _ in $(seq 1000); do verify capsule2 | grep -q 'status 1' && break; sleep 0.2; done
echo "revoked: $(verify capsule2)"
echo "still good: $(verify capsule)"
subkernel exec ledger killall holon-ledger
for _ in $(seq 1000); do [ "$(row | awk '{ print $1 }')" != "$ledger" ] && break; sleep 0.2; done
echo "again: $(reach)"
echo "logs: $(subkernel logs ledger | tr '\n' ' ')"
subkernel kill "$(row | awk '{ print $1 }')"
sleep 3
echo "killed: $(row)"
echo "unreachable: $(verify capsule)"
"""


def check(good, name, why=""):
    global failures
    failures += not good
    print(f"ok ledger as a part of the system: {name}" if good else f"not ok ledger as a part of the system: {name} - {why}", flush=True)


def quiet(*words, **more):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, **more)


def make_records(files):
    for name, algorithm in (("root", "slh-dsa-sha2-192s"), ("ca", "hybrid-sign"), ("signer", "hybrid-sign")):
        quiet(CRYPTO, "keygen", algorithm, "-o", f"{name}.key", "-p", f"{name}.pub", cwd=files)
    (files / "image").write_bytes(b"an image")
    certify = ["certify", "-k", "ca.key", "--subject", "signer.pub", "--from", "2020-01-01", "--until", "2040-01-01"]
    build = ["build", "--version", "1", "--payload", "image", "-k", "signer.key"]
    for words in (["keys", "-k", "root.key", "--epoch", "1", "--key", "ca.pub:both:2020-01-01:2040-01-01", "-o", "keys"],
                  [*certify, "--name", "A", "--space", "org.one", "-o", "cert"],
                  [*certify, "--name", "B", "--space", "org.two", "-o", "cert2"],
                  [*certify, "--name", "C", "--space", "org.three", "-o", "cert3"],
                  ["boot", "-k", "ca.key", "--build", "holon 1.0", "--rollback", "1", "--time", "2026-01-01", "--part", "kernel=image", "-o", "release"],
                  ["revoke", "-k", "ca.key", "--epoch", "2", "--certificate", "cert2", "-o", "revocations"],
                  [*build, "--name", "org.one.a", "--certificate", "cert", "-o", "capsule"],
                  [*build, "--name", "org.two.b", "--certificate", "cert2", "-o", "capsule2"],
                  [*build, "--name", "org.three.c", "--certificate", "cert3", "-o", "capsule3"]):
        quiet(CAPSULE, *words, cwd=files)


def libraries(directory):
    """What the two programs are linked with, as the host has it, and in lib64 beside it their loader."""
    directory.mkdir()
    (directory.parent / "lib64").mkdir()
    shutil.copy("/lib64/ld-linux-x86-64.so.2", directory.parent / "lib64")
    listed = subprocess.run(["ldd", LEDGER, CAPSULE], check=True, capture_output=True, text=True).stdout
    for path in set(re.findall(r"=> (/\S+)", listed)):
        shutil.copy(path, directory)


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="holon-resident-"))
    try:
        files = work / "files"
        files.mkdir()
        make_records(files)
        for name in ("net", "others"):
            quiet(LEDGER, "init", "--dir", str(work / name), "--validators", "1")
        shutil.copy(work / "others/node-0/network", files / "others")
        (files / "go").write_text(SCRIPT)
        # Found before /usr/bin: so the node says something.
        (work / "begin").write_text('#!/bin/sh\necho begun\nexec /usr/bin/holon-ledger "$@"\n')
        (work / "begin").chmod(0o755)
        libraries(work / "lib")
        add = {work / "net/node-0": "/srv/ledger", LEDGER: "/usr/bin/holon-ledger", CAPSULE: "/usr/bin/holon-capsule", files: "/root/files", work / "begin": "/usr/local/bin/holon-ledger",
               work / "lib": "/lib/x86_64-linux-gnu", work / "lib64": "/lib64"}
        words = [word for path, place in add.items() for word in ("--add", f"{path}:{place}")]
        log = work / "log"
        run = subprocess.run([str(ROOT / "tools/holon-run"), "--cpus", "2", "--mem", "1500", "--timeout", str(800 * SCALE), "--cmdline", "ledger", "--log", str(log),
                              *words, "--", "sh", "/root/files/go"], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
        seen = dict(line.split(": ", 1) for line in run.stdout.splitlines() if ": " in line)
        said = lambda name: seen.get(name, "") + (f" ({run.stdout[-300:]} {run.stderr[-300:]} {log.read_text(errors='replace')[-600:]})" if name not in seen else "")
        answer = lambda size: f'{{"jsonrpc":"2.0","id":1,"result":"{size}"}}'
        expect = lambda name, wanted, what: check(seen.get(name) == wanted, what, said(name))
        expect("asked", answer("0x0"), "the manifest's node answers the first sub-kernel at its name")
        check(" running " in seen.get("row", ""), "it runs in a sub-kernel of its own", said("row"))
        expect("held", answer("0x0"), "a child with the capability reaches it, without a network")
        expect("held below", answer("0x0"), "and hands it on")
        expect("held outside", "refused", "and reaches nothing else")
        expect("not held", "refused", "a child with a network and without the capability does not find it")
        check(re.fullmatch(r"100\.\S+ 100\.\S+", seen.get("addresses", "")) is not None, "addresses are known", said("addresses"))
        expect("not held, by address", "refused", "nor reaches it by its address")
        expect("without a network", "refused", "nor does one without a network")
        check("status 1" in seen.get("not handed on", "") and "may not" in seen.get("not handed on", ""), "who does not hold it cannot hand it on", said("not handed on"))
        expect("own port", "other", "another port of the ledger's sub-kernel is open inside")
        expect("other port", "refused", "and closed to who holds the capability")
        expect("own page", "mine", "a port of the first sub-kernel is open inside")
        expect("from the ledger", "refused", "and closed to the ledger, which opens nothing")
        good = seen.get("good", "")
        check("the certificate is entry 1 of" in good and good.endswith("status 0 "), "a published certificate is proven by the node", said("published") + said("good"))
        check("status 0" in seen.get("release", "") and "entry 3" in seen.get("release", ""), "and a release", said("release"))
        check("status 0" in seen.get("signer not revoked yet", ""), "so is another signer's", said("signer not revoked yet"))
        check("not proven" in seen.get("not published", "") and "status 1" in seen.get("not published", ""), "one that was not published is refused", said("not published"))
        check("proof" in seen.get("others", "") and "status 1" in seen.get("others", ""), "a node of other validators proves nothing", said("others"))
        check("revoked" in seen.get("revoked", "") and "status 1" in seen.get("revoked", ""), "a signer whose revocation was published is refused", said("revoked"))
        check("epoch 2 in the log" in seen.get("still good", "") and "status 0" in seen.get("still good", ""), "others are not", said("still good"))
        check(seen.get("again", "").startswith('{"jsonrpc"'), "a ledger that ends is started again, and reached again", said("again"))
        expect("logs", "begun begun ", "what it wrote can be read, and what the one before wrote")
        expect("killed", "", "its owner ends it for good")
        check("not asked" in seen.get("unreachable", "") and "status 0" in seen.get("unreachable", ""), "a node that is not there is said", said("unreachable"))
        check(run.returncode == 0, "the machine ends in order", run.stderr[-400:])
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
