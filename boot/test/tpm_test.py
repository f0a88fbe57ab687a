#!/usr/bin/env python3
"""The loader and a TPM (swtpm), by both of its interfaces: what is measured, the rollback floor, a reset in mid-boot, quotes and what
holon-verify says of good and changed ones."""
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT, KEYS = ROOT / "build" / "x86_64", ROOT / "build" / "keys"
VERIFY = str(ROOT / "build" / "host" / "bin" / "holon-verify")
TEST = ["--bundle", str(OUT / "boot" / "test.bundle")]
random.seed(2)
failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)


def boot(work, options, command=("exit", "0"), tpm="tpm"):
    """(status, log)"""
    log = pathlib.Path(work, "log")
    log.unlink(missing_ok=True)
    line = [ROOT / "tools/holon-run", "--log", log, "--timeout", "150", "--tpm", os.path.join(work, tpm), *options]
    done = subprocess.run([*line, *(["--", *command] if command else [])], stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode, log.read_text(errors="replace") if log.exists() else done.stderr.decode()


def lines(log):
    """(events [(pcr, digest, what)], values {pcr: value})"""
    events, values = [], {}
    for pcr, digest, what in re.findall(r"^TPM: PCR (\d+) ([0-9a-f]{64}) ([^\r\n]*)", log, re.M):
        if what == "is its value":
            values[int(pcr)] = digest
        elif events[-1:] != [(int(pcr), digest, what)]:  # the firmware's console may be the same port: each line stands twice
            events.append((int(pcr), digest, what))
    return events, values


def manifest_record(bundle):
    data = bundle.read_bytes()
    for index in range(struct.unpack_from("<I", data, 12)[0]):
        name, offset, _ = struct.unpack_from("<32sQQ", data, 32 + 48 * index)
        if name.rstrip(b"\0") == b"manifest":
            return data[offset:offset + 16 + struct.unpack_from("<I", data, offset + 12)[0]]


def test_measures(work):
    for kind, firmware in (("tpm-tis", []), ("tpm-crb", []), ("tpm-tis", ["--uefi"])):
        status, log = boot(work, TEST + firmware + ["--tpm-kind", kind, "--cmdline", "one two"])
        events, values = lines(log)
        replayed = {}
        for pcr, digest, _ in events:
            replayed[pcr] = hashlib.sha256(replayed.get(pcr, bytes(32)) + bytes.fromhex(digest)).digest()
        good = status == 0 and set(replayed) == {8, 9, 12} and all(values.get(pcr) == value.hex() for pcr, value in replayed.items())
        report(good, f"{kind} {' '.join(firmware)}: the events make the PCRs' values", f"{status} {events} {values} {log[-300:]}")
        record = hashlib.sha256(manifest_record(OUT / "boot" / "test.bundle")).hexdigest()
        report((9, record, "manifest") in events, f"{kind} {' '.join(firmware)}: PCR 9 has the manifest's digest", str(events))
        report([what for pcr, _, what in events if pcr == 12] == ["cmdline", "command"],
               f"{kind} {' '.join(firmware)}: PCR 12 has the words and what came without a signature", str(events))


def test_floor(work):
    keys = pathlib.Path(work, "keys")
    shutil.copytree(KEYS / "development", keys)
    state = json.loads((keys / "list.json").read_text())
    state["rollback"] += 4
    (keys / "list.json").write_text(json.dumps(state))
    kernel = OUT / "boot" / "test-kernel.elf"
    newer = pathlib.Path(work, "newer")
    subprocess.run([ROOT / "tools/mkbundle", "--keys", keys, newer, f"kernel={kernel}", f"system={kernel}"], check=True)
    status, log = boot(work, TEST, tpm="floor")
    report(status == 0, "control: an image boots on a new TPM", log[-300:])
    status, log = boot(work, ["--bundle", str(newer)], tpm="floor")
    report(status == 0, "a newer image boots", log[-300:])
    status, log = boot(work, TEST, tpm="floor")
    report(status == 125 and "older than one that was started on this machine" in log, "then the older one is refused", f"{status} {log[-300:]}")
    status, log = boot(work, TEST)
    report(status == 0, "control: on another TPM it is not", log[-300:])
    status, log = boot(work, ["--bundle", str(newer), "--qemu=-action", "--qemu=panic=none"], command=["die"], tpm="floor")
    status, log = boot(work, ["--bundle", str(newer)], tpm="floor")
    report(status == 0, "a machine that ended without warning boots again", log[-300:])


def test_quote(work):
    nonce = os.urandom(20).hex()
    status, log = boot(work, TEST + ["--uefi", "--nonce", nonce])
    path, bundle, root = pathlib.Path(work, "quoted"), OUT / "boot" / "test.bundle", KEYS / "development" / "root.pub"

    def verify(text, bundle=bundle, root=root, nonce=nonce, *more):
        path.write_text(text)
        done = subprocess.run([VERIFY, path, "--bundle", bundle, "--root", root, "--nonce", nonce, *more], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr
    status, output = verify(log)
    report(status == 0 and "proven" in output and "development" in output, "a good quote is proven", output)
    key = re.search(r"^key +(\w+)", output, re.M)
    report(bool(key) and verify(log, bundle, root, nonce, "--key", key[1])[0] == 0, "the key has the name that it is asked for", output)
    for name, result in (("another nonce", verify(log, nonce=nonce[:-2] + "00")), ("another image", verify(log, bundle=OUT / "holon.bundle")),
                         ("another root", verify(log, root=KEYS / "release" / "root.pub")),
                         ("another key", verify(log, bundle, root, nonce, "--key", "000b" + "00" * 32)),
                         ("an event left out", verify(re.sub(r"(?m)^TPM: PCR 12 \w+ command.*\n", "", log))),
                         ("no quote", verify("TPM: PCR 8\n"))):
        report(result[0] == 1 and "holon-verify: " in result[1], f"holon-verify refuses {name}", str(result))
    places = [at for found in re.finditer(r"^TPM: (?:key|quote|signature) ([0-9a-f]+)", log, re.M) for at in range(*found.span(1))]
    taken = 0
    for _ in range(300):
        at = random.choice(places)
        changed = log[:at] + f"{int(log[at], 16) ^ 1 << random.randrange(4):x}" + log[at + 1:]
        taken += verify(changed)[0] == 0
    report(not taken, "300 flipped bits in key, quote and signature are all refused", f"{taken} were taken")
    garbage = 0
    for _ in range(200):
        noise = "".join(random.choice(["TPM: ", "PCR 8 ", "key ", "quote ", "signature ", "\n", "00" * random.randrange(600), "zz", "-1 "])
                        for _ in range(30))
        garbage += verify(noise)[0] != 1
    report(not garbage, "200 logs of garbage are all refused in words", f"{garbage} were not")


def main():
    with tempfile.TemporaryDirectory(prefix="holon-tpm-test-") as work:
        test_measures(work)
        test_floor(work)
        test_quote(work)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
