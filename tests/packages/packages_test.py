#!/usr/bin/env python3
"""Packages inside: a root of the profile "debian", whose maintainer scripts ran in Holon, and dpkg and apt-get with local packages in it.

Making that root takes minutes and a package mirror, so it is made here in soak runs alone; else the test uses one that is there
(any run of holon-run with --packages leaves it), or says that it skips."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools"))
from runner import packages  # noqa: E402


def main():
    profile = packages.Profile("debian")
    root = packages.root_path(profile, [])
    if not (root / "root.tar").exists() and not os.environ.get("HOLON_SOAK"):
        print("ok packages: skipped, since no root was made yet (tools/holon-run --profile debian -- true)")
        return 0
    line = [str(ROOT / "tools/holon-run"), "--profile", "debian", "--timeout", "900", "--add", f"{ROOT}/tests/packages:/tests", "--",
            "sh", "/tests/inside.sh"]
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    lines = [text for text in done.stdout.splitlines() if text.startswith(("ok ", "not ok "))]
    print(*lines, sep="\n")
    failed = any(text.startswith("not ok ") for text in lines)
    if done.returncode or not lines or not lines[-1].endswith("the end was reached"):
        print(f"not ok packages - the run ended early, status {done.returncode}: {done.stdout[-500:]!r} {done.stderr[-800:]!r}")
        failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
