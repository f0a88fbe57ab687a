#!/usr/bin/env python3
"""Randomness on a processor that has no generator: no boot and no sub-kernel gives what another gave (5 boots, 1,000 with HOLON_SOAK); who
asks for it waits where there is none, and is woken by an entropy device or a seed from outside; the service may die."""
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


DRAWS = f"{DRAW}; {DRAW}; subkernel run -n a -- sh -c '{DRAW}'; subkernel run -n b -- sh -c '{DRAW}'"
NO_SOURCE = ["--cpu", "core2duo", "--icount"]


def boot(options, work, script=DRAWS):
    log = pathlib.Path(work, "log")
    done = subprocess.run([RUN, "--log", log, "--timeout", "120", *options, "--", "sh", "-c", script],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout.split("\n")[:4], log.read_text(errors="replace")


def main():
    boots = 1000 if os.environ.get("HOLON_SOAK") else 5
    with tempfile.TemporaryDirectory(prefix="holon-entropy-test-") as work:
        drawn, short = [], 0
        for _ in range(boots):
            lines, log = boot(["--cpu", "core2duo"], work)
            drawn += lines
            short += "bits are credited of" in log
        good = [line for line in drawn if len(line.split()) == 16]
        report(len(good) == 4 * boots and len(set(good)) == len(good), f"{boots} boots without RDRAND, each with three sub-kernels: nothing repeats",
               f"{len(set(good))} different of {len(good)} of {4 * boots}")
        report(not short, "jitter alone is credited with 256 bits", f"{short} boots had less")
        # /dev/urandom and getrandom wait alike; a program that does not wish to wait is told so.
        waits = "timeout 3 head -c 1 /dev/urandom | wc -c; timeout 3 head -c 1 /dev/random | wc -c"
        lines, log = boot(NO_SOURCE, work, waits)
        report("0 bits are credited of 256" in log and [line for line in lines if line != "Terminated"][:2] == ["0", "0"],
               "where the clock counts instructions and nothing else is there, who asks waits, and the log says so", f"{lines} {log[-300:]}")
        lines, log = boot([*NO_SOURCE, "--qemu=-device", "--qemu=virtio-rng-pci"], work, DRAW)
        report(len(lines[0].split()) == 16 and "an entropy device" in log, "until an entropy device gives enough", f"{lines} {log[-300:]}")
        seed = pathlib.Path(work, "seed")
        seed.write_bytes(b"thirty-two bytes, a seed of tests")
        lines, log = boot([*NO_SOURCE, "--qemu=-fw_cfg", f"--qemu=name=opt/holon/seed,file={seed}"], work, DRAW)
        report(len(lines[0].split()) == 16 and "A seed came from outside" in log, "a development image takes a seed from outside, and says so",
               f"{lines} {log[-300:]}")
        script = ("read up rest </proc/uptime; stop=$((${up%.*} + 4)); while [ ${up%.*} -lt $stop ]; do "
                  f"subkernel run -n a -m 24M -- sh -c '{DRAW}' || echo wrong; read up rest </proc/uptime; done; echo end")
        log = pathlib.Path(work, "log")
        done = subprocess.run([RUN, "--log", log, "--timeout", "120", "--cmdline", "kill=entropy,70", "--", "sh", "-c", script],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        drawn = done.stdout.splitlines()
        report(drawn[-1:] == ["end"] and "wrong" not in drawn and len(set(drawn)) == len(drawn) > 1 and "starting entropy again" in log.read_text(errors="replace"),
               "a service that dies again and again repeats nothing and holds nobody up", f"{done.stdout} {done.stderr[-300:]}")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
