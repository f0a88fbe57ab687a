#!/usr/bin/env python3
"""The TPM as a program in the first sub-kernel uses it (tpm_check.c), on swtpm behind both of QEMU's interfaces: its PCRs are what the loader measured; its driver's deaths are errors
of single commands; a machine without one has no device, and neither has another sub-kernel. Vaults that it opens and knows the age of (tpm_vault.sh): after another start, in
another state, on another TPM, and with an old state put back. Quotes of the running system (attest), with the TPM and without one, and what holon-verify says of good and of changed ones."""
import base64
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import os

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
VERIFY, BUNDLE, DEVELOPMENT = ROOT / "build/host/bin/holon-verify", ROOT / "build/x86_64/holon.bundle", ROOT / "build/keys/development/root.pub"
NONCE = os.urandom(24).hex()
QUOTE = f"echo QUOTE; attest {NONCE} | base64; echo END;"
random.seed(3)
bad = []


def report(name, right, why=""):
    if not right:
        bad.append(name)
    print(f"ok tpm: {name}" if right else f"not ok tpm: {name} - {str(why)[-1500:]!r}", flush=True)


def run(work, command, options):
    log = work / "log"
    words = [ROOT / "tools/holon-run", "--timeout", int(120 * SCALE), "--log", log, "--add", ROOT / "build/tests/devices/tpm_check:/check", *options, "--", *command]
    result = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    return result, log.read_text(errors="replace") if log.exists() else ""


def take_checks(what, result):
    """Reports what the programs checked; how much that was."""
    checks = [line for line in result.stdout.splitlines() if line.startswith(("ok ", "not ok "))]
    for line in checks:
        report(f"{what}: {line.split('ok ', 1)[1].split(' - ')[0]}", line.startswith("ok "), line)
    return len(checks)


def quote_of(result):
    found = re.search(r"QUOTE\r?\n(.*?)END", result.stdout, re.S)
    return base64.b64decode(found[1]) if found else b""


def verify(work, quote, *more, nonce=NONCE, bundle=BUNDLE, root=DEVELOPMENT):
    """(whether it was taken, what was said)"""
    path = work / "quote"
    path.write_bytes(quote)
    done = subprocess.run(list(map(str, [VERIFY, path, "--bundle", bundle, "--root", root, "--nonce", nonce, *more])), capture_output=True, text=True)
    if done.returncode not in (0, 1):
        report("holon-verify ends in order", False, done)
    return done.returncode == 0, done.stdout + done.stderr


def check_quote(work, what, quote, log, tpm):
    """A quote of the running system, and what must not be taken for one."""
    taken, said = verify(work, quote)
    report(f"{what}: the running system's quote is good", taken and ("a TPM with this key" in said) == tpm and ("No TPM stands behind it" in said) != tpm and "development" in said, said)
    node = re.search(r"^node +([0-9a-f]+)$", said, re.M)
    report(f"{what}: its key is the one that the log names", node and f"key of this start is {node[1]}" in log, said + log)
    if not node:
        return
    report(f"{what}: and may be asked for", verify(work, quote, "--node", node[1])[0])
    report(f"{what}: what came without a signature is told", re.search(r"^unsigned +[0-9a-f]{64} command$", said, re.M), said)
    key = re.search(r"^key +([0-9a-f]+)$", said, re.M)
    refused = [("another nonce", verify(work, quote, nonce=NONCE[:-1] + format(int(NONCE[-1], 16) ^ 1, "x"))), ("another node", verify(work, quote, "--node", "00" + node[1][2:])),
               ("another TPM", verify(work, quote, "--key", "000b" + "11" * 32)), ("another image", verify(work, quote, bundle=ROOT / "build/x86_64/boot/test.bundle")),
               ("another root", verify(work, quote, root=ROOT / "build/keys/release/root.pub")), ("a part of it", verify(work, quote[:-1])), ("more than it", verify(work, quote + b"\0"))]
    if tpm:
        report(f"{what}: the TPM's key may be asked for", key and verify(work, quote, "--key", key[1])[0], said)
    for name, (taken, said) in refused:
        report(f"{what}: {name} is refused, in words", not taken and said.startswith(("holon-verify: ", "node", "key")) and "holon-verify: " in said, said)
    flips = 0
    for _ in range(60):
        at = random.randrange(len(quote))
        flips += verify(work, quote[:at] + bytes([quote[at] ^ 1 << random.randrange(8)]) + quote[at + 1:])[0]
    report(f"{what}: 60 flipped bits are all refused", not flips, flips)


def main():
    with tempfile.TemporaryDirectory(prefix="tpm-test-") as name:
        work = pathlib.Path(name)
        for kind in ("tpm-tis", "tpm-crb"):
            state = work / kind
            state.mkdir()
            disk = work / f"{kind}-disk"
            with open(disk, "wb") as file:
                file.truncate(16 << 20)
            vault = ["--block", disk, "--add", f"{ROOT}/tests/devices/tpm_vault.sh:/vault.sh"]
            command = ["sh", "-c", f"{QUOTE} /check; code=$?; sh /vault.sh {disk.name}; subkernel run -m 24M -- sh -c 'ls /dev/tpm0 2>/dev/null || echo none'; exit $code"]
            options = ["--tpm", state, "--tpm-kind", kind]
            result, log = run(work, command, [*options, *vault])
            if kind == "tpm-tis":
                first = quote_of(result)
                check_quote(work, kind, first, log, True)
            checks = take_checks(kind, result)
            measured = re.search(r"PCR 9 ([0-9a-f]{64}) is its value", log)
            report(f"{kind}: its PCR is what the loader measured", measured and f"pcr 9 {measured[1]}\n" in result.stdout, result.stdout + log)
            report(f"{kind}: another sub-kernel has none", result.stdout.endswith("none\n"), result.stdout)
            report(f"{kind}: all was tried", result.returncode == 0 and checks == 14 + 31 and "the end" in result.stdout and "not answered" not in log, result.stdout + log)
            if kind == "tpm-tis":
                result, log = run(work, command, [*options, *vault])
                again, ours = quote_of(result), verify(work, first)[1]
                key = re.search(r"^key .*$", ours, re.M)
                taken, said = verify(work, again)
                report(f"{kind}, again: the TPM is known again, the node's key is new", taken and key and key[0] in said and ours.splitlines()[0] not in said, said + ours)
                record = 16 + int.from_bytes(first[12:16], "little") + 3373
                mixed = again[:16 + int.from_bytes(again[12:16], "little") + 3373] + first[record:]
                report(f"{kind}, again: what the TPM said at another start is refused", not verify(work, mixed)[0] and "it may be an old one" in verify(work, mixed)[1], verify(work, mixed))
                checks = take_checks(f"{kind}, again", result)
                report(f"{kind}, again: all was tried", checks == 14 + 1 and "the end" in result.stdout, result.stdout + log)
                other = work / f"{kind}-other"
                other.mkdir()
                result, log = run(work, command, ["--tpm", other, "--tpm-kind", kind, *vault])
                checks = take_checks(f"{kind}, another TPM", result)
                report(f"{kind}, another TPM: all was tried", checks == 14 + 8 and "the end" in result.stdout, result.stdout + log)
            result, log = run(work, ["/check", "300"], [*options, "--cmdline", "kill=tpm,500"])
            counts = re.search(r"good (\d+) bad (\d+)", result.stdout)
            report(f"{kind}: the driver's deaths are errors of single commands",
                   result.returncode == 0 and counts and int(counts[1]) + int(counts[2]) == 300 and int(counts[2]) <= log.count("tpm is killed") > 1, result.stdout + log)
        children = "subkernel run -m 24M -- attest {0}; echo status $?; subkernel run -m 24M --attest -- sh -c 'attest {0} | wc -c'; attest 12; echo status $?;".format(NONCE)
        result, log = run(work, ["sh", "-c", f"{QUOTE} {children} /check"], [])
        check_quote(work, "without one", quote_of(result), log, False)
        report("another sub-kernel gives a quote where it was given the right, else none", re.search(r"may not ask for quotes[^\n]*\n?status 1\s+[56]\d\d\d\s", result.stdout), result.stdout)
        report("a nonce that is too short is refused", "status 3" in result.stdout, result.stdout)
        report("without one there is no device", result.returncode == 2 and "No such file" in result.stdout and "tpm:" not in log, result.stdout + log)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
