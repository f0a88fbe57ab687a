#!/usr/bin/env python3
"""The TPM as a program in the first sub-kernel uses it (tpm_check.c), on swtpm behind both of QEMU's interfaces: its PCRs are what the loader measured; its driver's deaths are errors
of single commands; a machine without one has no device, and neither has another sub-kernel."""
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


def main():
    with tempfile.TemporaryDirectory(prefix="tpm-test-") as name:
        work = pathlib.Path(name)
        for kind in ("tpm-tis", "tpm-crb"):
            state = work / kind
            state.mkdir()
            options = ["--tpm", state, "--tpm-kind", kind]
            result, log = run(work, ["sh", "-c", "/check; code=$?; subkernel run -m 24M -- sh -c 'ls /dev/tpm0 2>/dev/null || echo none'; exit $code"], options)
            for line in result.stdout.splitlines():
                if line.startswith(("ok ", "not ok ")):
                    report(f"{kind}: {line.split('ok ', 1)[1].split(' - ')[0]}", line.startswith("ok "), line)
            measured = re.search(r"PCR 9 ([0-9a-f]{64}) is its value", log)
            report(f"{kind}: its PCR is what the loader measured", measured and f"pcr 9 {measured[1]}\n" in result.stdout, result.stdout + log)
            report(f"{kind}: another sub-kernel has none", result.stdout.endswith("none\n"), result.stdout)
            report(f"{kind}: all was tried", result.returncode == 0 and result.stdout.count("ok ") == 14 and "not answered" not in log, result.stdout + log)
            result, log = run(work, ["/check", "300"], [*options, "--cmdline", "kill=tpm,500"])
            counts = re.search(r"good (\d+) bad (\d+)", result.stdout)
            report(f"{kind}: the driver's deaths are errors of single commands",
                   result.returncode == 0 and counts and int(counts[1]) + int(counts[2]) == 300 and int(counts[2]) <= log.count("tpm is killed") > 1, result.stdout + log)
        result, log = run(work, ["/check"], [])
        report("without one there is no device", result.returncode == 2 and "No such file" in result.stdout and "tpm:" not in log, result.stdout + log)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
