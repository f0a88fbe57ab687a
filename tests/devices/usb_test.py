#!/usr/bin/env python3
"""Disks on an xHCI controller: two at a time, one of them behind a hub; and one that is pulled out while it is written, and plugged in again, which is also done
on EHCI and UHCI. With and without an IOMMU. What one disk does, and the death of the driver, is block_test.py's."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from runner.monitor import Monitor  # noqa: E402

SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
BUNDLE = ROOT / "build/x86_64/test/block.bundle"


class Machine:
    """holon-run of the test's system with DEVICES (of QEMU) and a drive for each of DISKS, and QEMU's monitor."""

    def __init__(self, work, disks, devices, options, words, controller="qemu-xhci,id=xhci"):
        self.log_path, path, self.errors = (pathlib.Path(work, name) for name in ("log", "monitor", "errors"))
        for old in (self.log_path, path):
            old.unlink(missing_ok=True)
        qemu = ["-qmp", f"unix:{path},server=on,wait=off", "-device", controller]
        for disk in disks:
            with open(pathlib.Path(work, disk), "wb") as out:
                out.truncate(64 << 20)
            qemu += ["-blockdev", f"driver=raw,node-name={disk},file.driver=file,file.filename={work}/{disk}"]
        for device in devices:
            qemu += ["-device", device]
        command = [str(ROOT / "tools/holon-run"), "--timeout", str(int(180 * SCALE)), "--log", str(self.log_path), "--bundle", str(BUNDLE), "--machine",
                   "q35", "--cpus", "2", "--cmdline", words, *options, *(f"--qemu={word}" for word in qemu), "--", "true"]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        self.monitor = Monitor(str(path), time.monotonic() + 60 * SCALE)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def said(self):
        """By QEMU, and holon-run."""
        return self.errors.read_text(errors="replace")

    def wait_for(self, text):
        """Until the log has TEXT, or the machine has ended."""
        while text not in self.log() and self.process.poll() is None:
            time.sleep(0.1)
        return text in self.log()

    def end(self):
        return self.process.wait()


def report(name, right, log):
    print(f"ok usb disks: {name}" if right else f"not ok usb disks: {name} - log ends {log[-1500:]!r}", flush=True)
    return bool(right)


def passed(what, status, log):
    """Passes on what the machine reported."""
    good = True
    for line in log.splitlines():
        if line.startswith(("ok ", "not ok ")):
            good &= report(f"{what}: {line.split('ok ', 1)[1].split(' - ')[0]}", line.startswith("ok "), log)
    return report(f"{what}: ends well", status == 0 and "devices: the end" in log and "the IOMMU stopped" not in log, log) and good


def pulled(work, what, options, bus, controller):
    stick = {"driver": "usb-storage", "bus": f"{bus}.0", "port": "2", "drive": "one", "serial": "stick", "id": "stick"}
    # Shared: QEMU lets the old one's file go only a while after it was pulled out.
    machine = Machine(work, ("one",), (",".join(f"{name}={value}" for name, value in stick.items()) + ",share-rw=on",), options, "pulled=1", controller)
    if machine.wait_for("stick: to be pulled out"):
        time.sleep(0.3)
        machine.monitor.command("device_del", id="stick")
    if machine.wait_for("stick: to be plugged in again"):
        machine.monitor.command("device_add", **stick, **{"share-rw": True})
    good = passed(f"pulled out, {what}", machine.end(), machine.log())
    return report(f"pulled out, {what}: that was tried", "plugged in again, it is the same disk" in machine.log(), machine.log()) and good


def main():
    good = True
    with tempfile.TemporaryDirectory(prefix="usb-test-") as work:
        for what, options in (("with an IOMMU", ["--qemu=-device", "--qemu=intel-iommu"]), ("without", [])):
            machine = Machine(work, ("one", "two"), ("usb-hub,bus=xhci.0,port=1", "usb-storage,bus=xhci.0,port=1.4,drive=one,serial=behind",
                                                     "usb-storage,bus=xhci.0,port=3,drive=two,serial=beside"), options, "disks=2 together=1")
            good &= passed(f"two, {what}", machine.end(), machine.log())
            good &= pulled(work, what, options, "xhci", "qemu-xhci,id=xhci")
        good &= pulled(work, "EHCI", [], "ehci", "usb-ehci,id=ehci")
        good &= pulled(work, "UHCI with an IOMMU", ["--qemu=-device", "--qemu=intel-iommu"], "uhci", "ich9-usb-uhci1,id=uhci")
    sys.exit(not good)


if __name__ == "__main__":
    main()
