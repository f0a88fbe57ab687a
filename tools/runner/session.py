"""One run of a machine: moves bytes between its serial ports and the caller, until it ends (abi/holon/command.h).

COM1 carries the command's bytes, COM2 the system's log and the control lines.
"""
import errno
import os
import re
import selectors
import signal
import sys
import termios
import time
import tty

from . import script

READY_LINE = re.compile(rb"^(?:console: )?holon-run: ready\s*$")
EXIT_LINE = re.compile(rb"^holon-run: exit (\d{1,3})\s*$")
CONSOLE_MARK = b"\x1b]holon-run;start\x07"  # the UEFI loader's: what firmware wrote to COM1 ends here
LOG_KEPT = 256 << 10
PENDING_MAX = 64 << 10
LAST_WORDS = 15  # seconds a machine may take to power off after it reported the status
ESCAPE = 1  # Ctrl-A


class Session:
    """status after run(): an exit status, or None with `why` saying what went wrong; `timed_out`."""

    def __init__(self, machine, terminal, send_input, deadline, log, skip_to_mark, steps=None):
        self.machine, self.terminal, self.deadline, self.log = machine, terminal, deadline, log
        self.send_input = send_input
        self.skipping = b"" if skip_to_mark else None
        self.status, self.why, self.timed_out = None, None, False
        self.ready = False
        self.kept, self.line = bytearray(), b""
        self.pending, self.sent, self.ended = bytearray(), 0, not send_input
        self.commands = bytearray()
        self.script = script.Script(steps) if steps else None
        self.escaped = False
        self.selector = selectors.DefaultSelector()

    def run(self):
        saved = termios.tcgetattr(0) if self.terminal else None
        previous = None
        try:
            if self.terminal:
                tty.setraw(0)
                previous = signal.signal(signal.SIGWINCH, lambda *_: self.send_size())
            self.loop()
        finally:
            if saved:
                termios.tcsetattr(0, termios.TCSADRAIN, saved)
                signal.signal(signal.SIGWINCH, previous)
            self.machine.stop()
        if self.script and not self.timed_out and self.script.waits_for():
            self.status, self.why = None, f"the machine ended before it showed {self.script.waits_for()}"
        if self.status is None and self.why is None:
            self.why = "the machine ended without reporting a status"

    def loop(self):
        open_ports = 2
        last_words = None
        self.selector.register(self.machine.com1, selectors.EVENT_READ, self.com1_event)
        self.selector.register(self.machine.com2, selectors.EVENT_READ, self.com2_event)
        while open_ports and self.why is None:
            if self.status is not None and last_words is None:
                last_words = time.monotonic() + LAST_WORDS
            limits = [limit for limit in (self.deadline, last_words) if limit is not None]
            wait = min(limits) - time.monotonic() if limits else None
            if wait is not None and wait <= 0:
                if self.status is None:
                    self.timed_out, self.why = True, "it took too long"
                    if self.script and self.script.waits_for():
                        self.why += f": it did not show {self.script.waits_for()}"
                return
            if self.script:
                self.pending += self.script.input(self.ready)
                if self.script.over():
                    self.status = 0
                    return
            self.update_interest()
            for key, events in self.selector.select(wait):
                if key.data(events) is False:
                    self.selector.unregister(key.fileobj)
                    open_ports -= 1

    def update_interest(self):
        read, write = selectors.EVENT_READ, selectors.EVENT_WRITE
        reading = 0 in self.selector.get_map()
        want_input = not self.ended and self.ready and len(self.pending) < PENDING_MAX
        if want_input and not reading:
            try:
                self.selector.register(0, read, self.input_event)
            except PermissionError:  # a regular file is always ready: read it right away
                self.input_event(read)
        elif reading and not want_input:
            self.selector.unregister(0)
        for port, send, waiting in ((self.machine.com1, self.com1_send, (self.ready or self.script) and self.pending),
                                    (self.machine.com2, self.com2_send, self.ready and self.commands)):
            writing = port.output in self.selector.get_map()
            if waiting and not writing:
                self.selector.register(port.output, write, send)
            elif writing and not waiting:
                self.selector.unregister(port.output)

    def input_event(self, _events):
        data = os.read(0, 16384)
        if not data:
            self.ended = True
            if not self.terminal:
                self.commands += b"eof %d\n" % (self.sent + len(self.pending))
        elif self.terminal:
            self.pending += self.filter_escape(data)
        else:
            self.pending += data
        return True

    def filter_escape(self, data):
        """Ctrl-A x ends the run, Ctrl-A Ctrl-A is one Ctrl-A."""
        out = bytearray()
        for byte in data:
            if self.escaped:
                self.escaped = False
                if byte in b"xX":
                    self.status, self.why = 0, "ended from the keyboard"
                    return bytes(out)
                out.append(byte)
            elif byte == ESCAPE:
                self.escaped = True
            else:
                out.append(byte)
        return bytes(out)

    def send_size(self):
        size = os.get_terminal_size(0)
        self.commands += b"size %dx%d\n" % (size.columns, size.lines)

    @staticmethod
    def receive(port):
        try:
            return port.recv(65536)
        except BlockingIOError:
            return None

    @staticmethod
    def transmit(port, data):
        try:
            return port.send(data)
        except BlockingIOError:
            return 0

    def com1_send(self, _events):
        count = self.transmit(self.machine.com1, self.pending)
        self.sent += count
        del self.pending[:count]

    def com1_event(self, _events):
        data = self.receive(self.machine.com1)
        if data is None:
            return True
        if self.skipping is not None and data:
            self.skipping += data
            _, mark, data = self.skipping.partition(CONSOLE_MARK)
            if not mark:
                self.skipping = self.skipping[-len(CONSOLE_MARK):]
                return True
            self.skipping = None
            if not data:
                return True
        if self.script:
            self.script.shown(data)
        self.write_out(data)
        return bool(data)

    def write_out(self, data):
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(1, view):]
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                self.status, self.why = 128 + signal.SIGPIPE, "nobody reads the output any more"
                return

    def com2_send(self, _events):
        del self.commands[:self.transmit(self.machine.com2, self.commands)]

    def com2_event(self, _events):
        data = self.receive(self.machine.com2)
        if data is None:
            return True
        if self.log:
            self.log.write(data)
            self.log.flush()
        self.kept += data
        del self.kept[:-LOG_KEPT]
        *lines, self.line = (self.line + data).split(b"\n")
        for line in lines:
            self.control_line(line)
        return bool(data)

    def control_line(self, line):
        found = EXIT_LINE.match(line)
        if found and self.status is None:
            self.status = min(int(found.group(1)), 255)
        elif READY_LINE.match(line):
            self.ready = True
        elif line.startswith(b"Holon cannot start: "):
            self.why = line.decode(errors="replace").strip()

    def log_tail(self, lines=25):
        return [line.rstrip("\r") for line in self.kept.decode(errors="replace").split("\n")][-lines:]
