#!/usr/bin/env python3
"""What verifying the system costs at boot, under BIOS and UEFI apart: instructions, counted exactly by QEMU, and wall time, the median
of some boots. Both are the loader's own figure, in cycles of the time-stamp counter, of the line `Verified`. Fails above the limits."""
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BOOTS = 5
INSTRUCTIONS_MAX, MILLISECONDS_MAX = 60, 60  # millions; of an idle machine


def cycles(options):
    """In millions; with --icount the counter advances by one an instruction."""
    with tempfile.NamedTemporaryFile(prefix="holon-verify-cost-") as log:
        subprocess.run([ROOT / "tools/holon-run", "--log", log.name, "--timeout", "300", *options, "--", "true"], stdin=subprocess.DEVNULL, check=True)
        text = log.read().decode(errors="replace")
    return int(re.search(r"Verified .*, (\d+) million cycles", text)[1])


def counter_mhz():
    """The counter of QEMU's machine is the host's."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    named = re.search(r"^model name.*@ ([\d.]+)GHz", text, re.M)
    return float(named[1]) * 1000 if named else float(re.search(r"^cpu MHz\s*: ([\d.]+)", text, re.M)[1])


def main():
    mhz, failed = counter_mhz(), False
    print("| firmware | million instructions | wall time, ms (median, least and most of " + f"{BOOTS}) |\n|---|---|---|")
    for name, options in (("BIOS", []), ("UEFI", ["--uefi"])):
        instructions = cycles([*options, "--icount"])
        times = sorted(cycles(options) * 1000 / mhz for _ in range(BOOTS))
        median = statistics.median(times)
        print(f"| {name} | {instructions} | {median:.0f} ({times[0]:.0f} to {times[-1]:.0f}) |", flush=True)
        failed |= instructions > INSTRUCTIONS_MAX or median > MILLISECONDS_MAX
    if failed:
        print(f"above {INSTRUCTIONS_MAX} million instructions or {MILLISECONDS_MAX} ms", file=sys.stderr)
    sys.exit(failed)


if __name__ == "__main__":
    main()
