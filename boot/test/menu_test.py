#!/usr/bin/env python3
"""The boot menus on machines, under BIOS and UEFI: Holon's own and the decoy, by the serial line, PS/2 and USB keys, on screens of several
sizes. What is typed is hostile too; what a choice does is seen in what starts. With HOLON_SOAK: every case under both, more garbage, more
screens."""
import os
import pathlib
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from screen import ROOT, SCALE, Console, differs, machine  # noqa: E402

OUT = ROOT / "build" / "x86_64"
TEST_BUNDLE, SYSTEM_BUNDLE = OUT / "boot" / "test.bundle", OUT / "holon.bundle"
KERNEL = OUT / "boot" / "test-kernel.elf"
SOAK = bool(os.environ.get("HOLON_SOAK"))
FIRMWARE = {"BIOS": False, "UEFI": True}
random.seed(10)
CHOICES = ["Standard", "Safe", "Hardened", "Air-gapped", "Verify", "Memory test", "Details", "Restart"]
failures = 0

DECOY = """# a comment
title GNU GRUB  version 2.06
timeout 600
device (hd0) (hd0,gpt1)
entry Other system
  command setparams 'Other system'
  command linux /vmlinuz
  start 0 \\EFI\\BOOT\\BOOTX64.EFI
  fails error: no such device.
menu Advanced options
  entry Recovery
    fails error: nothing to recover.
end
entry Restart
  restart
"""


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)


def case(name, function, *arguments):
    """Runs it in a directory of its own; an exception is its failure."""
    with tempfile.TemporaryDirectory(prefix="holon-menu-test-") as work:
        try:
            why = function(work, *arguments)
        except (RuntimeError, OSError) as error:
            why = str(error)
    report(not why, name, why)


def hosted(work, bundle=TEST_BUNDLE, words="menu=0"):
    """Boots BUNDLE by fw_cfg, with these words of the command line."""
    path = pathlib.Path(work, "cmdline")
    path.write_text(f"log=com2 {words}")
    return machine.medium(machine.LOADER) + machine.fw_cfg({"bundle": bundle, "cmdline": path})


def packed(work, *parts):
    """A bundle of the test kernel and these parts, signed like any."""
    path = pathlib.Path(work, "bundle")
    subprocess.run([ROOT / "tools/mkbundle", path, f"kernel={KERNEL}", f"system={KERNEL}", *parts], check=True)
    return path


def decoy_bundle(work, text=DECOY):
    path = pathlib.Path(work, "decoy")
    path.write_text(text)
    return packed(work, f"decoy={path}")


def started_with(console):
    """The words that the kernel was started with, and its processors."""
    console.wait_log(r"^loader-test: cmdline .*\n")
    console.wait_log(r"^loader-test: processors [0-9a-f]+ .*\n")
    words = re.search(r"^loader-test: cmdline (.*?)\r?$", console.log, re.M)[1].split()
    return words, int(re.search(r"loader-test: processors ([0-9a-f]+)", console.log)[1], 16)


# ---- Holon's own menu ----

def by_itself(work, uefi):
    """Nobody types: it counts down and starts the system as it was signed."""
    with Console(work, hosted(work, words="menu"), uefi, cpus=2) as console:
        words, processors = started_with(console)
        if not all(f"Starting in {second} s" in console.shown for second in (3, 2, 1)):
            return f"it did not count down: {console.shown[-3000:]!r}"
        if processors != 2 or "safe" in words or "airgap" in words:
            return f"it starts with {words} on {processors}"
        return None if "Chosen: Standard" in console.log else "the log does not say what was chosen"


def without_word(work, uefi):
    """A development image without the word shows none."""
    with Console(work, hosted(work, words="")) as console:
        started_with(console)
        return "there is a menu" if "Standard" in console.terminal.shows() or "Chosen" in console.log else None


def garbage(count):
    """Anything but what Enter sends, often what keys' sequences begin with."""
    pieces = [b"\x1b", b"\x1b[", b"\x1bO", b"\x1b[99999999", b"\x1b[24~", b"\x1b[;;;;", b"\xff\xfe\x00", b"\x1b[A", b"\x1b[B", b"\x1b@"]
    out = b""
    while len(out) < count:
        out += random.choice(pieces) if random.random() < 0.4 else bytes([random.randrange(256)])
    return out.replace(b"\r", b"r").replace(b"\n", b"n") + b"xxxx"


def chosen_after_garbage(work, uefi):
    """Garbage of any kind stops the countdown and nothing else; the keys still choose, to the ends of the list and not beyond."""
    with Console(work, hosted(work, words="menu=999"), uefi, cpus=2) as console:
        console.wait_text(r"Starting in \d+ s")
        for _ in range(60 if SOAK else 2):  # in pieces: a firmware keeps some hundred keys, and drops the rest
            console.send(garbage(60))
            console.press_until("down", "Restart")
            console.press_until("up", "Standard")
        if "Starting in" in console.terminal.shows():
            return "it still counts"
        why = details(console)
        if why:
            return why
        console.key("down")
        console.wait_chosen("Safe")
        console.key("enter")
        words, processors = started_with(console)
        return None if words[0] == "safe" and processors == 1 else f"it starts with {words} on {processors}"


def choose(console, name):
    console.wait_text("Arrows choose")
    for following in CHOICES[1:CHOICES.index(name) + 1]:
        console.key("down")
        console.wait_chosen(following)
    console.key("enter")


def words_of(work, uefi, name, wanted):
    with Console(work, hosted(work), uefi) as console:
        choose(console, name)
        words, _ = started_with(console)
        return None if words[:len(wanted)] == wanted else f"it starts with {words}"


def entries(bundle):
    data = bundle.read_bytes()
    count, = struct.unpack_from("<I", data, 12)
    rows = (struct.unpack_from("<32sQQ", data, 32 + 48 * index) for index in range(count))
    return {name.rstrip(b"\0").decode(): data[offset:offset + size] for name, offset, size in rows}


def details(console):
    """What the screen says of each part is that part's digest."""
    choose(console, "Details")
    console.wait_text("any key to go back")
    shown = console.terminal.shows()
    for name, content in entries(TEST_BUNDLE).items():
        digest = subprocess.run([ROOT / "build/host/bin/holon-crypto", "hash", "blake3"], input=content, check=True,
                                capture_output=True).stdout.split()[0].decode()
        if not re.search(rf"^ *{name} +{digest[:40]} ", shown, re.M):
            return f"{name} is {digest}: {shown}"
    console.send(b"x")
    console.wait_text("Arrows choose")
    console.wait_chosen("Standard")
    return None if "DEVELOPMENT" in shown else "the details do not say that the image is one of development"


def verify(work, uefi, damage):
    """All files of the image are read; one that was changed is counted."""
    bundle, wanted = SYSTEM_BUNDLE, r"All \d+ files and the kernel are as they were signed"
    if damage:
        data = bytearray(bundle.read_bytes())
        program = (ROOT / "build/root/minimal/bin/busybox").read_bytes()
        place = bytes(data).find(program[:4096])
        if place < 0:
            return "the program is not in the image"
        data[place + random.randrange(len(program))] ^= 1 << random.randrange(8)
        bundle, wanted = pathlib.Path(work, "changed"), r"\b1 files are damaged"
        bundle.write_bytes(data)
    with Console(work, hosted(work, bundle), uefi, memory=1024) as console:
        choose(console, "Verify")
        console.wait_text("any key to go back", 400)
        return None if re.search(wanted, console.terminal.shows()) else console.terminal.shows()


def memory_test(work, uefi):
    with Console(work, hosted(work), uefi, memory=128 if uefi else 64) as console:
        choose(console, "Memory test")
        console.wait_text(r"(\d+) MiB were tested", 400)
        tested = int(re.search(r"(\d+) MiB were tested", console.terminal.shows())[1])
        console.send(b"x")
        console.wait_end()  # QEMU does not start again
        return None if 8 <= tested <= 128 else f"only {tested} MiB"


# ---- The decoy ----

TYPED = [byte for byte in range(256) if byte not in b"\x03\x18\x1b"]  # the keys that leave the editing screen are not among them


def decoy_screens(work, uefi):
    """Menu, submenu, failing entries, editing and console, none of which says Holon, under garbage; F12 leads to Holon's menu."""
    with Console(work, hosted(work, decoy_bundle(work), ""), uefi) as console:
        console.wait_text(r"executed automatically in \d+s")
        if "Holon" in console.terminal.shows() or "Holon" in console.log:
            return f"it says Holon: {console.terminal.shows()!r} {console.log!r}"
        console.wait_chosen("Other system")
        console.key("down")
        console.wait_chosen("Advanced options")
        if "automatically" in console.terminal.shows():
            return "it still counts"
        console.key("enter")
        console.wait_text("ESC to return")
        console.wait_chosen("Recovery")
        console.key("enter")
        console.wait_text("nothing to recover")
        console.send(b" ")
        console.wait_chosen("Recovery")
        console.key("esc")
        console.wait_chosen("Other system")
        console.key("enter")  # there is no other disk
        console.wait_text(r"error: no such device\.")
        console.send(b" ")
        console.wait_chosen("Other system")
        console.send(b"e")
        console.wait_text("Minimum Emacs-like")
        console.wait_text("setparams 'Other system'")
        console.send(b"quiet ")
        console.wait_text("quiet setparams")
        console.send(bytes(random.choice(TYPED) for _ in range(120)))
        console.key("esc")
        console.wait_text("Use the")
        console.send(b"c")
        console.wait_text("grub>")
        for typed, answer in (("ls", r"\(hd0\) \(hd0,gpt1\)"), ("frobnicate now", "can't find command `frobnicate'"), ("linux", "filename expected"),
                              ("linux /vmlinuz", "file `/vmlinuz' not found"), ("boot", "load the kernel first"), ("echo a  b", "^a  b$")):
            console.send(typed.encode() + b"\r")
            console.wait_text(answer)
        console.send(b"y" * 300 + b"\x7f" * 10 + b"\t\x00\xff" + b"\r")
        console.wait_text("can't find command `y{50}")
        if "Holon" in console.terminal.shows() or "Holon" in console.log:
            return f"it says Holon: {console.log!r}"
        console.key("esc")
        console.wait_text("Use the")
        console.key("f12")
        console.wait_text("Arrows choose")
        console.wait_chosen("Standard")
        console.key("enter")
        words, _ = started_with(console)
        return None if "safe" not in words else f"it starts with {words}"


def decoy_times_out(work, uefi):
    """Nobody types: the first entry is tried, fails as it should, and the menu is there again."""
    with Console(work, hosted(work, decoy_bundle(work, DECOY.replace("timeout 600", "timeout 1")), ""), uefi) as console:
        console.wait_text(r"error: no such device\.")
        console.wait_text("Press any key")
        console.wait_text("Use the")  # by itself
        console.key("f12")
        console.wait_text("Arrows choose")
        return None


def decoy_starts(work, uefi):
    """An entry starts the other disk's system: a boot sector under the BIOS, a program under UEFI."""
    other = pathlib.Path(work, "other.img")
    if uefi:
        other.write_bytes((OUT / "boot" / "loader.iso").read_bytes())
    else:
        # Prints '!' to COM1 for ever: mov dx,3FDh; in al,dx; test al,20h; jz; mov dx,3F8h; mov al,'!'; out dx,al; jmp
        code = bytes.fromhex("bafd03eca82074f8baf803b021eeebf0")
        other.write_bytes((code.ljust(510, b"\0") + b"\x55\xaa").ljust(1 << 20, b"\0"))
    iso = pathlib.Path(work, "decoy.iso")
    make_medium(iso, decoy_bundle(work))
    with Console(work, machine.medium(iso), uefi, disks=[f"{other},as={'usb' if uefi else 'ide'}"]) as console:
        console.wait_chosen("Other system")
        console.key("enter")
        if uefi:  # that program is a loader without a bundle
            console.wait_text("Holon cannot start: .*holds no system")
        else:
            console.wait_text("!!!!")
        return None


def make_medium(path, bundle):
    boot = OUT / "boot"
    subprocess.run([ROOT / "tools/mkiso", "--stage", boot / "stage.bin", "--bios-loader", boot / "bios-loader.bin", "--sector-disk",
                    boot / "sector-disk.bin", "--sector-cd", boot / "sector-cd.bin", "--efi", boot / "signed.efi", "--bundle", bundle, path],
                   check=True)


def decoy_wrong(work, uefi):
    """A configuration that is signed and wrong stops the boot, in words."""
    with Console(work, hosted(work, decoy_bundle(work, "title x\nentry y\n  start 9\n"), ""), uefi) as console:
        console.wait_log("Holon cannot start: the decoy's configuration is wrong in line 3: a disk is a number from 0 to 7")
        return None


def decoy_changed(work, uefi):
    """The decoy is a signed part like any."""
    bundle = decoy_bundle(work)
    data = bundle.read_bytes()
    bundle.write_bytes(data.replace(b"title GNU", b"title NUG"))
    with Console(work, hosted(work, bundle, ""), uefi) as console:
        console.wait_log("Holon cannot start: .*decoy: it is not the one that was signed")
        return "it was shown" if "NUG" in console.terminal.shows() else None


# ---- Screens and keyboards ----

def on_screen(work, uefi, size, keyboard):
    """The picture shows what the serial line does, in the menu and behind a chosen line, by the keys of a keyboard."""
    width, height = size
    card = f"VGA,xres={width},yres={height}" if uefi or size != (800, 600) else "VGA,vgamem_mb=2"
    more = ["-device", card] + (["-device", "qemu-xhci", "-device", "usb-kbd"] if keyboard == "USB" else [])
    with Console(work, hosted(work, decoy_bundle(work), ""), uefi, more=more) as console:
        console.wait_chosen("Other system")
        console.wait_text("automatically")
        console.press("down")
        console.wait_chosen("*Advanced options".lstrip("*"))
        cell = (8, 19) if uefi else (8, 16)
        why = settled(console, size, cell)
        if why:
            return f"the decoy: {why}"
        console.press("f12")
        console.wait_text("Arrows choose")
        console.press("down")
        console.wait_chosen("Safe")
        why = settled(console, size, cell)
        if why:
            return f"Holon's menu: {why}"
        console.press("ret")
        words, _ = started_with(console)
        return None if words[0] == "safe" else f"it starts with {words}"


def settled(console, size, cell):
    """What differs between picture and terminal; the serial line comes a little later than the screen."""
    why = "never looked"
    end = time.monotonic() + 20 * SCALE
    while time.monotonic() < end:
        for _ in range(5):
            console.pump(0.1)
        picture = console.picture()
        why = f"it is {picture[0]}x{picture[1]}" if picture[:2] != size else differs(console.terminal, picture, cell)
        if not why:
            return None
    return why


# ---- What the choices' words do in the system ----

def system(words, command, options=()):
    line = [ROOT / "tools/holon-run", "--cmdline", words, "--timeout", "200", *options, "--", "sh", "-c", command]
    return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace").stdout


def effects():
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\nreached\n"
    with tempfile.NamedTemporaryFile(prefix="holon-menu-test-") as disk, socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server, answer), daemon=True).start()
        disk.truncate(1 << 20)
        devices = ["--net", "user", "--block", disk.name, "--cpus", "2"]
        command = f"ls /dev/block 2>/dev/null | wc -l; grep -c ^processor /proc/cpuinfo; timeout 10 wget -qO- http://10.0.2.2:{server.getsockname()[1]}/ 2>/dev/null"
        for words, wanted, name in (("", ["1", "2", "reached"], "control: disk, processors, network"),
                                    ("safe", ["0", "1"], "safe: no driver, one processor"),
                                    ("airgap", ["1", "2"], "airgap: no network; the disk has its driver, and the processors are there")):
            seen = system(words, command, devices).split()
            report(seen == wanted, name, f"{seen}")


def serve(server, answer):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(1000)
            connection.sendall(answer)


def main():
    both = list(FIRMWARE.items())
    short = {"BIOS": both[:1], "UEFI": both[1:], "both": both, "none": []}  # where a case is run when there is little time
    for name, firmwares, function, *arguments in (
            ("the menu counts down and starts the system as signed", "BIOS", by_itself),
            ("garbage keys do nothing; details name each part's digest; safe", "both", chosen_after_garbage),
            ("hardened", "BIOS", words_of, "Hardened", ["hardened", "wipe=first"]),
            ("air-gapped", "BIOS", words_of, "Air-gapped", ["airgap"]),
            ("a development image without the word shows no menu", "BIOS", without_word),
            ("every file verified", "none", verify, False),
            ("a changed file is found", "UEFI", verify, True),
            ("the memory test ends and the machine restarts", "BIOS", memory_test),
            ("decoy: every screen, by hostile keys, and F12", "BIOS", decoy_screens),
            ("decoy: an entry starts another disk's system", "both", decoy_starts),
            ("decoy: without keys the first entry is tried", "none", decoy_times_out),
            ("decoy: a wrong configuration stops the boot", "BIOS", decoy_wrong),
            ("decoy: a changed configuration stops the boot", "BIOS", decoy_changed)):
        for firmware, uefi in both if SOAK else short[firmwares]:
            case(f"{firmware}: {name}", function, uefi, *arguments)
    screens = [(False, (800, 600), "PS/2"), (True, (1920, 1080), "USB")]
    if SOAK:
        screens += [(False, (1280, 800), "USB"), (True, (800, 600), "PS/2")]
        screens += [(True, size, keyboard) for size in ((1024, 768), (1280, 800)) for keyboard in ("PS/2", "USB")]
    for uefi, size, keyboard in screens:
        case(f"{'UEFI' if uefi else 'BIOS'}: a screen of {size[0]}x{size[1]} and {keyboard} keys", on_screen, uefi, size, keyboard)
    effects()
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
