#!/usr/bin/env python3
"""How long a request of a service lasts at most, once it is begun, whoever asked and whatever else goes on: derived from image/manifest
and the sources' constants, as docs/realtime.md ("The services' reserve") explains. Checks that what the derivation rests on is so, and
that the table of that page says what comes out.

    bound.py            checks; with --table, prints the table
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/realtime.md"
REQUESTS_MS = (1, 10, 100)


def constant(path, name):
    return int(re.search(rf"#define {name}\s+(\d+)", (ROOT / path).read_text())[1])


def units(text):
    """The units of a manifest: {name: {word: [rest of the line...]}}; what stands before the first is that of ""."""
    found, unit = {"": {}}, ""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["unit"]:
            unit = words[1]
            found[unit] = {}
        elif words[:1] == ["subkernel"]:
            unit = None
        elif words and unit is not None:
            found[unit].setdefault(words[0], []).append(words[1:])
    return found


def number(unit, word, otherwise=0):
    return int(unit[word][0][0]) if word in unit else otherwise


PERIOD_MS = constant("abi/holon/syscall.h", "BUDGET_PERIOD_MAX_NS") / 1e6
STEWARD_MS = constant("kernel/boot/first.c", "FIRST_SLICE_NS") / 1e6
SERVICE_MS = constant("base/steward/steward.c", "SLICE_NS") / 1e6
DRIVER_MS = constant("base/devmgr/claim.c", "DRIVER_SLICE_NS") / 1e6
DRIVERS_MAX = constant("base/devmgr/devmgr.h", "CLAIMS_MAX")


def bound_ms(work_ms, services, drivers, reserve):
    """Of a request that is WORK_MS of one service's own time, on a CPU of which RESERVE (0 to 1) is kept for best effort.

    A round of the level takes at most every other budget's slice (the steward's, the other services', the drivers'), and the request
    waits for one before each slice of its own and one more, since its own may have been used up before. Budgets that are admitted
    take of a time t at most (1 - reserve) (t + their longest period)."""
    others = STEWARD_MS + (services - 1) * SERVICE_MS + drivers * DRIVER_MS
    rounds = -(-work_ms // SERVICE_MS) + 1
    return (work_ms + rounds * others + (1 - reserve) * PERIOD_MS) / reserve


def table(manifest):
    services = [unit for unit in manifest.values() if "serve" in unit]
    reserve = number(manifest[""], "reserve") / 100
    lines = ["| drivers on the CPU | budgets that take turns | of each service | " + " | ".join(f"a request of {ms} ms" for ms in REQUESTS_MS) + " |",
             "|--:|--:|---|" + "--:|" * len(REQUESTS_MS)]
    for drivers in (0, 8, DRIVERS_MAX):
        turn = STEWARD_MS + len(services) * SERVICE_MS + drivers * DRIVER_MS
        cells = " | ".join(f"{bound_ms(ms, len(services), drivers, reserve) / 1000:.2f} s" for ms in REQUESTS_MS)
        lines.append(f"| {drivers} | {1 + len(services) + drivers} | {SERVICE_MS:g} ms in each {turn / reserve:g} | {cells} |")
    return "\n".join(lines)


def main():
    manifest = units((ROOT / "image/manifest").read_text())
    if sys.argv[1:] == ["--table"]:
        print(table(manifest))
        return 0
    failures = 0

    def check(good, name, why):
        nonlocal failures
        failures += not good
        print(f"ok reserve: {name}" if good else f"not ok reserve: {name} - {why}")

    level = constant("kernel/boot/first.c", "FIRST_PRIORITY")
    named = {name: unit for name, unit in manifest.items() if name}
    check(named and all("serve" in unit for unit in named.values()), "each unit of the manifest is a service", "one is not")
    other = [name for name, unit in named.items() if number(unit, "priority", 64) != level or "budget" in unit]
    check(not other, "all have the steward's priority, at best effort", f"not {', '.join(other)}")
    check(constant("system/subkernel/start.c", "PRIORITY") < level, "no sub-kernel's best effort comes near it", "it does")
    admitted = sum(number(unit, "cpu-share") for unit in named.values())
    check(0 < number(manifest[""], "reserve") <= 100 - admitted, "the reserve and what is handed on fit a CPU", f"{admitted} percent are handed on")
    check(table(manifest) in PAGE.read_text(), "docs/realtime.md has the table that comes out (bound.py --table)", "it has another")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
