"""A machine whose terminal, keyboard and screen a test reads and types on: what COM1 shows as a grid of characters, keys by COM1 or by
QEMU's own keyboards, and whether the picture on the screen shows the same text."""
import json
import os
import pathlib
import re
import selectors
import signal
import socket
import sys
import time
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools"))
from runner import blocks, machine  # noqa: E402

SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))
ROWS, COLUMNS = 64, 256
KEYS = {"up": b"\x1b[A", "down": b"\x1b[B", "esc": b"\x1b", "enter": b"\r", "f12": b"\x1b[24~", "f10": b"\x1b[21~",
        "backspace": b"\x7f", "home": b"\x1b[H", "end": b"\x1b[F", "delete": b"\x1b[3~"}
FRAME = {0xb3: "|", 0xc4: "-", 0xbf: "+", 0xc0: "+", 0xd9: "+", 0xda: "+"}  # of code page 437, in which OVMF's terminal shows them
CONTROL = re.compile(rb"\x1b\[([0-9;=?]*)([A-Za-z])")


class Terminal:
    """As much of ECMA-48 as a loader and its firmware use."""

    def __init__(self):
        self.clear()
        self.row = self.column = 0
        self.inverse_on = False
        self.rest = b""

    def clear(self):
        self.text = [[" "] * COLUMNS for _ in range(ROWS)]
        self.inverse = [[False] * COLUMNS for _ in range(ROWS)]

    def feed(self, data):
        data, self.rest = self.rest + data, b""
        at = 0
        while at < len(data):
            byte = data[at]
            if byte == 0x1b:
                found = CONTROL.match(data, at)
                if found:
                    self.control(found[1].decode(), found[2].decode())
                    at = found.end()
                    continue
                if len(data) - at < 16:
                    self.rest = data[at:]
                    return
            elif byte == 0x0d:
                self.column = 0
            elif byte == 0x0a:
                self.row = min(self.row + 1, ROWS - 1)
            elif byte == 0x08:
                self.column = max(self.column - 1, 0)
            elif byte >= 0x20:
                self.put(chr(byte) if byte < 0x80 else FRAME.get(byte, "?"))
            at += 1

    def put(self, character):
        if self.column < COLUMNS:
            self.text[self.row][self.column] = character
            self.inverse[self.row][self.column] = self.inverse_on
            self.column += 1

    def control(self, parameters, final):
        numbers = [int(number) if number.isdigit() else 0 for number in parameters.split(";")]
        if final == "H":
            numbers = (numbers + [1])[:2]
            self.row, self.column = min(max(numbers[0], 1), ROWS) - 1, min(max(numbers[1], 1), COLUMNS) - 1
        elif final == "J":
            self.clear()
        elif final == "m":
            for number in numbers:
                if number in (7, 47):
                    self.inverse_on = True
                elif number == 0 or 40 <= number < 47:
                    self.inverse_on = False

    def lines(self):
        return ["".join(row).rstrip() for row in self.text]

    def shows(self):
        return "\n".join(self.lines())

    def highlighted(self):
        """The inverse text of the first line that has any."""
        for text, inverse in zip(self.text, self.inverse):
            if sum(inverse) > 1:
                return "".join(character for character, on in zip(text, inverse) if on).strip()
        return ""


class Console:
    """A running machine. boot: QEMU's arguments of what boots; more: further ones."""

    def __init__(self, work, boot, uefi=False, cpus=1, memory=256, more=(), disks=()):
        options = types.SimpleNamespace(kvm=False, machine="pc", cpu="max", cpus=cpus, mem=memory, display=False, icount=None, gdb=False,
                                        uefi=uefi, block=[blocks.Block(disk) for disk in disks], qemu=list(more))
        self.work, self.uefi = work, uefi
        self.monitor_path = os.path.join(work, "monitor")
        pathlib.Path(self.monitor_path).unlink(missing_ok=True)
        self.messages = open(os.path.join(work, "qemu-messages"), "w+b")
        line = machine.arguments(options, work) + ["-qmp", f"unix:{self.monitor_path},server=on,wait=off"] + boot
        self.machine = machine.Machine(line, self.messages)
        self.terminal, self.log, self.shown, self.monitor, self.ended = Terminal(), "", "", None, False
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.machine.com1, selectors.EVENT_READ, self.received)
        self.selector.register(self.machine.com2, selectors.EVENT_READ, self.logged)

    def __enter__(self):
        """SIGTERM ends the test as an exception does, so that QEMU does not outlive it."""
        self.handler = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        return self

    def __exit__(self, *_):
        if self.monitor:
            self.monitor.close()
        self.machine.stop()
        signal.signal(signal.SIGTERM, self.handler)
        self.messages.close()

    def received(self, data):
        self.shown += data.decode(errors="replace")
        self.terminal.feed(data)

    def logged(self, data):
        self.log += data.decode(errors="replace")

    def pump(self, seconds):
        for key, _ in self.selector.select(seconds):
            data = key.fileobj.recv(65536)
            if data:
                key.data(data)
            else:
                self.selector.unregister(key.fileobj)
                self.ended = True

    def wait(self, what, good, seconds=180):
        """Until GOOD() holds; what it saw instead is the error."""
        end = time.monotonic() + seconds * SCALE
        while not good():
            if self.ended or time.monotonic() > end:
                shown = "\n".join(line for line in self.terminal.lines() if line)
                raise RuntimeError(f"{what}: {'the machine ended' if self.ended else 'not in time'}; the terminal: {shown!r}, "
                                   f"the log: {self.log[-400:]!r}")
            self.pump(0.2)

    def wait_text(self, pattern, seconds=180):
        self.wait(f"the terminal shows {pattern!r}", lambda: re.search(pattern, self.terminal.shows(), re.M), seconds)

    def wait_log(self, pattern, seconds=180):
        self.wait(f"the log says {pattern!r}", lambda: re.search(pattern, self.log, re.M), seconds)

    def wait_chosen(self, name, seconds=180):
        self.wait(f"{name!r} is highlighted", lambda: self.terminal.highlighted().lstrip("*").startswith(name), seconds)

    def wait_end(self, seconds=180):
        end = time.monotonic() + seconds * SCALE
        while not self.ended:
            if time.monotonic() > end:
                raise RuntimeError(f"the machine does not end: {self.terminal.shows().split()!r}")
            self.pump(0.2)

    def send(self, data):
        """Bytes on COM1, as fast as the machine takes them."""
        end = time.monotonic() + 120 * SCALE
        while data:
            try:
                data = data[self.machine.com1.send(data):]
            except BlockingIOError:
                self.pump(0.05)
            if self.ended or time.monotonic() > end:
                raise RuntimeError("the machine takes no keys")

    def key(self, name):
        self.send(b"\x1b@" if name == "f12" and self.uefi else KEYS[name])  # UEFI's terminals: UEFI 2.10, appendix B

    def press_until(self, name, chosen):
        """Types a key again and again, until that line is highlighted: of what follows garbage, the first keys may be its end."""
        for _ in range(100):
            before = self.terminal.highlighted()
            self.key(name)
            for _ in range(10):
                if self.terminal.highlighted().lstrip("*").startswith(chosen):
                    return
                if self.terminal.highlighted() not in (before, ""):
                    break
                self.pump(0.05 * SCALE)
        raise RuntimeError(f"{chosen!r} is not highlighted: {self.terminal.shows()!r}")

    def command(self, name, **arguments):
        if not self.monitor:
            end = time.monotonic() + 60 * SCALE
            self.monitor = socket.socket(socket.AF_UNIX)
            while True:  # there is a moment between the socket's name and its listening
                try:
                    self.monitor.connect(self.monitor_path)
                    break
                except OSError:
                    if self.ended or time.monotonic() > end:
                        raise
                    self.pump(0.05)
            self.answers = self.monitor.makefile("rb")
            self.answers.readline()
            self.command("qmp_capabilities")
        self.monitor.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.answers.readline())
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def press(self, name):
        """On QEMU's own keyboard: PS/2, or USB where there is one."""
        code = {"enter": "ret"}.get(name, name)
        self.command("send-key", keys=[{"type": "qcode", "data": code}])

    def picture(self):
        """(width, height, bytes of three a pixel). The machine stands still meanwhile: QEMU may lose a pixel for ever that a processor
        writes just when the picture is taken."""
        path = os.path.join(self.work, "picture")
        self.command("stop")
        self.command("screendump", filename=path)
        self.command("cont")
        data = pathlib.Path(path).read_bytes()
        header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
        return int(header[1]), int(header[2]), data[header.end():]


def differs(terminal, picture, cell):
    """None where PICTURE shows TERMINAL's text in cells of that size: the same character has the same picture everywhere, other
    characters others, and inverse ones the opposite. Else what does not fit. Where the text's places begin is found out."""
    width, height, pixels = picture
    wide, high = cell
    lit = bytes(1 if sum(pixels[at:at + 3]) > 300 else 0 for at in range(0, width * height * 3, 3))
    used = [(row, column) for row in range(ROWS) for column in range(COLUMNS)
            if terminal.text[row][column] != " " or terminal.inverse[row][column]]
    if not used:
        return "the terminal is empty"
    marked = [(row, column) for row, column in used if terminal.inverse[row][column]]
    top, left = marked[0] if marked else used[0]
    best = "nothing on the screen fits"
    for y, x in places(lit, width, height, wide, high, sum(1 for row, _ in marked if row == top)):
        y0, x0 = y - top * high, x - left * wide
        why = compare(terminal, used, lit, (width, height), cell, (x0, y0))
        if not why:
            return None
        best = why
    return best


def places(lit, width, height, wide, high, count):
    """Where a highlighted line of COUNT cells could begin: lit in every first and last row of pixels of its cells."""
    run = b"\1" * (count * wide)
    for y in range(height - high):
        row = lit[y * width:(y + 1) * width]
        at = row.find(run)
        if at >= 0 and not (y and lit[(y - 1) * width + at:(y - 1) * width + at + len(run)] == run):
            yield y, at


def compare(terminal, used, lit, size, cell, origin):
    width, height = size
    wide, high = cell
    x0, y0 = origin
    seen, owner = {}, {}
    for row, column in used:
        x, y = x0 + column * wide, y0 + row * high
        if x < 0 or y < 0 or x + wide > width or y + high > height:
            return f"row {row}, column {column} is outside"
        glyph = b"".join(lit[(y + line) * width + x:(y + line) * width + x + wide] for line in range(high))
        if terminal.inverse[row][column]:
            glyph = bytes(1 - bit for bit in glyph)
        character = terminal.text[row][column]
        if character in "|+-^v":
            continue  # frames and arrows are these on the serial line
        if seen.setdefault(character, glyph) != glyph:
            return f"row {row}, column {column}: {character!r} looks different from the others"
        if owner.setdefault(glyph, character) != character:
            return f"row {row}, column {column}: {character!r} looks like {owner[glyph]!r}"
    return None if len(seen) > 20 else "there are too few characters to tell"
