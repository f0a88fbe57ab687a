#!/usr/bin/env python3
"""Vaults inside Holon: checks.sh in a sub-kernel, on two virtio disks of 64 MiB; then the Linux regression programs of files on a root over a vault; then a
package that is installed in one boot and used in the next, with its driver killed every 300 ms meanwhile."""
import pathlib
import subprocess
import os
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LINUX = """head -c 32 /dev/urandom >/key; vault create disk --key-file /key && vault open disk v --key-file /key && vault mount v /mnt &&
mkdir -p /mnt/root /mnt/work && cp -a /tests /mnt/root/ && umount /mnt &&
subkernel run --vault v -- sh -c 'for test in file exec memory process; do echo "program $test"; /tests/${test}_test; echo "status $?"; done'
echo 'the end'"""


def new_disk(work, size=64 << 20, name="disk"):
    disk = pathlib.Path(work, name)
    with open(disk, "wb") as file:
        file.truncate(size)
    return disk


def boot(disk, *arguments):
    command = [str(ROOT / "tools/holon-run"), "--timeout", "900", "--block", str(disk), *arguments]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return result.stdout.replace("\r", "").splitlines(), result.returncode


def run(*arguments):
    with tempfile.TemporaryDirectory(prefix="vault-test-") as work:
        return boot(new_disk(work), "--block", str(new_disk(work, name="second")), *arguments)


def make_package(work):
    """A package with a program, a file of its own and what its installation writes."""
    tree = pathlib.Path(work, "tree")
    for name, mode, text in (("DEBIAN/control", 0o644, "Package: kept\nVersion: 1.0\nArchitecture: all\nMaintainer: a test <test@localhost>\nDescription: is kept\n"),
                             ("DEBIAN/postinst", 0o755, "#!/bin/sh\necho configured >/var/lib/kept.state\n"),
                             ("usr/bin/kept", 0o755, "#!/bin/sh\necho runs with $(cat /usr/share/kept/data) and is $(cat /var/lib/kept.state)\n"),
                             ("usr/share/kept/data", 0o644, "data\n")):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    package = pathlib.Path(work, "kept.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(package)], check=True, capture_output=True)
    return package


def check_package():
    with tempfile.TemporaryDirectory(prefix="vault-test-") as work:
        disk, package, key = new_disk(work, 256 << 20), make_package(work), pathlib.Path(work, "key")
        key.write_bytes(os.urandom(32))
        added = ["--add", f"{key}:/key", "--add", f"{package}:/kept.deb", "--cmdline", "kill-driver=virtio-blk,300"]
        install = """vault create disk --key-file /key && vault open disk v --key-file /key && mkdir -p /mnt && vault mount v /mnt && mkdir -p /mnt/root /mnt/work &&
            cp /kept.deb /mnt/root/ && umount /mnt && vault grant v -- sh -c 'mkdir -p /var/lib/dpkg/info; touch /var/lib/dpkg/status; dpkg -i /kept.deb && kept; sync'; vault close v"""
        first, _ = boot(disk, *added, "--", "sh", "-c", install)
        second, _ = boot(disk, "--add", f"{key}:/key", "--", "sh", "-c", "vault open disk v --key-file /key && vault grant v -- sh -c 'kept; dpkg -l | grep kept'")
        said = "runs with data and is configured"
        return (report("vault: a package is installed", said in first, first[-8:]) and
                report("vault: it is there after the next boot", said in second and any(line.startswith("ii") for line in second), second[-8:]))


SLOW = """head -c 32 /dev/urandom >/key; mkdir -p /mnt; vault create disk --key-file /key && vault open disk v --key-file /key && vault mount v /mnt
mkdir /mnt/names; i=0; while [ $i -lt 200 ]; do echo $i >/mnt/names/$i; i=$((i+1)); done; dd if=/dev/urandom of=/mnt/large bs=64k count=16 2>/dev/null; cp /mnt/large /mnt/other
mkdir /mnt/one /mnt/two /mnt/changed /mnt/race; i=0; while [ $i -lt 200 ]; do echo $i >/mnt/one/$i; ln /mnt/one/$i /mnt/two/$i; i=$((i+1)); done
mkdir /mnt/deep /mnt/a /mnt/b /mnt2; cp /slow /mnt/deep/interpreter; /slow deep /mnt/deep || echo "not ok deep"
umount /mnt; vault close v; vault open disk v --key-file /key; vault mount v:a /mnt && vault mount v:b /mnt2 && /slow copies /tmp /mnt /mnt2 && umount /mnt && umount /mnt2 &&
cd / && vault mount v /mnt && /slow looks /tmp /mnt/deep && /slow /tmp /mnt/large /mnt/names /mnt/changed && /slow buffer /tmp /mnt/other /mnt/changed/back && /slow signals /mnt/changed 30 2 && /slow unmount /tmp /mnt v && /links /mnt/one /mnt/two 200 && /race /mnt/race 6 150 1 &&
/race show /mnt/race >/before && umount /mnt && vault mount v /mnt && /race show /mnt/race >/after && cmp /before /after && [ $(wc -l </after) -gt 12 ]"""


def check_slow():
    """A device that gives 128 KiB a second, and takes 512."""
    with tempfile.TemporaryDirectory(prefix="vault-test-") as work:
        lines, status = boot(new_disk(work), "--cpus", "2", "--qemu=-set", "--qemu=drive.block0.throttling.bps-read=131072", "--qemu=-set", "--qemu=drive.block0.throttling.bps-write=524288",
                             "--add", f"{ROOT}/build/tests/vault/slow:/slow", "--add", f"{ROOT}/build/tests/vault/links:/links", "--add", f"{ROOT}/build/tests/vault/race:/race", "--", "sh", "-c", SLOW)
    for line in lines:
        if line.startswith(("ok ", "not ok ", "# ")):
            print(line.replace("ok ", "ok vault: ", 1), flush=True)
    return report("vault: a slow device", status == 0, f"status {status}: {lines[-8:]}")


def report(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)
    return good


def main():
    good = True
    lines, status = run("--add", f"{ROOT}/tests/vault/checks.sh:/checks.sh", "--add", f"{ROOT}/build/tests/vault/attributes:/attributes", "--add", f"{ROOT}/build/tests/vault/durable:/durable", "--add", f"{ROOT}/build/tests/vault/exercise:/exercise", "--add", f"{ROOT}/build/tests/vault/room:/room", "--add", f"{ROOT}/build/tests/linux/acl_test:/acl_test", "--", "sh", "/checks.sh", "disk", "second")
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
    good = check_package() and good
    good = check_slow() and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
