"""What holon-run's --type and --expect do: steps, one after another, on the machine's terminal."""
import re

ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"e": b"\x1b", b"\\": b"\\"}


CONTROL = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-OQ-Z\\^-~]|\r")
PARTIAL = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)\Z")


class Type:
    """Text to type; \\n, \\r, \\t, \\e, \\\\ and \\xNN stand for what they do in C."""

    def __init__(self, text):
        def character(found):
            if found[1]:
                return bytes([int(found[1], 16)])
            if found[2] not in ESCAPES:
                raise ValueError(f"unknown escape in {text!r}")
            return ESCAPES[found[2]]
        self.bytes = re.sub(rb"\\(?:x([0-9a-fA-F]{2})|(.?))", character, text.encode(), flags=re.S)


class Expect:
    """A regular expression that what the terminal shows, without its control sequences, must match behind the last match."""

    def __init__(self, text):
        self.text = text
        try:
            self.pattern = re.compile(text.encode(), re.M)
        except re.error as error:
            raise ValueError(f"{text!r} is no regular expression: {error}") from None


class Script:
    """The steps' progress. Before the first match, nothing is typed until the system is ready."""

    def __init__(self, steps):
        self.steps, self.seen, self.partial, self.matched = list(steps), b"", b"", False
        self.ends = isinstance(self.steps[-1], Expect)  # with a Type as the last step, the machine runs on to its own end

    def shown(self, data):
        self.seen = CONTROL.sub(b"", self.seen + self.partial + data)
        cut = PARTIAL.search(self.seen)
        self.partial = cut[0] if cut else b""
        self.seen = self.seen[:len(self.seen) - len(self.partial)]
        self.advance()

    def advance(self):
        while self.steps and isinstance(self.steps[0], Expect):
            found = self.steps[0].pattern.search(self.seen)
            if not found:
                return
            self.seen, self.matched = self.seen[found.end():], True
            self.steps.pop(0)

    def input(self, ready):
        """What is to be typed now."""
        out = b""
        while self.steps and isinstance(self.steps[0], Type) and (ready or self.matched):
            out += self.steps.pop(0).bytes
            if self.steps and isinstance(self.steps[0], Expect):
                self.seen = b""
        return out

    def waits_for(self):
        return repr(self.steps[0].text) if self.steps and isinstance(self.steps[0], Expect) else None

    def over(self):
        return self.ends and not self.steps
