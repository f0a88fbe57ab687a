#!/usr/bin/env python3
"""Disks as programs in a sub-kernel see them: /dev/block/NAME on every kind of disk that holon-run has a driver for. What is
written and synced is in the host's file, sizes and errors are right, aio(7) is as on Linux (disk_aio_check.c), and all of it goes on while the driver is destroyed."""
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIZE = 64 << 20
BYTES = 5_000_000
AIO = f"{ROOT / 'build/tests/devices/disk_aio_check'}:/bin/disk_aio_check"
KINDS = {"virtio": "virtio-blk", "nvme": "nvme", "ahci": "ahci", "ide": "ide", "usb": "xhci"}


def run(work, script, options):
    log = pathlib.Path(work, "log")
    command = [str(ROOT / "tools/holon-run"), "--timeout", "180", "--log", str(log), *options, "--", "sh", "-c", script]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    return result, log.read_text(errors="replace") if log.exists() else ""


def report(name, right, result, log):
    print(f"ok /dev/block: {name}" if right else f"not ok /dev/block: {name} - status {result.returncode}, output "
          f"{result.stdout[-800:]!r}, errors {result.stderr[-500:]!r}, log ends {log[-500:]!r}", flush=True)
    return bool(right)


def make(path, content=b""):
    path.write_bytes(content)
    os.truncate(path, SIZE)


def digest(path, count):
    with open(path, "rb") as file:
        return hashlib.md5(file.read(count)).hexdigest()


def main():
    good = True
    with tempfile.TemporaryDirectory(prefix="dev-block-test-") as work:
        content = os.urandom(BYTES)
        source = pathlib.Path(work, "source")
        make(source, content)
        wanted = hashlib.md5(content).hexdigest()
        for machine in ("pc", "q35"):
            options = ["--machine", machine, "--block", f"{source},ro", "--add", AIO, "--cpus", "2" if machine == "pc" else "1"]
            kinds = [kind for kind in KINDS if machine == "pc" or kind != "ide"]
            for kind in kinds:
                make(pathlib.Path(work, kind))
                options += ["--block", f"{work}/{kind},as={kind}"]
            script = ("".join(f"dd if=/dev/block/source of=/dev/block/{kind} bs=1000000 count=5 2>/dev/null; " for kind in kinds)
                      + "sync; " + "".join(f"blockdev --getsize64 /dev/block/{kind}; dd if=/dev/block/{kind} bs=100000 count=50 "
                                           "2>/dev/null | md5sum; " for kind in kinds)
                      + "".join(f"disk_aio_check /dev/block/{kind} && echo aio good; " for kind in kinds)
                      + "echo x 2>/dev/null >/dev/block/source && echo written; echo end")
            result, log = run(work, script, options)
            good &= report(f"{machine}: all disks hold what was written", result.stdout.count(wanted) == len(kinds), result, log)
            good &= report(f"{machine}: sizes are right", result.stdout.count(f"{SIZE}\n") == len(kinds), result, log)
            good &= report(f"{machine}: aio is right", result.stdout.count("aio good\n") == len(kinds), result, log)
            good &= report(f"{machine}: one that is read-only is not written", result.stdout.endswith("end\n")
                           and "written" not in result.stdout, result, log)
            good &= report(f"{machine}: what was synced is in the files",
                           all(digest(pathlib.Path(work, kind), BYTES) == wanted for kind in kinds), result, log)
        for kind, driver in KINDS.items():
            disk = pathlib.Path(work, kind)
            make(disk)
            script = (f"dd if=/dev/block/source of=/dev/block/{kind} bs=50000 count=100 2>/dev/null; sync; "
                      f"dd if=/dev/block/{kind} bs=50000 count=100 2>/dev/null | md5sum")
            # On a fast machine three rounds end before the driver dies.
            result, log = run(work, f"disk_aio_check /dev/block/{kind} && echo aio good; i=0; begin=$(date +%s); while [ $i -lt 3 ] || [ $(($(date +%s) - begin)) -lt 4 ]; do " + script
                              + "; i=$((i+1)); done; echo rounds $i",
                              ["--add", AIO, "--block", f"{source},ro,as={'nvme' if kind == 'virtio' else 'virtio'}", "--block", f"{disk},as={kind}", "--cmdline", f"kill-driver={driver},{900 if kind == 'usb' else 300}"])
            good &= report(f"{kind}: copies, and what is under way, go on while the driver is destroyed", f"rounds {result.stdout.count(wanted)}\n" in result.stdout and "aio good\n" in result.stdout
                           and digest(disk, BYTES) == wanted and log.count("is killed") >= 1, result, log)
    sys.exit(not good)


if __name__ == "__main__":
    main()
