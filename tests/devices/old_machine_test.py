#!/usr/bin/env python3
"""A machine of 2008: an old processor, 512 MiB, an IDE disk, an e1000, a keyboard of USB 1. It boots from a stick on EHCI, which it can read; a command typed on its keyboard is run, also after the
death of the driver of the keyboard's controller; it sees its disk, its network answers,
and its power button switches it off."""
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from input_test import ROOT, SCALE, Terminal  # noqa: E402


def report(name, right, why):
    print(f"ok old machine: {name}" if right else f"not ok old machine: {name} - ends {why[-1500:]!r}", flush=True)
    return bool(right)


def main():
    with tempfile.TemporaryDirectory(prefix="old-machine-test-") as work:
        with open(pathlib.Path(work, "disk"), "wb") as out:
            out.truncate(64 << 20)
        terminal = Terminal(work, "kill-driver=uhci,40000",
                            ["--iso", str(ROOT / "build/holon.iso"), "--disk", "usb", "--machine", "pc", "--cpu", "core2duo", "--mem", "512", "--net",
                             "user,card=e1000", "--block", f"{work}/disk,as=ide"], ["-device", "piix3-usb-uhci,id=uhci", "-device", "usb-kbd,bus=uhci.0,id=keys"])
        good = True
        try:
            good &= report("boots from a stick", terminal.shows("/ # ", seconds=240), terminal.text)
            good &= report("a command typed on its keyboard is run", terminal.runs(41), terminal.text)
            for name, command, answer in (("sees its disk", "ls -1 /dev/block", r"\ndisk"),
                                          # The volume descriptor of ISO 9660; QEMU makes the serial number of the place.
                                          ("reads the stick that it started from, on EHCI", "for d in /dev/block/1*; do dd if=$d bs=1 skip=32769 count=5; done", r"\nCD001"),
                                          ("the network answers", "ping -c 1 10.0.2.2", "1 packets received|1 received")):
                after = len(terminal.text)
                terminal.monitor.type(command + "\n")
                good &= report(name, terminal.shows(answer, after), terminal.text[after:])
            end = time.monotonic() + 120 * SCALE
            killed = terminal.log_path.read_text(errors="replace").count("is killed")
            while terminal.log_path.read_text(errors="replace").count("is killed") == killed and time.monotonic() < end:
                time.sleep(0.2)
            good &= report("and after the death of the driver", terminal.runs(71), terminal.text)
            terminal.monitor.command("system_powerdown")
            pressed, end = "devmgr: the power button was pressed", time.monotonic() + 60 * SCALE
            while pressed not in terminal.log_path.read_text(errors="replace") and time.monotonic() < end:
                time.sleep(0.2)
            log = terminal.log_path.read_text(errors="replace")
            good &= report("the power button is seen", pressed in log, log)
            good &= report("and switches it off", terminal.monitor.event("SHUTDOWN").get("data", {}).get("reason") == "guest-shutdown", log)
        finally:
            terminal.end()
    sys.exit(not good)


if __name__ == "__main__":
    main()
