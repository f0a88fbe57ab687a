#!/usr/bin/env python3
"""Boots the whole system on many machines and runs a command on each: QEMU's pc and q35, BIOS and UEFI, CD, USB stick and
bundle, 1 to 8 processors, 128 MiB to 16 GiB, several CPU models. With HOLON_SOAK set: every combination, and 50 boots in a
row with 4 processors."""
import itertools
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUN = str(ROOT / "tools" / "holon-run")
ISO = ["--iso", str(ROOT / "build" / "holon.iso")]
failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)


def taken():
    """MiB that no sub-kernel gets: what the manifest gives to services, the image, and 24 for firmware (UEFI's most) and kernel."""
    units = (ROOT / "image" / "manifest").read_text().split("\nsubkernel ")[0]
    services = sum(int(size) for size in re.findall(r"^\tmemory (\d+)M$", units, re.M))
    return services + (ROOT / "build" / "x86_64" / "iso.bundle").stat().st_size // (1 << 20) + 24


def boot(options, cpus, memory):
    """The command sees the machine's processors, and its memory but for what is taken and what the kernel keeps for each page."""
    command = "echo $((6 * 7)); grep -c ^processor /proc/cpuinfo; sed -n 's/MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo; exit 3"
    line = [RUN, "--timeout", "180", "--cpus", str(cpus), "--mem", str(memory)] + options + ["--", "sh", "-c", command]
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    words = done.stdout.split()
    good = done.returncode == 3 and words[:2] == ["42", str(cpus)] and len(words) == 3
    good = good and (memory * 0.98 - taken()) * 1024 < int(words[2]) <= memory * 1024
    shown = " ".join(option for option in options if not option.startswith("/"))
    report(good, f"boot: {shown or '--bundle'} --cpus {cpus} --mem {memory}",
           f"status {done.returncode}, {done.stdout!r}, {done.stderr[-800:]}")


def main():
    cases = [([], 1, 128), (["--machine", "q35", "--cpu", "core2duo"], 4, 1024), (["--cpu", "qemu64"], 2, 512),
             (ISO, 8, 16384), (ISO + ["--disk", "--machine", "q35"], 2, 4096),
             (ISO + ["--uefi", "--machine", "q35"], 4, 1024), (ISO + ["--uefi", "--disk"], 1, 128)]
    if os.environ.get("HOLON_SOAK"):
        cases = [(source + disk + firmware + ["--machine", machine, "--cpu", cpu], cpus, memory)
                 for source, disk, firmware, machine, cpu, cpus, memory in itertools.product(
                     ([], ISO), ([], ["--disk"]), ([], ["--uefi"]), ("pc", "q35"), ("max", "qemu64", "core2duo"),
                     (1, 2, 4, 8), (128, 1024, 16384))]
        cases += [([], 4, 512)] * 50
    for case in cases:
        boot(*case)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
