#!/usr/bin/env python3
"""A disk in a slot of PCI Express that is taken out while it is written, and plugged in again, some times, and in the end torn out; beside it a card and another disk that are
plugged in and taken out at any moment. Then the network of a sub-kernel, whose card comes, goes, and is another one. With and without an IOMMU."""
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from usb_test import ROOT, SCALE, Machine, Monitor, passed  # noqa: E402

TIMES = 5
SEED = 1
DISKS = {"virtio": {"driver": "virtio-blk-pci", "iommu_platform": True}, "nvme": {"driver": "nvme"}}
# QEMU's q35 has ACPI do it otherwise, with code of the firmware's that Holon does not run.
NATIVE = ["--qemu=-global", "--qemu=ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
SLOTS = [f"pcie-root-port,id={name},chassis={i},slot={i}" for i, name in enumerate(("main", "beside", "third"), 1)]

WATCH = """state=none; while :; do
	if ping -c 1 -W 1 10.0.2.2 >/dev/null 2>&1; then now=up; else now=down; fi
	[ $now = $state ] || echo $now; state=$now; sleep 0.2
done"""


def report(name, right, log):
    print(f"ok hot plug: {name}" if right else f"not ok hot plug: {name} - log ends {log[-1500:]!r}", flush=True)
    return bool(right)


class Slot:
    """One of QEMU's with DEVICE, which may be in it or not."""

    def __init__(self, machine, lock, device):
        self.machine, self.lock, self.device = machine, lock, device

    def ask(self, command, **what):
        """False: QEMU refuses, since the one before is not gone yet, or the slot is empty or busy; or it has ended."""
        with self.lock:
            try:
                return "return" in self.machine.monitor.command(command, **what)
            except (OSError, ValueError):
                return False

    def add(self):
        return self.ask("device_add", **self.device)

    def take(self):
        return self.ask("device_del", id=self.device["id"])

    def tear(self):
        """Out without a question to the machine, as if pulled by hand."""
        return self.ask("qom-set", path=f"/machine/peripheral/{self.device['id']}", property="realized", value=False)

    def until(self, what):
        while self.machine.process.poll() is None and not what():
            time.sleep(0.1)


def unsteady(slot, choose):
    """Plugs and takes out at any moment."""
    while slot.machine.process.poll() is None:
        time.sleep(choose.random() * 0.7)
        (slot.add if choose.random() < 0.5 else slot.take)()


def run(work, what, kind, options):
    disk = {**kind, "bus": "main", "drive": "one", "serial": "disk", "id": "disk", "share-rw": True}
    first = ",".join([disk["driver"], *(f"{name}={'on' if value is True else value}" for name, value in disk.items() if name != "driver")])
    ports = [word for port in SLOTS[1:] for word in ("--qemu=-device", f"--qemu={port}")]
    machine = Machine(work, ("one", "two"), (first,), [*NATIVE, *options, *ports], f"unplugged={TIMES}", SLOTS[0])
    lock, choose = threading.Lock(), random.Random(SEED)
    slot = Slot(machine, lock, disk)
    others = [Slot(machine, lock, {"driver": "virtio-net-pci", "iommu_platform": True, "bus": "beside", "id": "card"}),
              Slot(machine, lock, {**kind, "bus": "third", "drive": "two", "serial": "other", "id": "other", "share-rw": True})]
    threads = [threading.Thread(target=unsteady, args=(other, random.Random(SEED + i)), daemon=True) for i, other in enumerate(others)]
    for i in range(TIMES):
        if not machine.wait_for(f"disk: to be unplugged {i}"):
            break
        for thread in threads if i == 0 else ():
            thread.start()
        time.sleep(choose.random() * 0.5)
        slot.until(slot.take)
        if machine.wait_for(f"disk: to be plugged in {i}"):
            slot.until(slot.add)
    if machine.wait_for("disk: to be torn out"):
        time.sleep(choose.random() * 0.2)
        slot.until(slot.tear)
    good = passed(what, machine.end(), machine.log())
    log = machine.log()
    good &= report(f"{what}: that was tried, {log.count('is to go')} times with the others, and once by force",
                   log.count("is to go") >= TIMES and "torn out of its slot without a word" in log, log)
    return report(f"{what}: no driver failed", " failed: exception" not in log, log) and good


def card(work, options):
    """A system that began without a card gets one, loses it, and gets another: what a sub-kernel sees of it."""
    log, path = pathlib.Path(work, "card-log"), pathlib.Path(work, "card-monitor")
    path.unlink(missing_ok=True)
    qemu = ["-qmp", f"unix:{path},server=on,wait=off", "-netdev", "user,id=net", "-device", SLOTS[0]]
    command = [str(ROOT / "tools/holon-run"), "--timeout", str(int(180 * SCALE)), "--log", str(log), "--machine", "q35", "--cpus", "2", *NATIVE, *options,
               *(f"--qemu={word}" for word in qemu), "--", "sh", "-c", WATCH]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
    monitor, seen = Monitor(str(path), time.monotonic() + 60 * SCALE), []
    for line in process.stdout:
        seen.append(line.strip())
        if len(seen) == 1:
            monitor.command("device_add", driver="e1000e", netdev="net", bus="main", id="card")
        elif len(seen) == 2:
            monitor.command("device_del", id="card")
        elif len(seen) == 3:
            monitor.command("device_add", driver="virtio-net-pci", iommu_platform=True, netdev="net", bus="main", id="card")
        else:
            break
    process.terminate()
    process.wait()
    what = "an IOMMU" if options else "none"
    return report(f"the network comes and goes with its card, with {what}", seen == ["down", "up", "down", "up"],
                  f"{seen} {log.read_text(errors='replace') if log.exists() else ''}")


def main():
    good = True
    with tempfile.TemporaryDirectory(prefix="hotplug-test-") as work:
        for name, kind in DISKS.items():
            good &= run(work, name, kind, [])
            good &= run(work, f"{name} with an IOMMU", kind, ["--qemu=-device", "--qemu=intel-iommu"])
        good &= card(work, [])
        good &= card(work, ["--iommu", "on"])
    sys.exit(not good)


if __name__ == "__main__":
    main()
