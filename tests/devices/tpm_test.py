#!/usr/bin/env python3
"""The TPM as a program in the first sub-kernel uses it (tpm_check.c), on swtpm behind both of QEMU's interfaces: its PCRs are what the loader measured; its driver's deaths are errors
of single commands; a machine without one has no device, and neither has another sub-kernel. Vaults that it opens and knows the age of (tpm_vault.sh): after another start, in
another state, on another TPM, and with an old state put back."""
import pathlib
import re
import subprocess
import sys
import tempfile
import os

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
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
            command = ["sh", "-c", f"/check; code=$?; sh /vault.sh {disk.name}; subkernel run -m 24M -- sh -c 'ls /dev/tpm0 2>/dev/null || echo none'; exit $code"]
            options = ["--tpm", state, "--tpm-kind", kind]
            result, log = run(work, command, [*options, *vault])
            checks = take_checks(kind, result)
            measured = re.search(r"PCR 9 ([0-9a-f]{64}) is its value", log)
            report(f"{kind}: its PCR is what the loader measured", measured and f"pcr 9 {measured[1]}\n" in result.stdout, result.stdout + log)
            report(f"{kind}: another sub-kernel has none", result.stdout.endswith("none\n"), result.stdout)
            report(f"{kind}: all was tried", result.returncode == 0 and checks == 14 + 31 and "the end" in result.stdout and "not answered" not in log, result.stdout + log)
            if kind == "tpm-tis":
                result, log = run(work, command, [*options, *vault])
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
        result, log = run(work, ["/check"], [])
        report("without one there is no device", result.returncode == 2 and "No such file" in result.stdout and "tpm:" not in log, result.stdout + log)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
