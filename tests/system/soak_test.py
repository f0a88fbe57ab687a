#!/usr/bin/env python3
"""Long tests, for `make soak`: random Linux system calls for ten minutes on one CPU and on four, fifty boots in a row with
four CPUs that each pass checks.sh, then subkernels.sh 200 times with four CPUs and 100 times with eight, which starts,
freezes and kills sub-kernels by the fifty (about eight hours on two cores).

    soak_test.py [SECONDS [BOOTS [RUNS]]]
"""
import subprocess
import sys
import time

from system_test import ROOT, RUN, checks


def random_calls(cpus, seconds):
    """What the programs write is no matter; the system must be there at the end, and the test say that it went on."""
    name = f"random Linux calls for {seconds} s, {cpus} CPU"
    command = RUN + ["--cpus", str(cpus), "--timeout", str(2 * seconds + 120),
                     "--add", str(ROOT / "build/tests/linux/random_test") + ":/random_test",
                     "--", "/random_test", str(seconds), str(time.time_ns() % 1000000)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    bad = [line for line in result.stdout.splitlines() if line.startswith("not ok ")]
    if result.returncode == 0 and not bad and "\nok " in "\n" + result.stdout:
        print(f"ok {name}", flush=True)
        return 0
    print(result.stdout[-2000:] + result.stderr[-3000:])
    print(f"not ok {name} - status {result.returncode}; the command: {' '.join(command)}", flush=True)
    return 1


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    boots = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    failed = sum(random_calls(cpus, seconds) for cpus in (1, 4))
    for boot in range(boots):
        wrong = checks("checks.sh", 4, 1024)
        failed += wrong
        print(f"# boot {boot + 1} of {boots}: {wrong} failed", flush=True)
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    for cpus, count in ((4, runs), (8, runs // 2)):
        for run in range(count):
            wrong = checks("subkernels.sh", cpus, 1024)
            failed += wrong
            print(f"# sub-kernels on {cpus} CPUs, run {run + 1} of {count}: {wrong} failed", flush=True)
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
