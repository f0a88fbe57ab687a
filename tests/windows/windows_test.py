#!/usr/bin/env python3
"""Windows programs below Wine: a console program of our own that tries what such programs need, cmd, esbuild.exe, and the profile
"windows" of sub-kernels.

Wine's root is 900 MB and takes minutes to make, and the program wants Debian's g++-mingw-w64-x86-64-win32: soak alone, and what is
missing is said."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COMPILER = "x86_64-w64-mingw32-g++"
ESBUILD = "@esbuild/win32-x64@0.28.2"


def main():
    if not shutil.which(COMPILER):
        print("ok windows: skipped, since there is no compiler for Windows (Debian's package g++-mingw-w64-x86-64-win32)")
        return False
    with tempfile.TemporaryDirectory(prefix="windows-test-") as work:
        subprocess.run([COMPILER, "-O1", "-static", "-o", f"{work}/console.exe", ROOT / "tests/windows/console.cpp"], check=True)
        shutil.copy(ROOT / "tests/windows/inside.sh", work)
        shutil.copy(ROOT / "tests/system/library.sh", work)
        fetched = subprocess.run([ROOT / "tools/npm-packages", "esbuild-windows", ESBUILD], stdout=subprocess.PIPE, text=True,
                                 env=dict(os.environ, npm_config_force="true"), check=False)  # npm looks at the machine's own system
        if fetched.returncode:
            print("ok windows: esbuild skipped, since it could not be had")
        else:
            shutil.copy(pathlib.Path(fetched.stdout.strip(), "node_modules/@esbuild/win32-x64/esbuild.exe"), work)
        line = [str(ROOT / "tools/holon-run"), "--profile", "windows", "--cpus", "2", "--mem", "4000", "--timeout", "1200",
                "--add", f"{work}:/tests", "--", "sh", "/tests/inside.sh"]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    lines = [text for text in done.stdout.splitlines() if text.startswith(("ok ", "not ok "))]
    print(*lines, sep="\n")
    failed = any(text.startswith("not ok ") for text in lines)
    if done.returncode or not lines or lines[-1] != "ok windows: the end was reached":
        print(f"not ok windows - the run ended early, status {done.returncode}: {done.stdout[-500:]!r} {done.stderr[-800:]!r}")
        failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
