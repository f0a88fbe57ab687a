#!/usr/bin/env python3
"""Boots the system with a screen and a keyboard, types on the keyboard, and looks at the picture: with a framebuffer and a PS/2 keyboard, and with a screen and a keyboard of virtio,
whose window changes its size and whose driver dies.

What is on the screen is read back from the picture with the screen's own font. With a file name as its argument, it also
leaves the last picture there (PNG).
"""
import os
import pathlib
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from runner.monitor import Monitor  # noqa: E402

FONT = ROOT / "build/gen/base/console/font.c"
WIDTH, HEIGHT = 8, 16


def glyphs():
    pattern = re.compile(r"\{0x([0-9a-f]{4}), \{([\d, ]+)\}\}")
    found = {}
    for code, rows in pattern.findall(FONT.read_text()):
        found.setdefault(bytes(map(int, rows.split(", "))), chr(int(code, 16)))
    return found


def read_picture(path, font):
    """The lines of text on a PPM picture: a cell's background is whatever its corner shows."""
    data = path.read_bytes()
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    width, height = int(header[1]), int(header[2])
    pixels, lines = data[header.end():], []
    for top in range(0, height - HEIGHT + 1, HEIGHT):
        line = ""
        for left in range(0, width - WIDTH + 1, WIDTH):
            rows, back = bytearray(), None
            for y in range(top, top + HEIGHT):
                at = (y * width + left) * 3
                row = pixels[at:at + WIDTH * 3]
                back = back or row[:3]
                rows.append(sum(128 >> x for x in range(WIDTH) if row[x * 3:x * 3 + 3] != back))
            line += font.get(bytes(rows), "?")
        lines.append(line.rstrip())
    return lines


class Screen:
    """What the machine shows: pictures of its screen, and on TERMINAL, which is read all the time, the same as bytes."""

    def __init__(self, monitor, work, terminal):
        self.monitor, self.picture, self.font = monitor, pathlib.Path(work, "screen.ppm"), glyphs()
        self.terminal, self.shown = terminal, 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while data := os.read(self.terminal, 4096):
                self.shown += len(data)
        except OSError:
            pass

    def type(self, text):
        """Each key once the one before has changed what is shown."""
        def taken():
            end = time.monotonic() + 5 * SCALE
            while self.shown == before[0] and time.monotonic() < end:
                time.sleep(0.02)
            before[0] = self.shown

        before = [self.shown]
        self.monitor.type(text, taken)

    def lines(self):
        self.monitor.picture(self.picture)
        return read_picture(self.picture, self.font)

    def wait(self, wanted, limit):
        """Until WANTED(lines) is true; returns the lines, or None."""
        end = time.monotonic() + limit * SCALE
        while time.monotonic() < end:
            lines = self.lines()
            if wanted(lines):
                return lines
            time.sleep(0.3)
        return None


def report(name, right, lines=()):
    right = bool(right)
    print(f"ok {name}" if right else f"not ok {name} - on the screen: {[line for line in lines or [] if line][-12:]}",
          flush=True)
    return right


def check(screen, output):
    has = lambda text: lambda lines: any(line.startswith(text) for line in lines)  # noqa: E731
    prompt = screen.wait(lambda lines: any(line.rstrip().endswith("#") or "$" in line for line in lines), 120)
    if not report("screen: a prompt", prompt, screen.lines()):
        return False
    good = True
    for name, text, wanted in (
            ("a command typed on the keyboard", "echo Hello | tr a-z A-Z\n", has("HELLO")),
            ("the screen's size reaches the programs", "stty size\n", lambda lines: re.search(
                r"^(\d\d) (\d\d\d?)$", "\n".join(lines), re.M)),
            ("scrolling", "seq 1 200\n", lambda lines: "200" in lines and "1" not in lines),
            ("clear", "clear; echo done\n", lambda lines: lines[0] == "done")):
        screen.type(text)
        good &= report("screen: " + name, screen.wait(wanted, 30), screen.lines())
    screen.type("vi /tmp/x\n")
    good &= report("screen: vi", screen.wait(lambda lines: sum(line == "~" for line in lines) > 10, 30), screen.lines())
    screen.type("ihello vi")
    screen.monitor.press("esc")
    screen.monitor.press("left")
    screen.type("x")
    good &= report("screen: editing in vi", screen.wait(has("hello i"), 30), screen.lines())
    screen.monitor.press("shift", "semicolon")
    screen.type("q")
    screen.monitor.press("shift", "1")
    screen.type("\n")
    screen.type("clear\n")
    if output:
        for text in ("uname -a\n", "ls --color=always /\n", "subkernel ls\n", "subkernel run\n", "subkernel run\n",
                     "subkernel ls\n", "exit\n", "subkernel ls\n", "seq 1 1000 | sha256sum\n",
                     "exit\n", "subkernel ls\n", "free; ps\n"):
            screen.type(text)
            time.sleep(2)
        screen.monitor.picture(os.path.abspath(output), format="png")
    return good


class Viewer:
    """Who looks at the machine's window through QEMU's VNC server, and makes it larger or smaller (RFB 3.8; the pseudo encoding and message for the size
    of a desktop are the community's "ExtendedDesktopSize")."""

    def __init__(self, path):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(30 * SCALE)
        self.connection.connect(path)
        self.take(12)
        self.connection.sendall(b"RFB 003.008\n")
        self.take(self.take(1)[0])
        self.connection.sendall(b"\1")  # without authentication
        self.take(4)
        self.connection.sendall(b"\1")  # others may look, too
        self.take(struct.unpack(">I", self.take(24)[20:])[0])
        self.connection.sendall(struct.pack(">BxHi", 2, 1, -308))

    def take(self, count):
        data = b""
        while len(data) < count:
            data += self.connection.recv(count - len(data)) or sys.exit("not ok screen: QEMU's VNC server ended")
        return data

    def resize(self, width, height):
        self.connection.sendall(struct.pack(">BxHHBx", 251, width, height, 1) + struct.pack(">IHHHHI", 0, 0, 0, width, height, 0))


def check_driver(screen, work, log):
    """What only a screen with a driver can do: another size, and a driver that dies."""
    good, viewer = True, Viewer(os.path.join(work, "vnc"))
    for width, height in ((1024, 600), (640, 480)):
        viewer.resize(width, height)
        size = f"{height // HEIGHT} {width // WIDTH}"
        good &= report(f"screen: {width} x {height} is its size now", screen.wait(lambda lines, n=height // HEIGHT: len(lines) == n, 30))
        screen.type("clear; stty size\n")
        good &= report("screen: and programs know", screen.wait(lambda lines, size=size: lines[0] == size, 30), screen.lines())
    deaths, end = log.read_text(errors="replace").count("is killed"), time.monotonic() + 60 * SCALE
    while log.read_text(errors="replace").count("is killed") < deaths + 2 and time.monotonic() < end:
        time.sleep(0.2)
    screen.type("clear; echo again | tr a-z A-Z\n")
    good &= report("screen: after deaths of its driver", screen.wait(lambda lines: lines[0] == "AGAIN" and len(lines) == 480 // HEIGHT, 30), screen.lines())
    said, errors = log.read_text(errors="replace"), pathlib.Path(work, "errors").read_text(errors="replace")
    good &= report("screen: QEMU saw no guest error", "virtio" not in errors, [errors[-1500:]])
    return report("screen: nobody gave up", "gives up" not in said and "console ended" not in said, [said[-1500:]]) and good


def run(name, output, device, options, more=None):
    print(f"# {name}", flush=True)
    with tempfile.TemporaryDirectory(prefix="screen-test-") as work:
        path = os.path.join(work, "monitor")
        own, terminal = pty.openpty()
        log = pathlib.Path(work, "log")
        command = ["tools/holon-run", "--timeout", "300", "--log", str(log), "--qemu=-device", f"--qemu={device}",
                   "--qemu=-qmp", f"--qemu=unix:{path},server=on,wait=off", *(word.format(work=work) for word in options)]
        command += os.environ.get("HOLON_RUN_OPTIONS", "").split()
        environment = dict(os.environ, TERM="linux")
        process = subprocess.Popen(command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=subprocess.STDOUT,
                                   env=environment, start_new_session=True)
        os.close(terminal)
        try:
            screen = Screen(Monitor(path, time.monotonic() + 60 * SCALE), work, own)
            good = check(screen, output)
            if more:
                good &= more(screen, work, log)
            screen.monitor.command("quit")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20 * SCALE)
            except subprocess.TimeoutExpired:
                process.kill()
    return good


def main():
    output = sys.argv[1] if len(sys.argv) > 1 else None
    good = run("a framebuffer", output, "VGA,xres=800,yres=600", [])
    if not output:
        good &= run("virtio's, whose driver dies every seven seconds", None, "virtio-gpu-pci,xres=800,yres=600", [
            "--machine", "q35", "--iommu", "on", "--qemu=-device", "--qemu=virtio-keyboard-pci", "--cmdline", "kill-driver=virtio-gpu,7000",
            "--qemu=-vnc", "--qemu=unix:{work}/vnc", "--qemu=-d", "--qemu=guest_errors", "--qemu=-D", "--qemu={work}/errors"], check_driver)
    sys.exit(not good)


if __name__ == "__main__":
    main()
