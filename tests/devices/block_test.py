#!/usr/bin/env python3
"""Boots systems of devmgr, a disk's driver and a program that exercises the disk (block_check.c), on several machines, with
QEMU's trace of what it calls a guest's error; then the same while the driver is destroyed again and again under load, for some
seconds, or for minutes when HOLON_SOAK is set.

    block_test.py [NAME...]     only the disks whose name contains a NAME
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUNDLE = ROOT / "build/x86_64/test/block.bundle"
SOAK = bool(os.environ.get("HOLON_SOAK"))
SIZE = 64 << 20
# What QEMU says of a device that its driver used wrongly.
ERRORS = ["virtio_set_status*error*", "pci_nvme_err*", "ahci_*err*", "ide_*error*", "usb_xhci_unimplemented", "usb_xhci_enforced_limit",
          "usb_xhci_xfer_error", "usb_uhci_packet_complete_babble", "usb_uhci_packet_complete_error", "usb_ehci_guest_bug", "usb_msd_fatal_error"]
GUEST_ERRORS = ("usb_xhci_", "usb_uhci_", "usb_ehci_", "usb_msd_", "usb-msd", "bogus descriptor", "Invalid", "invalid", "pci_nvme_err", "guest error", "Guest index", "Looped descriptor")
OF_DEATH = ("pci_nvme_err_addr", "pci_nvme_err_cfs")
# An ICH9's: EHCI and its three companions, two ports each.
EHCI = "ich9-usb-ehci1,id=ehci,addr=1d.7,multifunction=on" + "".join(f" -device ich9-usb-uhci{i + 1},masterbus=ehci.0,firstport={2 * i},addr=1d.{i},multifunction=on" for i in range(3))
# Name: the machine, processors, and the device with {drive} for its drive.
DISKS = {
    "virtio-pc": (["--machine", "pc"], 1, "virtio-blk-pci,drive={drive},serial={name}"),
    "virtio-q35": (["--machine", "q35"], 4, "virtio-blk-pci,drive={drive},serial={name}"),
    "ahci": (["--machine", "q35"], 4, "ide-hd,bus=ide.1,drive={drive},serial={name}"),
    "ahci-pc": (["--machine", "pc"], 1, "ich9-ahci,id=ahci -device ide-hd,bus=ahci.0,drive={drive},serial={name}"),
    "ide": (["--machine", "pc"], 1, "ide-hd,drive={drive},serial={name}"),
    "nvme": (["--machine", "q35"], 2, "nvme,drive={drive},serial={name}"),
    "nvme-4k": (["--machine", "pc"], 2, "nvme,drive={drive},serial={name},max_ioqpairs=1,logical_block_size=4096,physical_block_size=4096"),
    "virtio-4k": (["--machine", "q35"], 2,
                  "virtio-blk-pci,drive={drive},serial={name},logical_block_size=4096,physical_block_size=4096"),
    "usb": (["--machine", "q35"], 4, "qemu-xhci,id=xhci -device usb-storage,bus=xhci.0,drive={drive},serial={name}"),
    "usb-hubs": (["--machine", "pc"], 1, "nec-usb-xhci,id=xhci -device usb-hub,bus=xhci.0,port=2 -device usb-hub,bus=xhci.0,port=2.3 "
                 "-device usb-storage,bus=xhci.0,port=2.3.1,drive={drive},serial={name}"),
    "uhci": (["--machine", "pc", "--qemu=-cpu", "--qemu=core2duo"], 1, "piix3-usb-uhci,id=uhci -device usb-hub,bus=uhci.0,port=1 "
             "-device usb-storage,bus=uhci.0,port=1.2,drive={drive},serial={name}"),
    "ehci": (["--machine", "q35"], 2, f"{EHCI} -device usb-storage,bus=ehci.0,drive={{drive}},serial={{name}}"),
}
# How many pairs of queues are used, whose commands QEMU's trace names.
PAIRS = {"nvme": 2, "nvme-4k": 1}
# Of those whose name does not begin with their driver's.
DRIVERS = {"virtio": "virtio-blk", "usb": "xhci"}
# How often the driver is destroyed, in ms, where it takes longer until it has found its disk again.
KILLS = {"nvme": 500, "ahci-pc": 400, "usb": 800, "usb-hubs": 3000, "uhci": 2500, "ehci": 1500}


BAD = 90000
# Several queues of the disk at a time, and threads that read on two CPUs.
BESIDE = ["--cmdline", "queues=6 threads=2"]


def run(work, name, options, drive=None, settings=""):
    """(status, log, what QEMU said) of one system with disk NAME."""
    machine, cpus, device = DISKS[name]
    disk, log, trace = (pathlib.Path(work, part) for part in ("disk", "log", "trace"))
    trace.unlink(missing_ok=True)
    with open(disk, "wb") as out:
        out.truncate(SIZE)
    qemu = ["-drive", f"if=none,id=d0,format=raw,discard=unmap,{drive or 'file='}{disk}", "-device", *(device.format(drive="d0", name=name) + settings).split()]
    for event in ERRORS + ["pci_nvme_io_cmd"] * (options == BESIDE):
        qemu += ["-trace", f"enable={event},file={trace}"]
    command = [str(ROOT / "tools/holon-run"), "--timeout", "600" if SOAK else "180", "--log", str(log), "--bundle", str(BUNDLE), *machine,
               "--cpus", str(cpus), *options, *(f"--qemu={word}" for word in qemu), "--", "true"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    said = result.stderr + (trace.read_text(errors="replace") if trace.exists() else "")
    return result.returncode, log.read_text(errors="replace") if log.exists() else "", said


def report(name, right, why):
    print(f"ok {name}" if right else f"not ok {name} - {why}", flush=True)
    return right


def check(name, what, status, log, said):
    """Passes on what the machine reported."""
    good = True
    for line in log.splitlines():
        if line.startswith(("ok ", "not ok ")):
            words = line.split(" ", 2 if line.startswith("not") else 1)
            good &= report(f"block {what}: {words[-1]}", line.startswith("ok "), f"log ends {log[-600:]!r}")
    # A device that loses bus mastering in the midst of its work, since its driver died, cannot write its completions.
    said = "\n".join(line for line in said.splitlines() if "killed" not in what or not line.startswith(OF_DEATH))
    errors = [word for word in GUEST_ERRORS if word in said]
    good &= report(f"block {what}: {name}: ends well, and QEMU saw no guest error",
                   status == 0 and "devices: the end" in log and not errors,
                   f"status {status}, {errors}, log ends {log[-1500:]!r}, QEMU {said[-500:]!r}")
    return good


def main():
    wanted = [name for name in DISKS if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    good = True
    with tempfile.TemporaryDirectory(prefix="block-test-") as work:
        for name in wanted:
            status, log, said = run(work, name, BESIDE)
            good &= check(name, name, status, log, said)
            if name in PAIRS:
                used = sorted(set(map(int, re.findall(r"pci_nvme_io_cmd .*sqid (\d+)", said))))
                good &= report(f"block {name}: a pair of queues a CPU, as far as it has them", used == list(range(1, PAIRS[name] + 1)), used)
            driver = DRIVERS.get(name.split("-")[0], name.split("-")[0])
            period = KILLS.get(name, 150)
            load = max(4000, 3 * period) * (20 if SOAK else 1)
            status, log, said = run(work, name, ["--cmdline", f"kill-driver={driver},{period} rounds=30 load={load}" + " queues=2" * (name in PAIRS)])
            good &= check(name, f"{name}, killed", status, log, said)
            killed = log.count("is killed, as the boot option says")
            good &= report(f"block {name}, killed: the driver died under load ({killed} times)", killed >= 1, f"log ends {log[-500:]!r}")
        for name in wanted:
            if "4k" in name:
                continue
            drive = (f"file.driver=blkdebug,file.inject-error.0.event=none,file.inject-error.0.iotype=read,"
                     f"file.inject-error.0.sector={BAD},file.image.filename=")
            # QEMU's virtio disk joins neighbours' requests, and then all of them fail.
            settings = ",request-merging=off" if "virtio" in name else ""
            status, log, said = run(work, name, ["--cmdline", f"bad={BAD}"], drive, settings)
            good &= check(name, f"{name}, bad sector", status, log, "")
        # QEMU's other disks do not say that they cannot be written.
        name = "virtio-pc"
        status, log, said = run(work, name, [], "readonly=on,file=")
        good &= check(name, f"{name}, read-only", status, log, said)
    sys.exit(not good)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    main()
