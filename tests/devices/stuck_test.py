#!/usr/bin/env python3
"""Disks on NVMe and AHCI that complete nothing any more while they are written, and one that does not complete a single request: their drivers find it out, reset them and go on, clients notice nothing, and every sector holds what was last written to it.
QEMU takes the disks from a program of the test (nbd_server.py), which lets requests lie, and answers them when the driver has given up: QEMU's reset of the controller waits for that."""
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from nbd_server import Disk  # noqa: E402
from usb_test import SCALE, Machine  # noqa: E402

STUCK = "the device does not complete "  # what it was given, or one of its requests
AFTER = 400  # requests
DEVICES = {"nvme": "nvme", "ahci": "ide-hd,bus=sata.0"}


def report(name, right, why):
    print(f"ok stuck disks: {name}" if right else f"not ok stuck disks: {name} - {str(why)[-2500:]!r}", flush=True)
    return bool(right)


def main():
    with tempfile.TemporaryDirectory(prefix="stuck-test-") as work:
        disks, options, good = {}, [], True
        for name in DEVICES:
            disks[name] = Disk(pathlib.Path(work, name), 64 << 20)
            options += ["--qemu=-blockdev", f"--qemu=driver=nbd,node-name={name},server.type=unix,server.path={work}/{name}"]
        machine = Machine(work, (), tuple(f"{device},drive={name},serial={name}" for name, device in DEVICES.items()), options, "disks=2 load=36000", "ich9-ahci,id=sata")
        held = []

        def hold(disk, one=False):
            """Until the driver has given up once more."""
            before, limit = machine.log().count(STUCK), time.monotonic() + 90 * SCALE
            disk.hold(one)
            while machine.log().count(STUCK) == before and time.monotonic() < limit and machine.process.poll() is None:
                time.sleep(0.05)
            held.append(len(disk.held))
            disk.release()

        tried = []
        for _ in disks:  # one behind the other
            disk = None
            while disk is None and machine.process.poll() is None:
                disk = next((each for each in disks.values() if each.count > AFTER and each not in tried), None)
                time.sleep(0.01)
            if disk is None:
                break
            tried.append(disk)
            hold(disk)
        if disk is not None:
            first = disk.count + AFTER // 2  # the next driver's: QEMU keeps some of the old one's back, and its reset waits for them
            while disk.count < first and machine.process.poll() is None:
                time.sleep(0.01)
            hold(disk, True)
        status, log = machine.end(), machine.log() + machine.said()
    good &= report("drivers gave up as often as a disk was stuck", log.count(STUCK) == 3, log)
    good &= report("both held back what they were given, and the second then one request", len(held) == 3 and all(held) and held[2] == 1, (held, log))
    good &= report("each next one went on", all(f"devmgr: {driver} ended with status 1" in log for driver in DEVICES) and log.count(" ended with status 1") == 3, log)
    for line in log.splitlines():
        if line.startswith(("ok ", "not ok ")):
            good &= report(line.split("ok ", 1)[1].split(" - ")[0], line.startswith("ok "), log)
    good &= report("the system ends well", status == 0 and "devices: the end" in log and log.count("and every sector holds") == 2, log)
    sys.exit(not good)


if __name__ == "__main__":
    main()
