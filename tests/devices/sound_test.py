#!/usr/bin/env python3
"""Sound as Debian's programs play it, on QEMU's cards, heard in the file that --sound records: sample by sample at the card's rate, by level and frequency at others; two sub-kernels at once; drivers and
the mixer that die under it; a machine of 2008; and what is captured.

    sound_test.py [WORD...]     only the parts whose name contains a WORD
"""
import base64
import cmath
import math
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RATE, WINDOW = 48000, 4800
DROPPED = "hda_audio_overrun"  # QEMU's trace event: its HDA card had 42 ms that the file was not ready for, and dropped them
bad = []


def report(name, right, why=""):
    if not right:
        bad.append(name)
    print(f"ok sound: {name}" if right else f"not ok sound: {name} - {str(why)[-1500:]!r}", flush=True)


def wave(path, rate, channels, frames, kind=(1, "h")):
    """A WAV file. kind: its format code and the letter of a sample."""
    data = b"".join(struct.pack(f"<{channels}{kind[1]}", *frame) for frame in frames)
    each = channels * struct.calcsize(kind[1])
    path.write_bytes(struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, kind[0], channels, rate, rate * each, each,
                                 8 * each // channels, b"data", len(data)) + data)


def sine(frequency, rate, seconds, level):
    return [level * math.sin(2 * math.pi * frequency * i / rate) for i in range(int(rate * seconds))]


def exact():
    """Frames of which none is silence, so that silence between them can be left out."""
    return [(1 + i % 32000, -1 - i * 7 % 31000) for i in range(RATE)]


def make_files(work):
    wave(work / "exact.wav", RATE, 2, exact())
    wave(work / "mono44.wav", 44100, 1, [(round(s),) for s in sine(1000, 44100, 2, 12000)])
    wave(work / "float22.wav", 22050, 2, [(s, s) for s in sine(2000, 22050, 1.5, 0.25)], (3, "f"))
    wave(work / "low.wav", RATE, 1, [(round(s),) for s in sine(700, RATE, 3, 8000)])
    wave(work / "high.wav", RATE, 2, [(round(s), round(s)) for s in sine(1500, RATE, 3, 8000)])
    wave(work / "long.wav", RATE, 2, [(round(s), round(s)) for s in sine(1000, RATE, 6, 12000)])
    (work / "silent.mp3").write_bytes((b"\xff\xfb\x90\x00" + bytes(413)) * 40)  # MPEG 1 layer III, 128 kbit/s, 44.1 kHz: no sound in any frame


def run_whole(work, command, *options, **more):
    """As run(), and again where QEMU says that it dropped samples, as it does on a host that is late; the fifth run counts in any case."""
    for _ in range(5):
        result = run(work, command, *options, "--qemu=-trace", f"--qemu={DROPPED}", **more)
        if DROPPED not in (work / "errors").read_text(errors="replace"):
            break
        print("sound: QEMU dropped samples that its card had taken: again", flush=True)
    return result


def run(work, command, *options, files=(), sound="heard.wav", machine=("--machine", "pc")):
    """(what was printed, the log, the frames that were heard)"""
    log, errors = work / "log", work / "errors"
    for path in (log, errors):
        path.unlink(missing_ok=True)
    words = [ROOT / "tools/holon-run", "--bundle", ROOT / "build/x86_64/sound.bundle", "--timeout", 240, "--log", log, *machine, *options,
             "--qemu=-d", "--qemu=guest_errors", "--qemu=-D", f"--qemu={errors}"]
    if sound:
        words += ["--sound", work / sound]
    for name in files:
        words += ["--add", f"{work / name}:/{name}"]
    result = subprocess.run([*map(str, words), "--", "sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    said = errors.read_text(errors="replace") if errors.exists() else ""
    said = [line for line in said.splitlines() if not line.startswith(DROPPED) and any(word in line.lower() for word in ("hda", "ac97", "audio"))]
    report("QEMU saw no guest error", not said, said)
    frames = []
    if sound:
        content = (work / sound.split(",")[0]).read_bytes()
        size = struct.unpack_from("<I", content, 40)[0]
        report("the file says how long it is", size == len(content) - 44 and size % 4 == 0, (size, len(content)))
        frames = list(struct.iter_unpack("<hh", content[44:44 + size]))
    return result.stdout + result.stderr, log.read_text(errors="replace") if log.exists() else "", frames


def levels(frames, frequency, side=0):
    """How loud FREQUENCY is, in windows of a tenth of a second."""
    turn = [cmath.exp(-2j * math.pi * frequency * i / RATE) for i in range(WINDOW)]
    return [2 / WINDOW * abs(sum(frames[at + i][side] * turn[i] for i in range(WINDOW))) for at in range(0, len(frames) - WINDOW + 1, WINDOW)]


def loud(frames, frequency, side=0):
    """(the level where FREQUENCY is heard, in how many windows)"""
    found = levels(frames, frequency, side)
    heard = [level for level in found if level > max(found, default=0) / 2 and level > 200]
    return (statistics.median(heard), len(heard)) if heard else (0, 0)


def same(frames):
    """Whether the exact file was heard, whole and in order, with nothing but silence between."""
    wanted, heard = exact(), [frame for frame in frames if frame != (0, 0)]
    return heard[:len(wanted)] == wanted


def near(value, wanted, part=0.03):
    return abs(value - wanted) <= part * wanted


def formats(work):
    said, _, frames = run_whole(work, "aplay -q -D hw:0,0 /exact.wav && aplay -q /mono44.wav && aplay -q /float22.wav && mpg123 -q -o alsa /silent.mp3 && echo all played",
                                files=("exact.wav", "mono44.wav", "float22.wav", "silent.mp3"))
    report("aplay and mpg123 play", "all played" in said, said)
    report("samples at the card's rate are heard unchanged, in their order", same(frames), frames[:20])
    rest = frames[RATE + WINDOW:]
    for side in (0, 1):
        level, count = loud(rest, 1000, side)
        report(f"44.1 kHz, one channel, is heard as loud as it is, side {side}", near(level, 12000) and 16 <= count <= 25, (level, count))
        level, count = loud(rest, 2000, side)
        report(f"22.05 kHz of real numbers, side {side}", near(level, 8192) and 11 <= count <= 20, (level, count))


def together(work):
    command = """subkernel run -m 24M -- sh -c 'ls /dev/snd 2>&1; subkernel run --sound -m 12M -- true; echo "given on: $?"'
        subkernel run -m 64M --sound -- sh -c 'amixer -q sset PCM 50% && aplay -q -' < /low.wav & child=$!
        aplay -q /high.wav; echo own $?; wait $child; echo child $?; amixer sget PCM
        (pcm=/dev/snd/pcmC0D0p; exec 3>$pcm 4>$pcm 5>$pcm 6>$pcm; for i in $(seq 200); do exec 3>&-; exec 3>$pcm; done; echo opened again)
        (pcm=/dev/snd/pcmC0D0p; exec 3>$pcm 4>$pcm 5>$pcm 6>$pcm 7>$pcm; echo a fifth)"""
    said, _, frames = run(work, command, "--cpus", "2", files=("low.wav", "high.wav"))
    report("a sub-kernel without the right has no sound, and cannot give it on", "No such file" in said and "given on: 0" not in said, said)
    report("two sub-kernels play", "own 0" in said and "child 0" in said, said)
    both = [(low, high) for low, high in zip(levels(frames, 700), levels(frames, 1500)) if low > 2000 and high > 2000]
    report("both are heard at once", len(both) >= 5, [len(both), loud(frames, 700), loud(frames, 1500)])
    report("each as loud as it is to be", near(loud(frames, 700)[0], 4000, 0.06) and near(loud(frames, 1500)[0], 8000, 0.06), (loud(frames, 700), loud(frames, 1500)))
    report("one's volume is not the other's", "[100%]" in said, said)
    report("four files are open at once, and a closed one makes room at once", "opened again" in said and "a fifth" not in said, said)


def killed(work, name, option, least):
    said, log, frames = run(work, "aplay -q /long.wav; echo ended $?", "--cmdline", option, files=("long.wav",))
    deaths = log.count("is killed, as the boot option says") + log.count(f"steward: {name} is killed")
    report(f"{name}'s deaths: the program plays to its end", "ended 0" in said and deaths >= 2, (deaths, said, log))
    level, count = loud(frames, 1000)
    report(f"{name}'s deaths: what is between them is heard", count >= least and near(level, 12000, 0.1), (level, count, deaths))


def driver_dies(work):
    killed(work, "hda", "kill-driver=hda,1500", 30)


def mixer_dies(work):
    killed(work, "mixer", "kill=mixer,2000", 20)


def never_there(work):
    said, log, _ = run(work, "aplay -q /long.wav; echo ended $?", "--cmdline", "kill-driver=hda,60", files=("long.wav",))
    report("with a driver that never lives long the program plays to its end", "ended 0" in said and log.count("is killed") > 20, said)


def machines(work):
    for name, machine in (("a machine of 2008", ("--machine", "pc", "--cpu", "core2duo", "--mem", "512")),
                          ("q35, an IOMMU, 4 processors", ("--machine", "q35", "--iommu", "on", "--cpus", "4"))):
        said, log, frames = run_whole(work, "aplay -q -D hw:0,0 /exact.wav; echo ended $?", files=("exact.wav",), machine=machine)
        report(f"{name}: unchanged", "ended 0" in said and same(frames), (said, log, frames[:10]))


def ac97(work):
    said, log, frames = run(work, "aplay -q -D hw:0,0 /exact.wav; echo ended $?", files=("exact.wav",), sound="heard.wav,card=ac97")
    report("AC '97: unchanged", "ended 0" in said and same(frames), (said, log, frames[:20]))


def capture(work):
    """What comes in is a file's frames: QEMU's sound by SDL, whose driver "disk" reads them."""
    wanted = exact()
    (work / "comes-in").write_bytes(b"".join(struct.pack("<hh", *frame) for frame in wanted * 10))
    os.environ.update(SDL_AUDIODRIVER="disk", SDL_DISKAUDIOFILEIN=str(work / "comes-in"), SDL_DISKAUDIOFILE="/dev/null")
    # What is played being muted is nothing to what is captured.
    command = ("amixer -q sset PCM 50% mute && arecord -q -d 1 -f S16_LE -r 48000 -c 2 -t raw /a && arecord -q -d 1 -f S32_LE -r 16000 -c 1 -t raw /b && stat -c %s /a /b && base64 /a")
    for name, card in (("HDA", ("intel-hda", "hda-duplex,audiodev=in")), ("AC '97", ("AC97,audiodev=in",))):
        devices = [word for device in card for word in ("--qemu=-device", f"--qemu={device}")]
        said, log, _ = run(work, command, "--qemu=-audiodev", "--qemu=sdl,id=in,in.frequency=48000,in.channels=2,in.format=s16", *devices, sound=None)
        report(f"{name} captures for as long as is asked", said.startswith("192000\n64000\n"), (said[:500], log))
        frames = struct.iter_unpack("<hh", base64.b64decode(said.split("\n", 2)[-1] + "===")[:192000]) if said.startswith("192000") else []
        heard = [frame for frame in frames if frame != (0, 0)]
        first = wanted.index(heard[0]) if heard and heard[0] in wanted else 0
        report(f"{name} captures what comes in, unchanged", len(heard) > 24000 and heard == (wanted * 3)[first:first + len(heard)], (heard[:20], log))


def main():
    parts = (formats, together, driver_dies, mixer_dies, never_there, machines, ac97, capture)
    with tempfile.TemporaryDirectory(prefix="sound-test-") as name:
        work = pathlib.Path(name)
        make_files(work)
        for part in parts:
            if not sys.argv[1:] or any(word in part.__name__ for word in sys.argv[1:]):
                part(work)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    main()
