#!/usr/bin/env python3
"""Boots the file service of image/manifest beside three others, kept busy (load.c), where time is counted in instructions; and a
manifest that hands on more of a CPU than its reserve leaves, which must not start."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

import bound

ROOT = bound.ROOT
sys.path.insert(0, str(ROOT / "tools"))
from runner import machine  # noqa: E402

OUT = ROOT / "build/x86_64/tests/reserve"
BUSY = 3
SECONDS = 120 * float(os.environ.get("HOLON_TIME_SCALE", "1"))


def manifests(text):
    """Of the test's two systems. The busy services have the highest priority of any in TEXT."""
    units = bound.units(text)
    highest = max(bound.number(unit, "priority", 64) for name, unit in units.items() if name)
    share = sum(bound.number(unit, "cpu-share") for name, unit in units.items() if name)
    others = bound.STEWARD_MS + BUSY * bound.SERVICE_MS
    service = text[text.index("unit vfs"):].split("\n\n")[0]
    lines = [f"reserve {bound.number(units[''], 'reserve')}", service]
    for i in range(BUSY):
        lines.append(f"unit busy{i}\n program native/load\n memory 1M\n priority {highest}\n serve busy{i}\n argument serves=busy{i}\n restart always")
    check = "unit check\n program native/load\n memory 8M\n caps 256\n priority 20\n ceiling 199\n use vfs\n give log\n restart never\n"
    check += "".join(f" use busy{i}\n" for i in range(BUSY)) + f" argument others={int(others * 1000)}\n"
    return {"fits": "\n".join(lines + [check + f" cpu-share {share}"]) + "\n", "more": "\n".join(lines + [check + f" cpu-share {share + 1}"]) + "\n"}


def boot(bundle, last):
    """The lines of the log up to one that has LAST in it."""
    options = argparse.Namespace(kvm=False, machine="q35", cpu="max", cpus=1, mem=256, display=False, icount=0, gdb=False, uefi=False,
                                 qemu=["-serial", "stdio"])
    lines = []
    with tempfile.TemporaryDirectory(prefix="holon-reserve-") as work:
        line = machine.arguments(options, work) + machine.medium(machine.LOADER) + machine.fw_cfg({"bundle": bundle})
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        for text in process.stdout:
            lines.append(text.strip())
            if last in text:
                break
        timer.cancel()
        process.kill()
        process.wait()
    return lines


def main():
    if sys.argv[1:2] == ["--manifests"]:  # for the build
        for name, text in manifests((ROOT / "image/manifest").read_text()).items():
            (pathlib.Path(sys.argv[2]) / f"{name}.manifest").write_text(text)
        return 0
    lines = boot(OUT / "fits.bundle", "check: done")
    said = [line.removeprefix("check: ") for line in lines if line.startswith(("check: ok", "check: not ok"))]
    print("\n".join(["# " + line for line in lines if "may take" in line] + said))
    good = len(said) == 1 and said[0].startswith("ok")
    if not said:
        print("not ok reserve: the check ends\n" + "\n".join(lines[-12:]))
    lines = boot(OUT / "more.bundle", "steward: the reserve")
    refused = any("more than a CPU" in line for line in lines) and not any(line.startswith("check:") for line in lines)
    print("ok reserve: a system that hands on more than the reserve leaves does not start" if refused
          else "not ok reserve: a system that hands on too much does not start\n" + "\n".join(lines[-12:]))
    return not (good and refused)


if __name__ == "__main__":
    sys.exit(main())
