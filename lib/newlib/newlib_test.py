#!/usr/bin/env python3
"""Boots a system whose only unit is a native program on newlib (newlib_test.c), and passes on what it reports in the log."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    with tempfile.TemporaryDirectory(prefix="newlib-test-") as work:
        log = pathlib.Path(work, "log")
        command = [str(ROOT / "tools/holon-run"), "--timeout", "90", "--log", str(log), "--bundle",
                   os.environ.get("HOLON_NEWLIB_BUNDLE", str(ROOT / "build/x86_64/test/newlib.bundle")), "--", "true"]
        status = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode
        lines = log.read_text(errors="replace").splitlines()
    checks = [line for line in lines if line.startswith(("ok ", "not ok "))]
    print("\n".join(checks))
    if status or "newlib: the end" not in lines:
        print(f"not ok newlib: the run ended early with status {status}; the log's end: {lines[-12:]}")
        sys.exit(1)


if __name__ == "__main__":
    main()
