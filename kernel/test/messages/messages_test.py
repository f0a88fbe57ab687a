#!/usr/bin/env python3
"""Boots kernel/test/messages on 1 (counting instructions), 2 and 4 processors and passes its reports on."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from runner import machine  # noqa: E402

BUNDLE = ROOT / "build" / "x86_64" / "kernel" / "test" / "messages.bundle"


def boot(cpus, seconds=90):
    """The lines of the log, and whether the machine ended by itself."""
    options = argparse.Namespace(kvm=False, machine="q35", cpu="max", cpus=cpus, mem=256, display=False,
                                 icount=0 if cpus == 1 else None, gdb=False, uefi=False, qemu=["-serial", "stdio"])
    with tempfile.TemporaryDirectory(prefix="holon-messages-") as work:
        line = machine.arguments(options, work) + machine.medium(machine.LOADER) + machine.fw_cfg({"bundle": BUNDLE})
        try:
            done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds * float(os.environ.get("HOLON_TIME_SCALE", "1")))
            return done.stdout.decode(errors="replace").splitlines(), True
        except subprocess.TimeoutExpired as late:
            return (late.stdout or b"").decode(errors="replace").splitlines(), False


def main():
    failed = False
    rounds = 50 if os.environ.get("HOLON_SOAK") else 1
    for cpus in [1, 2, 4] * rounds:
        lines, ended = boot(cpus)
        for line in lines:
            if line.startswith(("ok ", "not ok ")):
                print(f"{line.strip()} ({cpus} CPUs)" if line.startswith("ok") else line.strip(), flush=True)
                failed |= line.startswith("not ok")
        if "messages: done" not in [line.strip() for line in lines]:
            print(f"not ok messages on {cpus} CPUs - " + ("ended early" if ended else "did not end"))
            print("\n".join(lines[-12:]))
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
