#!/usr/bin/env python3
"""Randomness on a processor that has no generator: no boot and no sub-kernel gives what another gave. 5 boots, 1,000 with HOLON_SOAK."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUN = str(ROOT / "tools" / "holon-run")
DRAW = "head -c 16 /dev/urandom | od -An -tx1"
failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)


def boot(options, work):
    log = pathlib.Path(work, "log")
    done = subprocess.run([RUN, "--log", log, "--timeout", "120", *options, "--", "sh", "-c", f"{DRAW}; {DRAW}; subkernel run -n a -- sh -c '{DRAW}'; "
                           f"subkernel run -n b -- sh -c '{DRAW}'"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout.split("\n")[:4], log.read_text(errors="replace")


def main():
    boots = 1000 if os.environ.get("HOLON_SOAK") else 5
    with tempfile.TemporaryDirectory(prefix="holon-entropy-test-") as work:
        drawn, short = [], 0
        for _ in range(boots):
            lines, log = boot(["--cpu", "core2duo"], work)
            drawn += lines
            short += "bits are credited" in log
        good = [line for line in drawn if len(line.split()) == 16]
        report(len(good) == 4 * boots and len(set(good)) == len(good), f"{boots} boots without RDRAND, each with three sub-kernels: nothing repeats",
               f"{len(set(good))} different of {len(good)} of {4 * boots}")
        report(not short, "jitter alone is credited with 256 bits", f"{short} boots had less")
        lines, log = boot(["--cpu", "core2duo", "--icount"], work)
        report("0 bits are credited of 256" in log, "control: a clock that counts instructions has no jitter, and the log says so", log[-300:])
        seed = pathlib.Path(work, "seed")
        seed.write_bytes(b"a seed")
        lines, log = boot(["--qemu=-fw_cfg", f"--qemu=name=opt/holon/seed,file={seed}"], work)
        report("A seed came from outside" in log, "a development image takes a seed from outside, and says so", log[-300:])
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
