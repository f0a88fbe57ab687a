#!/usr/bin/env python3
"""Native trees and shares of a CPU: boots with two CPUs, a disk, a link and a screen, and runs profiles.sh inside; then with one
CPU whose time is counted in instructions, and runs shares.sh."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def run(script, *options):
    line = [str(ROOT / "tools/holon-run"), "--timeout", "500", *options, "--add", f"{ROOT}/tests/system:/tests",
            "--add", f"{ROOT}/build/x86_64/system/holdings:/tests/holdings", "--", "sh", "/tests/" + script]
    result = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    lines = [part.strip() for part in result.stdout.splitlines() if part.startswith(("ok ", "not ok "))]
    print("\n".join(part.replace("system: ", "profiles: ", 1) for part in lines), flush=True)
    ended = "ok system: the end was reached" in lines
    if not ended or result.returncode:
        print(f"not ok profiles: {script} ended early with status {result.returncode}\n{result.stdout[-500:]}{result.stderr[-3000:]}")
    return ended and result.returncode == 0 and not any(part.startswith("not ok ") for part in lines)


def main():
    with tempfile.TemporaryDirectory(prefix="profiles-test-") as work:
        disk = pathlib.Path(work, "testdisk")
        disk.write_bytes(bytes(8 << 20))
        good = run("profiles.sh", "--cpus", "2", "--net", "user", "--qemu=-device", "--qemu=VGA,xres=800,yres=600", "--block", str(disk))
    good = run("shares.sh", "--icount", "4") and good
    sys.exit(not good)


if __name__ == "__main__":
    main()
