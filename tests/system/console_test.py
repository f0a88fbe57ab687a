#!/usr/bin/env python3
"""The serial console as a person uses it: holon-run on a pseudo-terminal, one boot, keys in, screen text out. Editing lines,
Ctrl-C, Ctrl-Z and fg, Ctrl-D, window size, pasting; the same in a sub-kernel's shell. Arguments go to holon-run: with
--linux the same keys are tried on Debian's kernel."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

from system_test import RUN

PATIENCE = 60 * float(os.environ.get("HOLON_TIME_SCALE", "1"))  # seconds for each answer, and for the boot
PROMPT = r"/ # $"


class Terminal:
    def __init__(self):
        self.process, self.own = pty.fork()
        if self.process == 0:
            os.environ["TERM"] = "vt100"
            os.execv(RUN[0], RUN + ["--timeout", "300"] + sys.argv[1:])
        self.resize(91, 33)
        self.seen = ""  # since the last match
        self.failed = 0

    def resize(self, columns, rows):
        fcntl.ioctl(self.own, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys):
        os.write(self.own, keys.encode())

    def expect(self, pattern, patience=PATIENCE):
        """Reads until PATTERN is there; what came before it is dropped. False when it does not come."""
        end = time.monotonic() + patience
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return True
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.own], [], [], left)[0]:
                return False
            try:
                data = os.read(self.own, 4096)
            except OSError:  # the other side is closed
                return False
            # The shell asks where the cursor is, and erases what is behind it: a matter of screens.
            self.seen = re.sub(r"\x1b\[(6n|J)", "", self.seen + data.decode(errors="replace"))

    def check(self, name, *steps):
        """STEPS: a text is typed, a tuple of one pattern is waited for. Ends at a prompt."""
        self.seen = ""
        good = True
        for step in steps:
            if isinstance(step, str):
                self.send(step)
            elif good:
                good = self.expect(step[0])
                if not good:
                    self.fail(name, f"no {step[0]!r} in {self.seen[-300:]!r}")
        if good and not self.expect(PROMPT):
            good = False
            self.fail(name, f"no prompt after it, but {self.seen[-300:]!r}")
        if good:
            print(f"ok console: {name}", flush=True)
        return good

    def fail(self, name, why):
        self.failed += 1
        self.send("\x03\x1c")
        print(f"not ok console: {name} - {why}", flush=True)

    def end(self):
        """The exit status, within PATIENCE."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if select.select([self.own], [], [], 0.2)[0]:
                try:
                    os.read(self.own, 4096)
                except OSError:
                    pass
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.process, signal.SIGTERM)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


def start(number, program="sleep 1000"):
    """Types a command that prints go and NUMBER and becomes PROGRAM: so it is in the foreground, and the line its own, before
    the next key."""
    return f"sh -c 'echo go$(({number - 1}+1)); exec {program}'\r"


# What is expected never stands in what is typed, so that the echo is not taken for it.
def shell(t, where):
    """A shell that is at its prompt."""
    t.check(f"{where}: backspace", "echo wro\x7f\x7f\x7fri\x7fight$((1+1))\r", (r"\nright2\r",))
    t.check(f"{where}: cursor keys and insertion", "echo acd$((1+1))" + 10 * "\x1b[D" + "b\r", (r"\nabcd2\r",))
    t.check(f"{where}: deleting the line and the word", "false nonsense\x15echo a$((2+1)) bad\x17b\r", (r"\na3 b\r",))
    t.check(f"{where}: history", "\x1b[A\r", (r"\na3 b\r",))
    t.check(f"{where}: completion", "echo /etc/pas\t$((3+1))\r", (r"\n/etc/passwd",))
    t.check(f"{where}: Ctrl-C at the prompt drops the line", "echo not this\x03")
    t.check(f"{where}: Ctrl-C ends a program", start(5), (r"\ngo5\r",), "\x03",
            (PROMPT,), "echo status $?\r", (r"\nstatus 130\r",))
    t.check(f"{where}: Ctrl-C ends a whole pipeline", "(echo go$((5+1)) >&2; cat) | cat\r", (r"\ngo6\r",), "\x03")
    t.check(f"{where}: Ctrl-\\ too", start(7), (r"\ngo7\r",), "\x1c", (PROMPT,),
            "echo status $?\r", (r"\nstatus 131\r",))
    t.check(f"{where}: Ctrl-Z stops, fg goes on, Ctrl-C ends", start(8), (r"\ngo8\r",), "\x1a",
            (r"Stopped",), (PROMPT,), "jobs\r", (r"\[1\].*Stopped",), (PROMPT,), "fg\r", (r"fg\r\nsh -c [^\n]*\n",), "\x03", (PROMPT,),
            "jobs; echo none$((1+1))\r", (r"jobs; [^\n]*\r\nnone2\r",))
    t.check(f"{where}: bg and kill", start(9), (r"\ngo9\r",), "\x1a", (r"Stopped",), (PROMPT,),
            "bg; kill %1; wait; echo status$((2+1))\r", (r"\nstatus3\r",))
    t.check(f"{where}: cat takes edited lines until Ctrl-D", start(10, "cat"), (r"\ngo10\r\n",), "onx\x7fe\r",
            (r"^onx\x08 \x08e\r\none\r\n",), "\x04")
    t.check(f"{where}: Ctrl-D behind a text passes it on", start(11, "head -c 4"), (r"\ngo11\r\n",), "tw\x04oX\x04", (r"twoX",))
    t.check(f"{where}: a reader in the background is stopped",
            "cat & while ! grep -q 'State:.T' /proc/$!/status; do sleep 0.1; done; jobs\r",
            (r"Stopped \(tty input\)",), (PROMPT,),
            "kill -9 %1; wait; echo gone$((1+1))\r", (r"\ngone2\r",))
    t.check(f"{where}: no echo on demand", "stty -echo; echo go$((11+1)); read word; stty echo; echo got $word\r", (r"\ngo12\r\n",), "secret\r",
            (r"^got secret\r",))
    t.resize(120, 40)
    t.check(f"{where}: a new window size", "stty size\r", (r"\n40 120\r",))
    t.resize(91, 33)
    lines = "".join(f"line {i} of many that are pasted at once\r" for i in range(200))
    t.check(f"{where}: pasting", start(13, "cat > /tmp/pasted"), (r"\ngo13\r\n",), lines + "\x04", (PROMPT,),
            "wc -l < /tmp/pasted; tail -n 1 /tmp/pasted | wc -c\r", (r"\n200\r\n41\r",))


def main():
    t = Terminal()
    if t.check("a prompt"):
        t.check("the window's size", "stty size\r", (r"\n33 91\r",))
        shell(t, "shell")
        if "--linux" not in sys.argv and t.check("a sub-kernel's shell", "subkernel run -n lab -m 64M\r"):
            shell(t, "sub-kernel")
            t.check("leaving it", "exit 3\r", (PROMPT,), "echo status $?\r", (r"\nstatus 3\r",))
        t.check("the terminal is as before", "echo wro\x7f\x7f\x7fright$((1+1))\r", (r"\nright2\r",))
    t.send("exit 5\r")
    status = t.end()
    if status == 5:
        print("ok console: the shell's exit status ends the machine")
    else:
        t.fail("the shell's exit status ends the machine", f"status {status}")
    sys.exit(t.failed != 0)


if __name__ == "__main__":
    main()
