#!/usr/bin/env python3
"""CD drives on PIIX and AHCI: the one that the machine was started from, and another, whose medium is read while the driver is destroyed again
and again, taken out, and changed for another one."""
import pathlib
import struct
import sys
import tempfile

from usb_test import Machine, passed

SECTORS = 3000
DRIVES = {  # where the second drive is; the machine; its driver
    "PIIX": ("ide.1", ["--machine", "pc", "--cpus", "1"], "ide"),
    "PIIX, on one channel with another": ("ide.0,unit=1", ["--machine", "pc"], "ide"),
    "AHCI": ("ide.2", ["--machine", "q35"], "ahci"),
    "AHCI with an IOMMU": ("ide.2", ["--machine", "q35", "--qemu=-device", "--qemu=intel-iommu"], "ahci"),
}


def report(name, right, log):
    print(f"ok CD drives: {name}" if right else f"not ok CD drives: {name} - log ends {log[-1500:]!r}", flush=True)
    return bool(right)


def write_medium(path, sectors, base):
    path.write_bytes(b"".join(struct.pack("<I", base + sector) * 512 for sector in range(sectors)))


def drive(work, what, bus, options, driver, killed):
    first, second = work / "first", work / "second"
    words = f"disks=0 cds=2 changed={int(not killed)}" + f" load=3000 kill-driver={driver},500" * killed
    medium = ["-drive", f"if=none,id=more,format=raw,readonly=on,media=cdrom,file={first}", "-device", f"ide-cd,bus={bus},drive=more,id=cd"]
    machine = Machine(work, (), (), [*options, *(f"--qemu={word}" for word in medium)], words)
    if not killed and machine.wait_for("cd1: to be taken out"):
        machine.monitor.command("eject", id="cd", force=True)
    if not killed and machine.wait_for("cd1: to be put in"):
        machine.monitor.command("blockdev-change-medium", id="cd", filename=str(second), format="raw")
    good = passed(what, machine.end(), machine.log())
    wanted = "is killed, as the boot option says" if killed else "another medium is another disk"
    good &= report(f"{what}: that was tried", wanted in machine.log() and "sectors are read at random" in machine.log(), machine.log())
    return report(f"{what}: no driver gave up", killed or "gives up" not in machine.log(), machine.log()) and good


def main():
    good = True
    with tempfile.TemporaryDirectory(prefix="cd-test-") as name:
        work = pathlib.Path(name)
        write_medium(work / "first", SECTORS, 0)
        write_medium(work / "second", SECTORS // 2, 1 << 20)
        for what, (bus, options, driver) in DRIVES.items():
            good &= drive(work, what, bus, options, driver, False)
            if what in ("PIIX", "AHCI"):
                good &= drive(work, f"{what}, killed", bus, options, driver, True)
    sys.exit(not good)


if __name__ == "__main__":
    main()
