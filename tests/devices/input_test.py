#!/usr/bin/env python3
"""Keyboards, a mouse and a tablet on an xHCI controller, one of them behind a hub, all on UHCI behind one, on EHCI with its companions, and as virtio devices: what QEMU's monitor does with them is what their
drivers tell (input_check.c), virtio's also while they die again and again. Then the console: a command typed on a USB keyboard, or
virtio's, is run, also on one that was plugged in later, and after the death of the driver."""
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/devices")]
from runner.monitor import Monitor  # noqa: E402
from usb_test import Machine  # noqa: E402

SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
ERRORS = ("usb_xhci_unimplemented", "usb_xhci_enforced_limit", "usb_xhci_xfer_error", "usb_ehci_guest_bug")


# An ICH9's: EHCI and its companions, two ports each. What is plugged into it and is not of high speed is theirs.
EHCI = ("ich9-usb-ehci1,id=ehci,addr=1d.7,multifunction=on", *(f"ich9-usb-uhci{i + 1},masterbus=ehci.0,firstport={2 * i},addr=1d.{i},multifunction=on" for i in range(3)))


def report(name, right, log):
    print(f"ok input: {name}" if right else f"not ok input: {name} - ends {log[-1500:]!r}", flush=True)
    return bool(right)


def told(work, what, controller, devices, options=(), sources=1):
    """What the driver, or each of SOURCES, tells of each kind of device."""
    machine = Machine(work, (), devices, [*options], f"disks=0 input={sources}", controller)
    monitor, good = machine.monitor, True

    def send(kind, **data):
        monitor.command("input-send-event", events=[{"type": kind, "data": data}])

    def sees(name, act, *wanted):
        """ACT, again and again until the log tells all of WANTED: QEMU takes an event for a device only once it is polled."""
        end = time.monotonic() + 60 * SCALE
        while not all(f"input: {line}\n" in machine.log() for line in wanted) and time.monotonic() < end:
            act()
            time.sleep(0.3)
        return report(f"{what}: {name}", all(f"input: {line}\n" in machine.log() for line in wanted), machine.log())

    good &= report(f"{what}: the devices are there", machine.wait_for("input: ready"), machine.log())
    good &= sees("a key", lambda: monitor.press("a"), "key 4 1", "key 4 0")
    good &= sees("a key with a modifier", lambda: monitor.press("shift", "z"), "key 225 1", "key 29 1", "key 29 0", "key 225 0")
    good &= sees("a tablet's place", lambda: (send("abs", axis="x", value=16384), send("abs", axis="y", value=32767)), "place 0 32768", "place 1 65535")
    good &= sees("a button", lambda: (send("btn", button="left", down=True), time.sleep(0.2), send("btn", button="left", down=False)),
                 "button 1 1", "button 1 0")
    good &= sees("a mouse's way", lambda: (send("rel", axis="x", value=5), time.sleep(0.2), send("rel", axis="y", value=-7)), "move 0 5", "move 1 -7")
    good &= sees("the wheel", lambda: (send("btn", button="wheel-up", down=True), send("btn", button="wheel-up", down=False)), "move 2 1")
    try:
        while machine.process.poll() is None:
            monitor.press("esc")
            time.sleep(0.3)
    except (OSError, ValueError):
        pass  # the monitor ends with its machine
    status = machine.end()
    good &= report(f"{what}: QEMU saw no guest error", "virtio" not in machine.said(), machine.said())
    return report(f"{what}: all was told", status == 0 and "not ok" not in machine.log(), machine.log()) and good


def died(work):
    """The driver of a virtio keyboard is destroyed every second and a half, and QEMU sends keys all the time."""
    machine = Machine(work, (), (), [], "disks=0 input=1 kill-driver=virtio-input,1500", "virtio-keyboard-pci")
    good, end, deaths = machine.wait_for("input: ready"), time.monotonic() + 90 * SCALE, 0
    while deaths < 4 and time.monotonic() < end and machine.process.poll() is None:
        after = machine.log().rsplit("is killed", 1)[-1]
        machine.monitor.press("a")
        if "is killed" in machine.log() and "input: key 4 0\n" in after:
            deaths = machine.log().count("is killed")
    good &= report("virtio, killed: keys are told after four deaths of the driver", deaths >= 4, machine.log())
    try:
        while machine.process.poll() is None:
            machine.monitor.press("esc")
    except (OSError, ValueError):
        pass
    status = machine.end()
    good &= report("virtio, killed: QEMU saw no guest error", "virtio" not in machine.said(), machine.said())
    return report("virtio, killed: it ends well", status == 0, machine.log()) and good


class Terminal:
    """The whole system with a screen and a USB keyboard; what it writes to its terminal."""

    def __init__(self, work, words, options=(), keyboard=("-device", "qemu-xhci,id=xhci", "-device", "usb-kbd,bus=xhci.0,id=keys"), screen=("-device", "VGA")):
        path = pathlib.Path(work, "monitor")
        path.unlink(missing_ok=True)
        self.trace = pathlib.Path(work, "trace")
        own, terminal = pty.openpty()
        qemu = [*screen, *keyboard, "-qmp", f"unix:{path},server=on,wait=off"]
        for event in ERRORS:
            qemu += ["-trace", f"enable={event},file={self.trace}"]
        self.process = subprocess.Popen([str(ROOT / "tools/holon-run"), "--timeout", "300", "--log", str(pathlib.Path(work, "log")), "--cmdline", words,
                                         *options, *(f"--qemu={word}" for word in qemu)], stdin=terminal, stdout=terminal, stderr=subprocess.STDOUT,
                                        env=dict(os.environ, TERM="linux"), start_new_session=True)
        os.close(terminal)
        self.own, self.text = own, ""
        threading.Thread(target=self.read, daemon=True).start()
        self.log_path = pathlib.Path(work, "log")
        self.monitor = Monitor(str(path), time.monotonic() + 60 * SCALE)

    def read(self):
        try:
            while data := os.read(self.own, 4096):
                self.text += data.decode(errors="replace")
        except OSError:
            pass

    def shows(self, pattern, after=0, seconds=60):
        end = time.monotonic() + seconds * SCALE
        while not re.search(pattern, self.text[after:]) and time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.1)
        return bool(re.search(pattern, self.text[after:]))

    def seen(self, act):
        """ACT, a key, has changed what the terminal shows."""
        after = len(self.text)
        act()
        return self.shows(r"[\s\S]", after, 4)

    def runs(self, number):
        """A command typed on the keyboard is run. Each key is pressed when the one before was seen: QEMU keeps few that nobody takes. All of it again where one is not: nobody listened yet, or the
        driver was just ended."""
        for _ in range(8):
            if not self.seen(lambda: self.monitor.press("x")) or not self.seen(lambda: self.monitor.press("ctrl", "u")):
                continue
            after = len(self.text)
            if all(self.seen(lambda key=key: self.monitor.type(key)) for key in f"echo Is-$(({number}+1))\n") and self.shows(rf"Is-{number + 1}\D", after, 4):
                return True
        return False

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20 * SCALE)
        except subprocess.TimeoutExpired:
            self.process.kill()
        os.close(self.own)


def typed(work):
    terminal, good = Terminal(work, ""), True
    try:
        good &= report("console: a prompt", terminal.shows("/ # ", seconds=120), terminal.text)
        good &= report("console: a command typed on a USB keyboard is run", terminal.runs(41), terminal.text)
        after = len(terminal.text)
        terminal.monitor.command("send-key", keys=[{"type": "qcode", "data": "x"}], **{"hold-time": 2500})
        good &= report("console: a key that is held repeats", terminal.shows("xxxxx", after), terminal.text[after:])
        time.sleep(2.6)
        terminal.monitor.command("device_del", id="keys")
        time.sleep(1)
        terminal.monitor.command("device_add", driver="usb-kbd", bus="xhci.0", id="more")
        time.sleep(1)
        good &= report("console: so is one typed on a keyboard that was plugged in later", terminal.runs(51), terminal.text)
        errors = terminal.trace.read_text(errors="replace") if terminal.trace.exists() else ""
        good &= report("console: QEMU saw no error", not any(error in errors for error in ERRORS), errors)
    finally:
        terminal.end()
    # Nobody's but virtio's: QEMU gives keys to the keyboard that was made last.
    terminal = Terminal(work, f"kill-driver=virtio-input,{int(15000 * SCALE)}", keyboard=("-device", "virtio-keyboard-pci"))
    try:
        good &= report("console: a prompt again", terminal.shows("/ # ", seconds=120), terminal.text)
        good &= report("console: a command is run before the driver dies", terminal.runs(61), terminal.text)
        killed = terminal.log_path.read_text(errors="replace").count("is killed")
        end = time.monotonic() + 60 * SCALE
        while terminal.log_path.read_text(errors="replace").count("is killed") == killed and time.monotonic() < end:
            time.sleep(0.2)
        good &= report("console: and after", terminal.runs(71), terminal.text)
    finally:
        terminal.end()
    return good


def companion(work):
    """A keyboard that is EHCI's companion's, while EHCI's own driver dies, and then one of high speed in its port."""
    terminal, good = Terminal(work, f"kill-driver=ehci,{int(15000 * SCALE)}", keyboard=[word for device in (*EHCI, "usb-kbd,usb_version=1,bus=ehci.0,port=1,id=keys") for word in ("-device", device)]), True
    try:
        good &= report("companion: a prompt", terminal.shows("/ # ", seconds=120), terminal.text)
        good &= report("companion: a command typed at full speed is run", terminal.runs(41), terminal.text)
        killed, end = terminal.log_path.read_text(errors="replace").count("is killed"), time.monotonic() + 60 * SCALE
        while terminal.log_path.read_text(errors="replace").count("is killed") == killed and time.monotonic() < end:
            time.sleep(0.2)
        good &= report("companion: and after the death of EHCI's driver", terminal.runs(51), terminal.text)
        terminal.monitor.command("device_del", id="keys")
        time.sleep(1)
        terminal.monitor.command("device_add", driver="usb-kbd", bus="ehci.0", port="1", id="more")
        time.sleep(1)
        good &= report("companion: so is one typed at high speed, in the same port", terminal.runs(61), terminal.text)
        said = terminal.log_path.read_text(errors="replace")
        good &= report("companion: each speed had its controller", "uhci: port 1" in said and "ehci: port 1" in said, said)
        errors = terminal.trace.read_text(errors="replace") if terminal.trace.exists() else ""
        good &= report("companion: QEMU saw no error", not any(error in errors for error in ERRORS), errors)
    finally:
        terminal.end()
    return good


def main():
    with tempfile.TemporaryDirectory(prefix="input-test-") as work:
        good = told(work, "xhci", "qemu-xhci,id=xhci", ("usb-hub,bus=xhci.0,port=1", "usb-kbd,bus=xhci.0,port=1.2", "usb-mouse,bus=xhci.0,port=2",
                                                        "usb-tablet,bus=xhci.0,port=3"))
        good &= told(work, "uhci", "piix3-usb-uhci,id=uhci", ("usb-hub,bus=uhci.0,port=1", "usb-kbd,bus=uhci.0,port=1.1", "usb-mouse,bus=uhci.0,port=1.2",
                                                              "usb-tablet,bus=uhci.0,port=2"))
        good &= told(work, "ehci and its companions", EHCI[0], (*EHCI[1:], "usb-kbd,bus=ehci.0,port=1", "usb-mouse,usb_version=1,bus=ehci.0,port=3",
                                                                "usb-hub,bus=ehci.0,port=5", "usb-tablet,bus=ehci.0,port=5.2"), sources=3)
        good &= told(work, "virtio", "virtio-keyboard-pci", ("virtio-mouse-pci", "virtio-tablet-pci"), sources=3)
        good &= told(work, "virtio with an IOMMU", "virtio-tablet-pci,iommu_platform=on", ("virtio-mouse-pci,iommu_platform=on", "virtio-keyboard-pci,iommu_platform=on"), ["--qemu=-device", "--qemu=intel-iommu"], 3)
        good &= died(work)
        good &= typed(work)
        good &= companion(work)
    sys.exit(not good)


if __name__ == "__main__":
    main()
