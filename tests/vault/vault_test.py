#!/usr/bin/env python3
"""Vaults inside Holon: checks.sh in a sub-kernel, on a virtio disk of 64 MiB; then the Linux regression programs of files on a root over a vault."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LINUX = """head -c 32 /dev/urandom >/key; vault create disk --key-file /key && vault open disk v --key-file /key && vault mount v /mnt &&
mkdir -p /mnt/root /mnt/work && cp -a /tests /mnt/root/ && umount /mnt &&
subkernel run --vault v -- sh -c 'for test in file exec memory process; do echo "program $test"; /tests/${test}_test; echo "status $?"; done'
echo 'the end'"""


def run(*arguments):
    with tempfile.TemporaryDirectory(prefix="vault-test-") as work:
        disk = pathlib.Path(work, "disk")
        with open(disk, "wb") as file:
            file.truncate(64 << 20)
        command = [str(ROOT / "tools/holon-run"), "--timeout", "900", "--block", str(disk), *arguments]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return result.stdout.replace("\r", "").splitlines(), result.returncode


def report(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)
    return good


def main():
    good = True
    lines, status = run("--add", f"{ROOT}/tests/vault/checks.sh:/checks.sh", "--", "sh", "/checks.sh", "disk")
    for line in lines:
        if line.startswith(("ok ", "not ok ")):
            print(line.replace("ok ", "ok vault: ", 1), flush=True)
            good = good and line.startswith("ok ")
    good = report("vault: the checks came to their end", "the end" in lines, f"status {status}: {lines[-8:]}") and good
    lines, status = run("--add", f"{ROOT}/build/tests/linux:/tests", "--", "sh", "-c", "mkdir -p /mnt; " + LINUX)
    program, counted = "", 0
    for line in lines:
        if line.startswith("program "):
            program = line[8:]
        elif line.startswith("not ok "):
            good = report(f"vault: linux/{program}: {line[7:]}", False, "on a root over a vault")
        elif line.startswith("ok "):
            counted += 1
        elif line.startswith("status "):
            good = report(f"vault: linux/{program} on a root over a vault", line == "status 0", line) and good
    good = report("vault: Linux programs were run", counted > 100 and "the end" in lines, f"{counted} checks, status {status}: {lines[-8:]}") and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
