#!/usr/bin/env python3
"""Least privilege, shown: every native unit but the steward is replaced by an attacker (attack.c) that holds just what the unit would, tries all that
this does not allow, and must be refused each time. What each unit holds is compared with image/manifest, and becomes a page with a
matrix, and with what no source of the unit names: build/docs/least-privilege.md."""
import collections
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build/x86_64/tests/rights"
PAGE = ROOT / "build/docs/least-privilege.md"
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))
RIGHTS = ("READ", "WRITE", "EXECUTE", "CALL", "RECEIVE", "SIGNAL", "WAIT", "MANAGE", "COPY", "MOVE", "REVOKE", "RESIZE", "PORT", "DEVICE",
          "POWER", "LOG")
LINE = re.compile(r"^(?:\S+: )?rights (\S+): (.*?)\r?$", re.M)  # behind the mark that the kernel puts there
HOLDS = re.compile(r"holds (\S+) (\S+) ([0-9a-f]+) (\S+)")
PLACES = re.compile(r"lies at ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)")
OWN = ("own-unit", "own-space", "own-thread", "budget")  # of every unit
ATTEMPTS = 2450  # at least, of every unit: the forged handles alone are over 2,000
# Where the sources of a unit are; drivers and the personality share some.
LIBRARIES = {"base": ("lib/holon",), "drivers": ("lib/driver", "lib/block", "lib/link", "lib/holon"), "linux": ("lib/holon", "lib/newlib")}
failures = 0
places = []  # of each unit's program, start page, stack, and what it maps


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok rights: {name}" if good else f"not ok rights: {name} - {why}", flush=True)


def attacked(kind, count, options, command):
    """What COUNT attackers said: {unit: ({name: (type, rights, badge)}, tried, [what was not refused])}, and the log."""
    with tempfile.TemporaryDirectory(prefix="holon-rights-test-") as work:
        log = pathlib.Path(work, "log")
        line = [ROOT / "tools/holon-run", "--bundle", OUT / f"{kind}.bundle", "--log", log, "--timeout", "200", *options(work), "--", *command]
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            end, text = time.monotonic() + 150 * SCALE, ""
            while len({name for name, said in LINE.findall(text) if said.startswith("tried ")}) < count and process.poll() is None and time.monotonic() < end:
                time.sleep(0.2)
                text = log.read_text(errors="replace") if log.exists() else ""
        finally:
            process.terminate()
            process.communicate()
            signal.signal(signal.SIGTERM, previous)
        text = log.read_text(errors="replace") if log.exists() else ""
    units = collections.defaultdict(lambda: [{}, 0, []])
    for name, said in LINE.findall(text):
        held, tried, lies = HOLDS.match(said), re.match(r"tried (\d+), ", said), PLACES.match(said)
        if lies:
            places.append(lies.groups())
        elif held:
            units[name][0][held[1]] = (held[2], int(held[3], 16), held[4])
        elif tried:
            units[name][1] = int(tried[1])
        else:
            units[name][2].append(said)
    return units, text


def manifest():
    """{unit: names that it must hold, names that it may}"""
    needed, allowed, unit = {}, {}, None
    for line in (ROOT / "image/manifest").read_text().splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["unit"]:
            unit = words[1]
            needed[unit], allowed[unit] = set(), set()
        elif words[:1] == ["subkernel"]: # a guest's tree, which the manager holds
            unit = None
        elif not unit:
            continue
        elif words[:1] in (["serve"], ["use"]):
            needed[unit].add(words[1])
        elif words[:1] == ["give"]:
            if words[1] in ("port", "irq", "registers"):
                needed[unit].add(words[2])
            elif words[1] == "stream":
                needed[unit] |= {"stream", "stream-event", "stream-peer"}
            elif words[1] == "signatures":
                needed[unit] |= {"manifest", "keys"}
            elif words[1] == "measured":
                needed[unit].add("measured")
                allowed[unit] |= {f"module{number}" for number in range(16)}
            elif words[1] in ("add", "command", "framebuffer"):
                allowed[unit].add(words[1])
            elif words[1] != "wx":
                needed[unit].add(words[1].removesuffix("-source"))
    return needed, allowed


def is_own(name):
    return name.rstrip("0123456789") in OWN


def judge(units, wanted, text):
    for unit in wanted:
        held, tried, wrong = units.get(unit, ({}, 0, ["it did not start"]))
        report(not wrong and tried >= ATTEMPTS, f"{unit} is refused {tried} times", f"{tried} attempts; {wrong[:5]}: {text[-300:] if not tried else ''}")


def check_manifest(units):
    needed, allowed = manifest()
    for unit, names in needed.items():
        held = {name for name in units[unit][0] if not is_own(name)}
        report(names <= held <= names | allowed[unit], f"{unit} holds what image/manifest says", f"{sorted(held ^ names)}")
    unmarked = {unit for unit, (held, _, _) in units.items() if held.get("log", ("", 0, "marked"))[2] == "-"}
    report(unmarked == {"devmgr", "subkernel"}, "who marks for others alone writes the log without a mark", f"{sorted(unmarked)}")


def folder(unit):
    drivers = {"virtio-blk": "drivers/virtio", "virtio-net": "drivers/virtio", "virtio-rng": "drivers/virtio"}
    for place in (drivers.get(unit, f"drivers/{unit}"), f"base/{unit}", f"system/{unit}"):
        if (ROOT / place).is_dir():
            return place
    return "linux"


def unnamed(unit, held):
    """What it holds though no source of it has the name. Names of a series ("bar0") are looked for without their number."""
    place = folder(unit)
    texts = [path.read_text() for root in (place, *LIBRARIES.get(place.split("/")[0], LIBRARIES["base"])) for path in (ROOT / root).rglob("*.c")]
    return [name for name in held if not is_own(name) and not any(f'"{name}"' in text or name[-1].isdigit() and f'"{name.rstrip("0123456789")}' in text for text in texts)]


def rights_words(rights):
    return " ".join(name for bit, name in enumerate(RIGHTS) if rights >> bit & 1)


def write_page(units):
    lines = ["# What each native unit holds", "", "Made by tests/rights/attack_test.py at run time: each unit is replaced by an attacker, which was refused everything",
             "else. Every unit also holds itself: its unit, space, thread and budgets. A badge limits what a",
             "channel or event does for its holder.", "", "## Matrix", ""]
    kinds = ["channel", "event", "memory", "irq", "ioport", "system"]
    lines += ["| unit | " + " | ".join(kinds) + " | attempts refused |", "|---" * (len(kinds) + 2) + "|"]
    for unit, (held, tried, _) in units.items():
        cells = [", ".join(name for name, one in held.items() if one[0] == kind and not is_own(name)) for kind in kinds]
        lines.append(f"| {unit} | " + " | ".join(cells) + f" | {tried} |")
    for unit, (held, _, _) in units.items():
        lines += ["", f"## {unit}", "", "| name | object | rights | badge |", "|---|---|---|---|"]
        lines += [f"| {name} | {kind} | {rights_words(rights)} | {'yes' if badge != '-' else ''} |" for name, (kind, rights, badge) in held.items()]
        unused = unnamed(unit, held)
        lines += ["", "Held, and named by no source of it: " + (", ".join(unused) if unused else "nothing") + "."]
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text("\n".join(lines) + "\n")


def with_modern(work):
    options = ["--machine", "q35", "--net", "user", "--qemu=-device", "--qemu=virtio-rng-pci"]
    options += ["--qemu=-device", "--qemu=intel-hda"]
    for kind in ("nvme", "ahci", "virtio"):
        path = pathlib.Path(work, kind)
        with open(path, "wb") as file:
            file.truncate(1 << 20)
        options += ["--block", f"{path},as={kind}"]
    return options


def with_old(work):
    options = ["--machine", "pc"]
    for device in ("qemu-xhci", "e1000e,netdev=one", "rtl8139,netdev=two"):
        options += ["--qemu=-device", f"--qemu={device}"]
    return options + ["--qemu=-netdev", "--qemu=user,id=one", "--qemu=-netdev", "--qemu=user,id=two", "--qemu=-device", "--qemu=AC97"]


def with_two_disks(work):
    options = []
    for name in ("one", "two"):
        path = pathlib.Path(work, name)
        with open(path, "wb") as file:
            file.truncate(64 << 20)
        options += ["--block", path]
    return options


def check_places():
    """The same program, started so often: its parts lie at 2^22 places each, so that none is met twice and they are widely spread."""
    for name, found in zip(("program", "start page", "stack", "own mappings"), zip(*places)):
        pages = [int(address, 16) >> 12 for address in found]
        report(len(pages) > 15 and len(set(pages)) == len(pages) and max(pages) - min(pages) > 1 << 20,
               f"each unit's {name} is at a random address", f"{[hex(page << 12) for page in pages]}")


# Whoever asks for one of these waits for it, so each has a boot of its own.
LATE = {"vault": "head -c 32 /dev/urandom >/key; vault create one --key-file /key", "files": "mount -t ext4 /dev/block/two /mnt"}


def main():
    services = list(manifest()[0])
    units, text = attacked("services", len(services), lambda work: [], ["true"])
    judge(units, services, text)
    check_manifest(units)
    modern = ["virtio-blk", "virtio-net", "virtio-rng", "nvme", "ahci", "hda", "holon"]
    more, text = attacked("drivers", len(modern), with_modern, ["true"])
    judge(more, modern, text)
    old = ["ide", "e1000", "rtl8139", "ac97", "xhci"]
    olds, text = attacked("drivers", len(old) + 1, with_old, ["true"])
    judge(olds, old, text)
    late = {}
    for unit, command in LATE.items():
        found, text = attacked("late", 1, with_two_disks, ["sh", "-c", command])
        late[unit] = found[unit]
        judge(found, [unit], text)
    check_places()
    write_page({**units, **more, **olds, **late})
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
