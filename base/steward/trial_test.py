#!/usr/bin/env python3
"""A system on trial beside a good one restarts the machine when nothing shows in time that it works, and does not when something does: here a
confirmation that asks no disk and does not end well at first, then does, and the image's own, which finds no disk to confirm."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMIT = int(20 * float(os.environ.get("HOLON_TIME_SCALE", "1")))
failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok trial: {name}" if good else f"not ok trial: {name} - {why}", flush=True)


def boot(bundle, words, limit=LIMIT):
    """(whether a program ran beyond the limit, whether the machine restarted, the log)"""
    with tempfile.NamedTemporaryFile(prefix="holon-trial-test-") as log:
        done = subprocess.run([ROOT / "tools/holon-run", "--bundle", ROOT / "build/x86_64" / bundle, "--log", log.name, "--timeout", str(5 * limit + 60),
                               "--cmdline", f"{words} trial-limit={limit}", "--", "sh", "-c", f"sleep {limit + 5}; echo alive"],
                              stdin=subprocess.DEVNULL, capture_output=True)
        text = log.read().decode(errors="replace")
        return b"alive" in done.stdout, f"has not shown in {limit} seconds that it works: the machine restarts" in text, text[-400:]


def main():
    alive, restarted, log = boot("test/trial.bundle", "trial fallback", 2 * LIMIT)
    report(alive and not restarted and "confirm ended with status 0" in log, "a system that shows that it works, be it at a later try, is left alone", log)
    alive, restarted, log = boot("holon.bundle", "trial fallback")
    report(not alive and restarted, "one that does not restarts the machine", log)
    alive, restarted, log = boot("holon.bundle", "trial")
    report(alive and not restarted, "but not where there is no other to go back to", log)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
