#!/usr/bin/env python3
"""Three devices on one interrupt line: two disks work, and go on when their drivers die, though the driver of the third (deaf.c) never answers its interrupt."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUNDLE = ROOT / "build/x86_64/test/block.bundle"
# QEMU's pins are swizzled: every fourth slot has the same line.
SLOTS = (8, 12, 16)
MACHINES = {"pc, an old processor": ("pc", ["--qemu=-cpu", "--qemu=core2duo"], "disks=2 together=1"),
            "q35 with an IOMMU, drivers die": ("q35", ["--qemu=-device", "--qemu=intel-iommu"], "disks=2 rounds=1 load=2500 kill-driver=virtio-blk,300")}


def report(name, right, log):
    print(f"ok lines: {name}" if right else f"not ok lines: {name} - log ends {log[-1500:]!r}", flush=True)
    return bool(right)


def main():
    good = True
    with tempfile.TemporaryDirectory(prefix="lines-test-") as work:
        for what, (machine, options, words) in MACHINES.items():
            log_path = pathlib.Path(work, "log")
            qemu = ["-device", f"e1000,addr={SLOTS[0]:#x}"]
            for name, slot in zip(("one", "two"), SLOTS[1:]):
                with open(pathlib.Path(work, name), "wb") as out:
                    out.truncate(64 << 20)
                qemu += ["-drive", f"if=none,id={name},format=raw,file={work}/{name}",
                         "-device", f"virtio-blk-pci,vectors=0,drive={name},serial={name},addr={slot:#x}" + (",iommu_platform=on,disable-legacy=on" if "intel" in str(options) else "")]
            command = [str(ROOT / "tools/holon-run"), "--timeout", "180", "--log", str(log_path), "--bundle", str(BUNDLE), "--machine", machine, "--cpus", "2",
                       "--cmdline", words, *options, *(f"--qemu={word}" for word in qemu), "--", "true"]
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
            log = log_path.read_text(errors="replace")
            good &= report(f"{what}: one device interrupts and is not answered", "deaf: interrupts on a line with others" in log, log)
            good &= report(f"{what}: the disks beside it work", status == 0 and "not ok" not in log and "devices: the end" in log, log)
            if "kill" in words:
                good &= report(f"{what}: they did under load", log.count("is killed, as the boot option says") > 2, log)
    sys.exit(not good)


if __name__ == "__main__":
    main()
