#!/usr/bin/env python3
"""A device whose driver was taken over (rogue.c) aims at memory that is not its own: with the IOMMU it is stopped, reported and its
driver started anew; without one it succeeds, which shows that the test would see it. Then disks and a card work behind the IOMMU."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUNDLE = ROOT / "build/x86_64/test/block.bundle"
IOMMU = ["--qemu=-device", "--qemu=intel-iommu"]
DISKS = {"nvme": "nvme,drive=d0,serial=nvme", "ahci": "ide-hd,bus=ide.1,drive=d0,serial=ahci",
         "virtio": "virtio-blk-pci,drive=d0,serial=virtio,iommu_platform=on,disable-legacy=on",
         "xhci": "qemu-xhci,id=xhci --qemu=-device --qemu=usb-storage,bus=xhci.0,drive=d0,serial=usb"}


def run(work, options, words):
    log = pathlib.Path(work, "log")
    command = [str(ROOT / "tools/holon-run"), "--timeout", "120", "--log", str(log), "--bundle", str(BUNDLE), "--machine", "q35",
               "--cmdline", words, *options, "--", "true"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    return result.returncode, log.read_text(errors="replace") if log.exists() else ""


def report(name, right, log):
    print(f"ok iommu: {name}" if right else f"not ok iommu: {name} - log ends {log[-1200:]!r}", flush=True)
    return bool(right)


def main():
    edu, good = ["--qemu=-device", "--qemu=edu,dma_mask=0xffffffffffffffff"], True
    with tempfile.TemporaryDirectory(prefix="iommu-test-") as work:
        _, log = run(work, edu, "disks=0 wait=9000")
        good &= report("without one the system says so", "no IOMMU: devices can reach all memory" in log
                       and "unit_info says that DMA is not confined" in log, log)
        good &= report("without one the rogue succeeds", "is OVERWRITTEN" in log and "is READ" in log
                       and "ok rogue: memory that is mapped is reached" in log, log)
        _, log = run(work, IOMMU + edu, "disks=0 wait=6000")
        good &= report("with one the rogue reaches what is mapped", "ok rogue: memory that is mapped is reached" in log, log)
        good &= report("and every unit hears that DMA is confined", "unit_info says that DMA is confined" in log, log)
        good &= report("and nothing else", "OVERWRITTEN" not in log and "is READ" not in log and "rogue: the end" in log, log)
        good &= report("its device is stopped, reported, and its driver started anew",
                       log.count("the IOMMU stopped device") >= 2 and log.count("starting edu again") >= 2, log)
        with open(pathlib.Path(work, "disk"), "wb") as out:
            out.truncate(64 << 20)
        for name, device in DISKS.items():
            status, log = run(work, IOMMU + ["--qemu=-drive", f"--qemu=if=none,id=d0,format=raw,file={work}/disk",
                                             "--qemu=-device", *f"--qemu={device}".split()], f"kill-driver={name},{900 if name == 'xhci' else 300} rounds={200 if name == 'xhci' else 60}")
            good &= report(f"{name} works behind one, also when its driver dies",
                           status == 0 and "not ok" not in log and "the IOMMU stopped" not in log and "no IOMMU" not in log, log)
    sys.exit(not good)


if __name__ == "__main__":
    main()
