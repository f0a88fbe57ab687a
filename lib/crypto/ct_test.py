#!/usr/bin/env python3
"""Runs ct_check under valgrind for plain C and for vector code: no branch or address may depend on a secret."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build/host/bin/ct_check"


def run(path):
    command = ["valgrind", "--quiet", "--max-stackframe=4000000", str(PROGRAM), path]
    process = subprocess.run(command, capture_output=True, text=True)
    print(process.stdout, end="")
    if process.returncode or "ok " not in process.stdout:
        print(f"not ok constant time: {path} - status {process.returncode}")
        sys.stdout.flush()
        if path != "leak":
            print(process.stderr[:4000], file=sys.stderr)
    return process.returncode == 0


def main():
    return 0 if all([run(path) for path in ("leak", "plain", "vector")]) else 1


if __name__ == "__main__":
    sys.exit(main())
