#!/usr/bin/env python3
"""System tests: boots the machine and runs checks.sh, subkernels.sh, reach.sh and volumes.sh inside, with one CPU and with more."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUNS = (("checks.sh", 1, 1024), ("checks.sh", 4, 1024), ("subkernels.sh", 1, 512), ("subkernels.sh", 2, 512),
        ("subkernels.sh", 4, 1024), ("reach.sh", 1, 1024), ("reach.sh", 4, 1024), ("volumes.sh", 2, 1024))
RUN = [str(ROOT / "tools/holon-run")]


def checks(script, cpus, mem):
    command = RUN + ["--cpus", str(cpus), "--mem", str(mem), "--timeout", "300",
                     "--add", str(ROOT / "tests/system") + ":/tests",
                     "--add", str(ROOT / "build/tests/system/withdraw_check") + ":/withdraw_check", "--", "sh", "/tests/" + script]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    ended = False
    failed = 0
    for line in result.stdout.splitlines():
        line = line.replace("system: ", f"system, {cpus} CPU: ", 1)
        if line.startswith(("ok ", "not ok ")):
            print(line, flush=True)
            failed += line.startswith("not ok ")
            ended = ended or line.endswith("the end was reached")
    if not ended or result.returncode:
        print(f"not ok system, {cpus} CPU: the run ended early with status {result.returncode}")
        print(result.stdout[-500:] + result.stderr[-3000:])
        failed += 1
    return failed


if __name__ == "__main__":
    sys.exit(sum(checks(*run) for run in RUNS) != 0)
