#!/usr/bin/env python3
"""ext4 and FAT at every flush of a disk. QEMU logs all writes and flushes of a disk (blklogwrites, in the form of Linux's dm-log-writes) on which a machine writes files on
both file systems at once. The log is replayed, and at each flush the disk is looked at as if the power had gone: it mounts, holds all that was synced, and
e2fsck and fsck.fat find it whole. The disk itself tells what was synced (replay.sh). With HOLON_SOAK set there are more files, on each kind of disk."""
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

from filesystems_test import MIB, ROOT, SCALE, bad, fsck, host, report

SHELL = ROOT / "build/host/test/filesystem-shell"
SOAK = bool(os.environ.get("HOLON_SOAK"))
MAGIC, FLUSH, FORCE, DISCARD = 0x6A736677736872, 1, 2, 4
EXT4, FAT = (2 * MIB, 16 * MIB), (18 * MIB, 40 * MIB if SOAK else 8 * MIB)  # the marks are before them, at 1 MiB
MARKS, SIZE = MIB, 60 * MIB if SOAK else 28 * MIB
TABLE = f"label: gpt\nstart=2048, size=2048, type=L\nstart=4096, size={EXT4[1] // 512}, type=L\nstart={FAT[0] // 512}, size={FAT[1] // 512}, type=L\n"
DISKS = {"virtio": "virtio-blk-pci,drive=d0,serial=disk"}
if SOAK:
    DISKS |= {"nvme": "nvme,drive=d0,serial=disk", "ahci": "ich9-ahci,id=more -device ide-hd,bus=more.0,drive=d0,serial=disk"}
FILES, LIES = 60 if SOAK else 20, 12  # LIES: flushes


def entries(path):
    """(first byte, contents or None for a flush) of a log. Raises ValueError where it is none."""
    with open(path, "rb") as log:
        magic, version, count, sector = struct.unpack("<QQQI", log.read(28))
        if magic != MAGIC or version != 1 or sector != 512:
            raise ValueError(f"no log that is understood: {magic:x}, version {version}, sectors of {sector}")
        at = sector
        for _ in range(count):
            log.seek(at)
            first, sectors, flags, _ = struct.unpack("<QQQQ", log.read(32))
            at += sector
            if flags & FLUSH:
                yield 0, None
            if flags & DISCARD:
                yield first * sector, bytes(sectors * sector)
            elif sectors:
                log.seek(at)
                data = log.read(sectors * sector)
                if len(data) != sectors * sector:
                    raise ValueError("the log is cut off")
                at += len(data)
                yield first * sector, data
            if flags & FORCE:
                yield 0, None


def number(path):
    """The file's number, where it is whole."""
    lines = path.read_text(errors="replace").splitlines()
    return int(lines[0]) if lines and lines[0].isdigit() and len(set(lines)) == 1 else None, len(lines)


def missing(work, kind, image, last):
    """What is wrong with IMAGE for Holon's own reader, where files up to LAST were synced. The image is changed, as by a mount."""
    names = [f"d/{i}.renamed" if i % 3 == 0 else f"d/{i}" for i in range(1, last + 1)] + ["d/again"] * bool(last)
    for name in names:
        (work / pathlib.Path(name).name).unlink(missing_ok=True)
    text = "".join(f"get\t/{name}\t{work / pathlib.Path(name).name}\n" for name in names)
    said = host(SHELL, kind, image, text=text)
    if said.returncode or said.stdout.split("\n").count("ok") < len(names) + 1:
        return f"the reader says {said.stdout[-300:]} {said.stderr[-500:]}"
    for i, name in enumerate(names, 1):
        found, lines = number(work / pathlib.Path(name).name)
        if name == "d/again":
            if found is None or found < last or lines != 700:
                return f"/{name} has {lines} lines of {found}, and {last} was synced"
        elif (found, lines) != (i, i * 37 % 3000 + 1):
            return f"/{name} has {lines} lines of {found}"
    return None


def broken(kind, image):
    """What the host's own tools find, after their replay."""
    if kind == "ext4":
        host("e2fsck", "-E", "journal_only", "-y", image)
        return fsck(image, True)
    said = host("fsck.fat", "-n", image).stdout  # clusters that nobody has, and the mark of use, are what a crash may leave
    return said if re.search(r"share|loop|Bad|invalid|Duplicate", said) else None


def looked_at(work, disk, part, kind, last, tools):
    image = work / f"{kind}.image"
    start, size = part
    contents = bytes(disk[start:start + size])
    if tools and kind == "ext4":
        image.write_bytes(contents)
        if wrong := broken(kind, image):
            return wrong
    image.write_bytes(contents)
    # FAT is looked at by tools when it was mounted: a file that had two names in the midst of a renaming has one then.
    return missing(work, kind, image, last) or (broken(kind, image) if tools else None)


def marks(disk):
    """The last file that was synced on each."""
    return [int(disk[at:at + 512].split(b" ")[0].rstrip(b"\0") or 0) for at in (MARKS, MARKS + 512)]


def replay(work, name, base, log):
    """Looks at each flush. The whole disk at the end."""
    disk, flushes, looks, dirty = bytearray(base), 0, [0, 0], [True, True]
    wrong = None
    for at, data in entries(log):
        if data is not None:
            disk[at:at + len(data)] = data
            for i, (start, size) in enumerate((EXT4, FAT)):
                dirty[i] |= start <= at < start + size
            dirty = [True, True] if at < EXT4[0] else dirty
            continue
        flushes += 1
        for i, (part, kind) in enumerate(((EXT4, "ext4"), (FAT, "fat"))):
            if dirty[i] and not wrong:
                looks[i] += 1
                last = marks(disk)[i]
                wrong = looked_at(work, disk, part, kind, last, SOAK or looks[i] % 8 == 0)
                wrong = wrong and f"{kind} at flush {flushes}, {last} files synced: {wrong}"
        dirty = [False, False]
    report(f"{name}: at each of {flushes} flushes both mount, and hold what was synced ({looks[0]} of ext4, {looks[1]} of FAT)", not wrong, wrong)
    return disk


def lies_are_found(work, base, log):
    """The check can fail: a disk that has not done its last flushes, but has the marks, is found out, on each file system."""
    found, epochs, epoch = [False, False], [], []
    for at, data in entries(log):
        if data is None:
            epochs.append(epoch)
            epoch = []
        else:
            epoch.append((at, data))
    disk = bytearray(base)
    for number, writes in enumerate(epochs):
        for at, data in epochs[number - LIES] if number >= LIES else []:
            if at >= EXT4[0]:
                disk[at:at + len(data)] = data
        for at, data in writes:
            if at < EXT4[0]:
                disk[at:at + len(data)] = data
        if number > 2 * LIES and number % 5 == 0:
            for i, (part, kind) in enumerate(((EXT4, "ext4"), (FAT, "fat"))):
                found[i] = found[i] or bool(looked_at(work, disk, part, kind, marks(disk)[i], False))
        if all(found):
            return True
    return False


def record(work, device, count):
    """(the disk before, what the machine said): writes it all under QEMU's log."""
    disk, log = work / "disk", work / "log"
    disk.write_bytes(b"")
    os.truncate(disk, SIZE)
    host("sfdisk", "-q", disk, text=TABLE)
    for (start, size), make in ((EXT4, ["mkfs.ext4", "-q", "-F", "-b", "1024"]), (FAT, ["mkfs.fat", "-F", "32" if SOAK else "16", "-s", "1"])):
        part = work / "part"
        part.write_bytes(b"")
        os.truncate(part, size)
        host(*make, part)
        with open(disk, "r+b") as out:
            out.seek(start)
            out.write(part.read_bytes())
    base = disk.read_bytes()
    log.write_bytes(b"")
    drive = f"if=none,id=d0,driver=blklogwrites,file.driver=file,file.filename={disk},log.driver=file,log.filename={log},log-sector-size=512"
    qemu = ["-drive", drive, *f"-device {device}".split()]
    command = [ROOT / "tools/holon-run", "--timeout", int((1800 if SOAK else 200) * SCALE), "--machine", "q35", "--cpus", "2", "--log", work / "serial",
               "--add", f"{ROOT}/tests/devices/replay.sh:/replay.sh", *(f"--qemu={word}" for word in qemu), "--", "sh", "-c", f"COUNT={count}; . /replay.sh"]
    result = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    serial = work / "serial"
    return base, f"{result.stdout} {result.stderr[-300:]} {serial.read_text(errors='replace')[-500:] if serial.exists() else ''}"


def main():
    for name, device in DISKS.items():
        with tempfile.TemporaryDirectory(prefix="replay-test-") as path:
            work = pathlib.Path(path)
            base, said = record(work, device, FILES)
            if not report(f"{name}: files are written under QEMU's log", said.startswith("all written\n"), said):
                continue
            end = replay(work, name, base, work / "log")
            report(f"{name}: the whole log gives the disk as it is, with all files", end == (work / "disk").read_bytes() and marks(end) == [FILES] * 2, marks(end))
            report(f"{name}: a disk that lies about its flushes is found out", lies_are_found(work, base, work / "log"), "nothing was missed")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
