"""The sound card of the QEMU machine: --sound of holon-run (docs/holon-run.md)."""
import os
import struct

RATE, CHANNELS, BYTES = 48000, 2, 2  # of the file: what the card is told to play is in it sample by sample
HEADER = 44
CARDS = {"hda": ["-device", "intel-hda,id=sound-card", "-device", "hda-output,bus=sound-card.0,audiodev=sound"],
         "ac97": ["-device", "AC97,audiodev=sound"]}


class Sound:
    """FILE.wav[,card=hda|ac97]: what the machine plays is written to the file."""

    def __init__(self, text):
        self.path, *options = text.split(",")
        self.card = "hda"
        for option in options:
            name, _, value = option.partition("=")
            if name != "card" or value not in CARDS:
                raise ValueError(f"'{option}' is not card=" + "|".join(CARDS))
            self.card = value
        if not self.path or not os.path.isdir(os.path.dirname(self.path) or "."):
            raise ValueError(f"'{text}' names no file in a directory that is there")
        with open(self.path, "wb") as out:  # nothing of a run before is in it, also where the machine plays nothing
            out.write(header(0))


def header(size):
    """A WAV file's, for SIZE bytes of samples."""
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", HEADER - 8 + size, b"WAVE", b"fmt ", 16, 1, CHANNELS, RATE, RATE * CHANNELS * BYTES,
                       CHANNELS * BYTES, 8 * BYTES, b"data", size)


def arguments(sound):
    """QEMU's arguments for the card, and what records it."""
    if not sound:
        return []
    path = sound.path.replace(",", ",,")
    return ["-audiodev", f"wav,id=sound,path={path},out.frequency={RATE},out.channels={CHANNELS},out.format=s16"] + CARDS[sound.card]


def finish(sound):
    """The file's header says how long it is: QEMU writes that at an end in order, and not when it is ended by force."""
    with open(sound.path, "r+b") as out:
        size = max(os.path.getsize(sound.path) - HEADER, 0) // (CHANNELS * BYTES) * (CHANNELS * BYTES)
        out.write(header(size))
        out.truncate(HEADER + size)
