#!/usr/bin/env python3
"""A terminal on a virtio console, on a machine without a screen: what is typed there is run, and it shows what the serial line shows, byte for byte, also when its reader is slow; a
reader that stands still holds up nobody, more typed at once than there is room for is not lost, and it works again after the death of its driver."""
import pathlib
import re
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tests/devices"))
from input_test import SCALE, Terminal  # noqa: E402

NUMBERS = 20000
bad = []


def report(name, right, why=""):
    if not right:
        bad.append(name)
    print(f"ok line: {name}" if right else f"not ok line: {name} - ends {str(why)[-1500:]!r}", flush=True)


class Line:
    """The other end of a virtio console."""

    def __init__(self, path):
        self.socket, self.text, self.reads = socket.socket(socket.AF_UNIX), "", threading.Event()
        self.socket.connect(str(path))
        self.reads.set()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while self.reads.wait():
            try:
                data = self.socket.recv(1024)
            except OSError:
                return
            if not data:
                return
            self.text += data.decode(errors="replace")

    def shows(self, pattern, after=0, seconds=60):
        end = time.monotonic() + seconds * SCALE
        while not re.search(pattern, self.text[after:]) and time.monotonic() < end:
            time.sleep(0.1)
        return bool(re.search(pattern, self.text[after:]))

    def runs(self, number):
        """Typed again where the driver had just died."""
        for _ in range(8):
            after = len(self.text)
            self.socket.sendall(f"\x15echo Is-$(({number}+1))\n".encode())
            if self.shows(rf"Is-{number + 1}\D", after, 4):
                return True
        return False


def main():
    with tempfile.TemporaryDirectory(prefix="line-test-") as work:
        path = pathlib.Path(work, "line")
        words = ["-device", "virtio-serial-pci", "-chardev", f"socket,id=line,path={path},server=on,wait=off", "-device", "virtconsole,chardev=line"]
        terminal = Terminal(work, "kill-driver=virtio-console,25000", keyboard=words, screen=())
        try:
            line = Line(path)
            report("a prompt", terminal.shows("/ # ", seconds=120), terminal.text)
            report("a command typed there is run", line.runs(41), line.text)
            report("and seen on the serial line as well", terminal.shows(r"Is-42\D"), terminal.text)
            after = len(line.text)
            line.socket.sendall(b"seq 1 3000; echo end-$((1+1))\n")
            report("output is whole", line.shows("end-2", after) and "\r\n".join(map(str, range(1, 3001))) in line.text[after:], line.text[after:])
            # More than all buffers on the way, at once: four lines of a file, each of 4,000 bytes, as long as a terminal's lines may be.
            line.socket.sendall(b"cat >/tmp/typed\n")
            time.sleep(1)
            line.socket.sendall((b"x" * 3999 + b"\n") * 4 + b"\x04")
            after = len(line.text)
            line.socket.sendall(b"wc /tmp/typed\n")
            report("what is typed is whole", line.shows(r"4 +4 +16000 /tmp/typed", after), line.text[after:][-300:])
            line.reads.clear()
            after = len(terminal.text)
            line.socket.sendall(f"seq 1 {NUMBERS}; echo end-$((2+1))\n".encode())
            report("a reader that stands still holds up nobody", terminal.shows("end-3", after), terminal.text[after:])
            line.reads.set()
            report("and is served again", line.runs(51), line.text[-300:])
            killed, end = terminal.log_path.read_text(errors="replace").count("is killed"), time.monotonic() + 60 * SCALE
            while terminal.log_path.read_text(errors="replace").count("is killed") == killed and time.monotonic() < end:
                time.sleep(0.2)
            report("a command is run after the death of the driver", line.runs(61), line.text[-300:] + terminal.log_path.read_text(errors="replace"))
            report("nothing gave up", "gives up" not in terminal.log_path.read_text(errors="replace"), terminal.log_path.read_text(errors="replace"))
        finally:
            terminal.end()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
