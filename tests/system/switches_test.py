#!/usr/bin/env python3
"""tools/switches: the trace of who runs (docs/read-a-trace.md)."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COUNT = 40
WHO = r"(?:idle|(\S+)/\S+ (?:at \d+|waits))"
LINE = re.compile(rf" *[\d.]+ ms  cpu 0  {WHO} +-> {WHO}")


def main():
    limit = 90 * float(os.environ.get("HOLON_TIME_SCALE", "1"))
    done = subprocess.run([ROOT / "tools/switches", str(COUNT), "--icount", "--", "true"], capture_output=True, text=True, timeout=limit)
    lines = done.stdout.splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    good = len(lines) == COUNT and all(found)
    names = {match[2] for match in found if match}
    print("ok switches: as many lines as were asked for" if good else f"not ok switches: as many lines as were asked for - {done.stdout}{done.stderr}")
    known = {"steward", "vfs", "console"} <= names
    print("ok switches: the services are among them" if known else f"not ok switches: the services are among them - {names}")
    return not (good and known)


if __name__ == "__main__":
    sys.exit(main())
