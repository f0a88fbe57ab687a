#!/usr/bin/env python3
"""Keyboards, mice and tablets as a program in the first sub-kernel reads them from /dev/input (evdev_check.c): those of the PS/2 controller, on pc and q35, of USB and of virtio, also
after the deaths of the console and of the driver. What QEMU's monitor does with them is what the program is told, report for report; another sub-kernel has none."""
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from power_test import ROOT, SCALE, Machine  # noqa: E402

DESCRIBED = ("0: Holon keyboard, 10001: types 3, rel 0, abs 0 to -1, A 1, left 0\n1: Holon mouse, 10001: types 7, rel 103, abs 0 to -1, A 0, left 1\n"
             "2: Holon tablet, 10001: types f, rel 100, abs 3 to 65535, A 0, left 1\nready\n")
bad = []


def report(name, right, why=""):
    if not right:
        bad.append(name)
    print(f"ok evdev: {name}" if right else f"not ok evdev: {name} - ends {str(why)[-1500:]!r}", flush=True)


class Inputs:
    def __init__(self, work, what, options):
        script = "/check; code=$?; subkernel run -m 24M -- sh -c 'ls -d /dev/input 2>/dev/null || echo none'; exit $code"
        self.what, self.machine = what, Machine(work, script, ["--add", ROOT / "build/tests/devices/evdev_check:/check", "--qemu=-device", "--qemu=VGA", *options])
        self.machine.wait_for("ready\n")
        report(f"{what}: the devices are described", self.machine.out().startswith(DESCRIBED), self.machine.out() + self.machine.log())

    def send(self, *events):
        """Of each a kind and its data, as one report."""
        self.machine.monitor.command("input-send-event", events=[{"type": kind, "data": data} for kind, data in events])

    def move(self, kind, x, y):
        self.send((kind, {"axis": "x", "value": x}), (kind, {"axis": "y", "value": y}))

    def press(self, button):
        self.send(("btn", {"button": button, "down": True}))
        time.sleep(0.2)
        self.send(("btn", {"button": button, "down": False}))

    def sees(self, name, act, wanted, seconds=60):
        """ACT, again and again until the lines WANTED follow one another in what the program wrote since; the first time may be before a driver has found a device."""
        end, after = time.monotonic() + seconds * SCALE, len(self.machine.out())
        while wanted not in self.machine.out()[after:] and time.monotonic() < end and self.machine.process.poll() is None:
            act()
            time.sleep(0.4)
        report(f"{self.what}: {name}", wanted in self.machine.out()[after:], self.machine.out()[after:] + self.machine.log())

    def key(self, name="a key"):
        self.sees(name, lambda: self.machine.monitor.press("a"), "0: 1 30 1\n0: 0 0 0\n0: 1 30 0\n0: 0 0 0\n")

    def way(self):
        self.sees("a mouse's way", lambda: self.move("rel", 5, -7), "1: 2 0 5\n1: 2 1 -7\n1: 0 0 0\n")

    def mouse(self):
        self.way()
        self.buttons(1)
        self.sees("the wheel", lambda: self.press("wheel-up"), "1: 2 8 1\n1: 0 0 0\n")

    def buttons(self, device):
        for button, code in (("left", 272), ("right", 273), ("middle", 274)):
            self.sees(f"the {button} button of {'a tablet' if device == 2 else 'a mouse'}",
                      lambda button=button: self.press(button),
                      f"{device}: 1 {code} 1\n{device}: 0 0 0\n{device}: 1 {code} 0\n{device}: 0 0 0\n")

    def tablet(self):
        self.sees("a tablet's place", lambda: (self.move("abs", 16384, 32767), time.sleep(0.2), self.move("abs", 0, 0)), "2: 3 0 32768\n2: 3 1 65535\n2: 0 0 0\n")
        self.buttons(2)

    def end(self):
        while self.machine.process.poll() is None:
            try:
                self.machine.monitor.press("esc")
            except (OSError, ValueError):
                break  # the monitor ends with its machine
            time.sleep(0.4)
        status = self.machine.process.wait()
        report(f"{self.what}: it ends, and a child has no devices", status == 0 and self.machine.out().endswith("end: held 0\nnone\n"), f"status {status}: {self.machine.out()}")


def killed(inputs, what):
    """Waits for the next death of WHAT."""
    count, end = inputs.machine.log().count(what), time.monotonic() + 90 * SCALE
    while inputs.machine.log().count(what) == count and time.monotonic() < end:
        time.sleep(0.2)


def main():
    usb = [f"--qemu={word}" for word in ("-device", "qemu-xhci,id=xhci", "-device", "usb-kbd,bus=xhci.0", "-device", "usb-tablet,bus=xhci.0",
                                          "-device", "virtio-mouse-pci")]
    with tempfile.TemporaryDirectory(prefix="evdev-test-") as name:
        work = pathlib.Path(name)
        for machine in ("q35", "pc"):
            inputs = Inputs(work, f"PS/2, {machine}", ["--machine", machine])
            inputs.key()
            inputs.mouse()
            inputs.end()
        inputs = Inputs(work, "USB, and a mouse of virtio", usb)
        inputs.key()
        inputs.way()  # QEMU's buttons are the tablet's
        inputs.tablet()
        inputs.end()
        for what, word, line in (("the console", "kill=console,12000", "console is killed"), ("the driver", "kill-driver=xhci,12000", "xhci is killed")):
            inputs = Inputs(work, f"after the death of {what}", [*usb, "--cmdline", word])
            killed(inputs, line)
            inputs.key()
            inputs.end()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
