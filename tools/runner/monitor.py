"""QEMU's monitor for tests: commands of its machine protocol, and keys."""
import json
import os
import socket
import time

SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
KEYS = {" ": "spc", "\n": "ret", "-": "minus", "/": "slash", ".": "dot", "=": "equal", ";": "semicolon", "'": "apostrophe"}
SHIFTED = {"|": "backslash", "$": "4", "(": "9", ")": "0", "+": "equal", "*": "8", '"': "apostrophe", "&": "7", ">": "dot"}


class Monitor:
    """QEMU's machine protocol."""

    def __init__(self, path, limit):
        self.connection = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.connection.connect(path)
                break
            except OSError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.1)
        self.connection.settimeout(30 * SCALE)
        self.stream = self.connection.makefile("rw")
        self.stream.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            reply = json.loads(self.stream.readline())
            if "event" not in reply:
                return reply

    def event(self, name):
        """The next event NAME; {} where the connection ends without it. It waits as long as that lasts."""
        self.connection.settimeout(None)
        for line in self.stream:
            found = json.loads(line)
            if found.get("event") == name:
                return found
        return {}

    def press(self, *keys):
        self.command("send-key", keys=[{"type": "qcode", "data": key} for key in keys])
        time.sleep(0.13)

    def picture(self, path, **more):
        """The screen's picture in the file PATH. The machine stands still meanwhile: QEMU may lose a pixel for ever that a processor writes
        just when the picture is taken."""
        self.command("stop")
        self.command("screendump", filename=str(path), **more)
        self.command("cont")

    def type(self, text, taken=lambda: None):
        """TAKEN waits, after each key, until the machine has seen it: QEMU's keyboards keep only some that nobody takes."""
        for character in text:
            if character.isupper():
                self.press("shift", character.lower())
            elif character in SHIFTED:
                self.press("shift", SHIFTED[character])
            else:
                self.press(KEYS.get(character, character))
            taken()
