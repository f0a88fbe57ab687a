#!/usr/bin/env python3
"""Disks with partitions, ext4 and FAT in a sub-kernel: what is written inside is whole and the same for the host's tools; what those wrote is read inside;
what cannot be mounted says why; a service that dies takes no other with it; and machines that are killed while they write lose nothing that was synced
(5 of each, or 300 with the argument "soak"). HOLON_SEED repeats a run's choices. Two machines at a time."""
import concurrent.futures
import hashlib
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from runner import killed  # noqa: E402

SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))
MIB = 1 << 20
GPT = "label: gpt\nstart=2048, size=98304, type=L\nsize=81920, type=uefi\n"
MBR = "label: dos\nstart=2048, size=98304, type=83\nsize=81920, type=c\n"
PARTS = {1: (MIB, 48 * MIB), 2: (49 * MIB, 40 * MIB)}
bad = []


def report(name, right, why=""):
    if not right:
        bad.append(name)
    print(f"ok disks: {name}" if right else f"not ok disks: {name} - {str(why)[-1200:]}", flush=True)
    return right


def host(*command, text=None, **environment):
    return subprocess.run([str(part) for part in command], input=text, capture_output=True, text=True, errors="replace",
                          env=dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8", **environment))


def run(work, script, options, timeout=200):
    log = work / "log"
    command = [ROOT / "tools/holon-run", "--timeout", int(timeout * SCALE), "--log", log, *options, "--", "sh", "-c", script]
    result = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    return result, log.read_text(errors="replace") if log.exists() else ""


def part_out(disk, number, to):
    start, size = PARTS[number]
    with open(disk, "rb") as file:
        file.seek(start)
        to.write_bytes(file.read(size))


def part_in(disk, number, from_file):
    with open(disk, "r+b") as file:
        file.seek(PARTS[number][0])
        file.write(from_file.read_bytes())


def make_disk(work, name, table):
    """A disk with ext4 and FAT, each with a tree that the host made."""
    disk, part = work / name, work / "part"
    disk.write_bytes(b"")
    os.truncate(disk, 96 * MIB)
    host("sfdisk", "-q", disk, text=table)
    tree = work / "tree"
    (tree / "a directory/below").mkdir(parents=True, exist_ok=True)
    for number in range(30):
        (tree / "a directory/below" / f"file number {number}").write_bytes(random.Random(number).randbytes(number * 3000))
    for number, make in ((1, ["mkfs.ext4", "-q", "-F", "-d", tree]), (2, ["mkfs.fat", "-F", "32", "-s", "1"])):
        part.write_bytes(b"")
        os.truncate(part, PARTS[number][1])
        host(*make, part)
        if number == 2:
            host("mcopy", "-s", "-Q", "-i", part, tree / "a directory", "::/")
        part_in(disk, number, part)
    digests = [hashlib.md5((tree / "a directory/below" / f"file number {number}").read_bytes()).hexdigest() for number in range(30)]
    return disk, digests


def fsck(part, ext4):
    result = host("e2fsck", "-fn", part) if ext4 else host("fsck.fat", "-n", part)
    return None if result.returncode == 0 else f"{result.returncode}: {result.stdout}{result.stderr}"


def both_ways(work, name, table, options):
    disk, digests = make_disk(work, name, table)
    script = f"""
mkdir /f; mount -t ext4 /dev/block/{name}p1 /mnt && mount -t vfat /dev/block/{name}p2 /f && echo mounted
for d in /mnt /f; do
  i=0; while [ $i -lt 30 ]; do md5sum <"$d/a directory/below/file number $i"; i=$((i+1)); done
  mkdir -p $d/new/deep; i=0
  while [ $i -lt 40 ]; do echo "contents of $i" >"$d/new/deep/A new file, number $i"; i=$((i+1)); done
  dd if=/dev/zero of=$d/new/large bs=64k count=100 2>/dev/null; echo end >>$d/new/large
  mv "$d/new/deep/A new file, number 7" $d/new/seven; rm "$d/new/deep/A new file, number 8"; mv $d/new/deep $d/moved
  echo x >"$d/a directory/below/file number 3"
done
ln -s target /mnt/link; ln /mnt/new/seven /mnt/again; chmod 4751 /mnt/new/seven; touch -d @1000000000 /mnt/new/seven; mknod /mnt/null c 1 3
[ "$(stat -c %a,%h,%Y /mnt/again)" = 4751,2,1000000000 ] && echo attributes
sync; umount /mnt && umount /f && echo unmounted; subkernel ls | grep -c files
mount -t ext4 -o ro /dev/block/{name}p1 /mnt; cat /mnt/again; readlink /mnt/link; touch /mnt/no 2>/dev/null || echo read-only; umount /mnt
"""
    result, log = run(work, script, ["--block", str(disk), *options])
    out = result.stdout
    why = f"status {result.returncode}: {out} {result.stderr} {log[-600:]}"
    report(f"{name}: both partitions are mounted", "mounted\n" in out, why)
    report(f"{name}: what the host wrote is read", all(out.count(digest) == 2 for digest in digests[1:]), why)
    report(f"{name}: attributes stay", "attributes\n" in out, why)
    report(f"{name}: they are unmounted, and their services end", "unmounted\n0\n" in out, why)
    report(f"{name}: mounted again, and read-only", out.endswith("contents of 7\ntarget\nread-only\n"), why)
    for number, ext4 in ((1, True), (2, False)):
        part, what = work / "part", "ext4" if ext4 else "FAT"
        part_out(disk, number, part)
        report(f"{name}: {what} is whole for the host's fsck", not fsck(part, ext4), fsck(part, ext4))
        wanted = "".join(f"contents of {i}\n" for i in (0, 39, 7))
        got = "".join(host(*(["debugfs", "-R", f'cat "{path}"', part] if ext4 else ["mtype", "-i", part, f"::{path}"])).stdout
                      for path in ("/moved/A new file, number 0", "/moved/A new file, number 39", "/new/seven"))
        report(f"{name}: {what}: the host reads what was written inside", got == wanted, got)


def refusals(work):
    """What is not understood is refused, with a word why in the log; what a service leaves behind, when it is killed, is an error of its mount alone."""
    plain, other = work / "plain", work / "other"
    for path, make in ((plain, ["mkfs.ext4", "-q", "-F", "-O", "inline_data"]), (other, ["mkfs.ext4", "-q", "-F"]), (work / "third", ["mkfs.fat"])):
        path.write_bytes(b"")
        os.truncate(path, 32 * MIB)
        host(*make, path)
    host("debugfs", "-w", "-f", "-", other, text="mkdir d\nmkdir d/e\nln d/e again\n")
    script = """
mount -t ext4 /dev/block/plain /mnt 2>/dev/null || echo refused; mount -t vfat /dev/block/other /mnt 2>/dev/null || echo no FAT
mount -t ext4 /dev/null /mnt 2>/dev/null || echo no disk; mkdir /f
mount -t ext4 /dev/block/other /mnt && mount -t vfat /dev/block/third /f && echo 1 >/mnt/a && echo 2 >/f/a && sync
subkernel kill $(subkernel ls | grep files | head -n 1 | awk '{print $1}')
sleep 1; cat /f/a; echo 3 >/f/b && sync && echo lives; { echo 4 >/mnt/b && sync /mnt/b; } 2>/dev/null || echo dead
umount /mnt; mount -t ext4 /dev/block/other /mnt && cat /mnt/a && ls /mnt/d/e/. /mnt/again/. >/dev/null && umount /mnt; umount /f; subkernel ls | grep -c files
"""
    result, log = run(work, script, [word for path in ("plain", "other", "third") for word in ("--block", str(work / path))])
    why = f"{result.stdout} {result.stderr} {log[-800:]}"
    report("what is not understood is refused", result.stdout.startswith("refused\nno FAT\nno disk\n"), why)
    report("the log says which feature it is", "inline_data" in log, why)
    report("a service that is killed is an error of its mount alone, and can be mounted again, also with a directory of two names", result.stdout.endswith("2\nlives\ndead\n1\n0\n"), why)


# ---- Power cuts ----

def boot(work, kind, last):
    script = f"mount -t {kind} /dev/block/disk /mnt || exit 1; LAST={last}; . /power.sh"
    return killed.Killed([ROOT / "tools/holon-run", "--timeout", "1200", "--block", work / "disk", "--add", f"{ROOT}/tests/devices/power.sh:/power.sh",
                          "--log", work / "log", "--", "sh", "-c", script], last)


def host_finds(work, kind, last):
    """After the host's own replay the disk is whole, and the last synced file is there."""
    copy = work / "copy"
    copy.write_bytes((work / "disk").read_bytes())
    if kind == "ext4":
        host("e2fsck", "-E", "journal_only", "-y", copy)
        wrong = fsck(copy, True)
    else: # clusters that nobody has, and the mark of use, are what a crash may leave
        said = host("fsck.fat", "-n", copy).stdout
        wrong = said if re.search(r"share|loop|Bad|invalid|Duplicate", said) else None
    if not wrong and last:
        name = f"{last}.renamed" if last % 3 == 0 else f"{last}"
        said = host(*(["debugfs", "-R", f"cat /d/{name}", copy] if kind == "ext4" else ["mtype", "-i", copy, f"::/d/{name}"])).stdout
        if said.split("\n")[0].strip() != str(last):
            wrong = f"/d/{name} begins with {said[:40]!r}"
    return wrong


def power_cuts(work, kind, rounds, chance):
    disk = work / "disk"
    disk.write_bytes(b"")
    os.truncate(disk, 64 * MIB)
    host(*(["mkfs.ext4", "-q", "-F"] if kind == "ext4" else ["mkfs.fat", "-F", "32", "-s", "1"]), disk)
    last = 0
    for number in range(1, rounds + 1):
        machine = boot(work, kind, last)
        began = machine.checked.wait(240 * SCALE) and not machine.over
        if began and number % 2: # else it may be in the midst of the first file
            machine.synced.wait(120 * SCALE)
        if began:
            time.sleep(chance.uniform(0, 2) * SCALE)
        machine.kill()
        why = f"{machine.bad[:5]} {machine.lines[-6:]} {(work / 'log').read_text(errors='replace')[-400:]!r}"
        if not report(f"{kind}, power cut {number}: all that was synced is there ({last} files; then up to {machine.last})", began and not machine.bad, why):
            return
        last = machine.last
        wrong = host_finds(work, kind, last)
        if not report(f"{kind}, power cut {number}: the host finds it whole, with the last file", not wrong, wrong):
            return
    report(f"{kind}, power cuts: there was something to lose", last >= rounds / 2, f"only {last} files were synced")


def main():
    soak = "soak" in sys.argv[1:]
    seed = int(os.environ.get("HOLON_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# seed {seed}: HOLON_SEED={seed} repeats it")
    parts = [(power_cuts, kind, 300 if soak else 5, random.Random(seed)) for kind in ("ext4", "vfat")]
    if not soak:
        parts += [(both_ways, "gpt", GPT, []), (both_ways, "mbr", MBR, ["--machine", "q35", "--cpus", "2"]), (refusals,)]
    with tempfile.TemporaryDirectory(prefix="filesystems-test-") as name, concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = []
        for number, (part, *arguments) in enumerate(parts):
            work = pathlib.Path(name, str(number))
            work.mkdir()
            running.append(pool.submit(part, work, *arguments))
        for part in running:
            part.result()
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
