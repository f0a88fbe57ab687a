#!/usr/bin/env python3
"""Holon is installed on a disk, started from it, updated and rolled back, on machines, under BIOS and UEFI. With HOLON_SOAK set also what a
TPM's floor does, a slot whose bytes change, and ten kills in the middle of updates."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build" / "x86_64"
RUN = str(ROOT / "tools" / "holon-run")
SOAK = bool(os.environ.get("HOLON_SOAK"))
# What the confirmation waits for, and how long a slow machine may take for it.
UNTIL_GOOD = "i=0; until holon-install status | grep -q 'good, runs'; do i=$((i + 1)); [ $i -lt 300 ] || exit 9; sleep 1; done; "
failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok install: {name}" if good else f"not ok install: {name} - {why}", flush=True)


class Result:
    def __init__(self, status, output, log):
        self.status, self.output, self.log = status, output, log

    def __str__(self):
        return f"status {self.status}, output {self.output[-600:]!r}, log {self.log[-600:]!r}"


def run(script, options, timeout=400):
    """SCRIPT: a shell's, or the words of a command."""
    words = ["sh", "-c", script] if isinstance(script, str) else script
    with tempfile.NamedTemporaryFile(prefix="install-test-") as log:
        done = subprocess.run([RUN, "--log", log.name, "--timeout", str(timeout), *options, "--", *words],
                              stdin=subprocess.DEVNULL, capture_output=True)
        return Result(done.returncode, (done.stdout + done.stderr).decode(errors="replace"), log.read().decode(errors="replace"))


def bundle(work, name, rollback, parts=None):
    """A bundle of the development keys with that build's name and rollback index."""
    keys = pathlib.Path(work, "keys")
    if not keys.exists():
        shutil.copytree(ROOT / "build/keys/development", keys)
    state = json.loads((keys / "list.json").read_text())
    state["rollback"] = rollback
    (keys / "list.json").write_text(json.dumps(state))
    path = pathlib.Path(work, name)
    parts = parts or {"kernel": OUT / "kernel/kernel.elf", "steward": OUT / "base/steward.flat", "system": OUT / "system.img"}
    subprocess.run([ROOT / "tools/mkbundle", "--keys", keys, path, *(f"{part}={file}" for part, file in parts.items())], check=True,
                   env={**os.environ, "HOLON_BUILD": f"Holon {name}"})
    return path


def from_disk(disk, *more):
    return ["--block", f"{disk},as=ide,boot", *more]


def state_of(result, slot):
    """What `status` says of SLOT at last."""
    return ([""] + re.findall(rf"^  {slot}  (.*)$", result.output, re.M))[-1]


def host_check(command, wanted):
    """What a tool of the build machine says."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
    return done.returncode == 0 and wanted in done.stdout, done.stdout + done.stderr


def test_install(work, disk):
    medium = ["--iso", str(ROOT / "build/holon.iso"), "--block", f"{ROOT / 'build/holon.iso'},ro", "--block", f"{disk},as=ide"]
    result = run("echo no | holon-install disk; echo status $?; head -c 4096 /dev/block/disk | tr -d '\\0' | wc -c; "
                 "echo disk | holon-install disk --vault 64M; ls /dev/block; holon-install disk --yes; echo status $?", medium)
    report("status 1\n0\n" in result.output and "nothing was written" in result.output, "without the disk's name nothing is written", result)
    report("two slots" in result.output and "diskp6" in result.output and "status 2" in result.output and "is on it already" in result.output,
           "a disk is written, once", result)
    good, why = host_check(["sfdisk", "--verify", disk], "No errors detected")
    report(good, "sfdisk finds no error in its table", why)
    esp = pathlib.Path(work, "esp")
    with open(disk, "rb") as file:
        file.seek(2048 * 512)
        esp.write_bytes(file.read(80 << 20))
    good, why = host_check(["fsck.fat", "-n", esp], "")
    report(good, "fsck.fat finds no error in its EFI partition", why)


def changed_copy(work):
    good = bundle(work, "next", 3).read_bytes()
    path = pathlib.Path(work, "changed")
    path.write_bytes(good[:-5000] + bytes([good[-5000] ^ 1]) + good[-4999:])
    return path


def broken_bundle(work):
    """Signed, and it does not come up."""
    return bundle(work, "broken", 9, {"kernel": OUT / "boot/test-kernel.elf", "system": OUT / "system.img", "steward": OUT / "base/steward.flat"})


def start_broken(disk, *more):
    start = run(["die"], from_disk(disk, *more))
    return start.status == 125 and "Starting slot B" in start.log


def test_start(work, disk):
    added = {"changed": changed_copy(work), "old": bundle(work, "old", 0), "foreign": ROOT / "build/release/holon.bundle",
             "broken": broken_bundle(work)}
    result = run("holon-install status; " + UNTIL_GOOD + "for i in changed old foreign; do holon-install update /$i; echo status $?; done; "
                 "holon-install status; holon-install update /broken; holon-install status",
                 from_disk(disk, *(f"--add={path}:/{name}" for name, path in added.items())))
    report(result.status == 0 and "Slot A is on trial; then it has 2 more tries." in result.log and state_of(result, "A").startswith("good, runs"),
           "the disk starts, and shows that it works", result)
    report(result.output.count("status 1") == 3 and result.output.count("Nothing was written") == 3 and "B  empty" in result.output,
           "a changed, an older and a foreign update are refused, and nothing is written", result)
    report(state_of(result, "B").startswith("on trial, starts next, 3 tries  Holon broken, rollback index 9"),
           "an update is written to the other slot", result)
    starts = [start_broken(disk, *more) for more in (["--uefi"], [], [])]
    before = disk.read_bytes()
    result = run("holon-install status", from_disk(disk))
    report(all(starts) and state_of(result, "A").startswith("good, runs") and "did not show" in state_of(result, "B"),
           "a system that does not come up has three starts, then the old one runs by itself", f"{starts}, {result}")
    report(disk.read_bytes() == before, "a system that is good writes nothing to its disk", "the disk differs")


def test_update(work, disk):
    new = bundle(work, "next", 3)
    result = run("holon-install update /next && holon-install status", from_disk(disk, "--add", f"{new}:/next"))
    first = run(UNTIL_GOOD + "holon-install status", from_disk(disk, "--uefi"))
    report(result.status == 0 and first.status == 0 and state_of(first, "B").startswith("good, runs, starts next  Holon next, rollback index 3"),
           "an update starts under UEFI on trial, and is good when it has run so long", f"{result}, {first}")


def test_hang(work, disk):
    """A system on trial that starts and does not show that it works is restarted; that one that does is not, base/steward/trial_test.py shows."""
    run("holon-install update /again", from_disk(disk, "--add", f"{bundle(work, 'again', 4)}:/again"))
    hung = run("sleep 300; echo l$((8))te", from_disk(disk, "--cmdline", "trial-limit=3"))
    report("Slot A is on trial; then it has 2 more tries." in hung.log and "has not shown in 3 seconds that it works: the machine restarts" in hung.log and
           "l8te" not in hung.output, "a system on trial that hangs restarts the machine by itself", hung)


def test_floor(work, disk):
    """The rollback floor of a TPM passes no system that can be gone back to before the new one has shown that it works."""
    tpm = ["--tpm", str(pathlib.Path(work, "tpm"))]
    later = bundle(work, "later", 5)
    run("holon-install update /later", from_disk(disk, *tpm, "--add", f"{later}:/later"))
    for _ in range(3):
        run("true", from_disk(disk, *tpm))
    result = run("holon-install status", from_disk(disk, *tpm))
    report(result.status == 0 and state_of(result, "B").startswith("good, runs") and "did not show" in state_of(result, "A"),
           "three starts that were too short, and the old system runs: no floor has passed its index", result)
    run("holon-install update /later", from_disk(disk, *tpm, "--add", f"{later}:/later"))
    run(UNTIL_GOOD, from_disk(disk, *tpm))
    run("true", from_disk(disk, *tpm))
    result = run("holon-install back && holon-install status", from_disk(disk))
    report(result.status == 0 and "starts next" in state_of(result, "B"), "a step back is possible", result)
    result = run("holon-install status", from_disk(disk, *tpm))
    report(state_of(result, "A").startswith("good, runs") and "Slot B is passed over: it is older" in result.log,
           "but not below the floor that the TPM keeps since the new system was good", result)
    result = run("holon-install status", from_disk(disk))
    report(state_of(result, "B").startswith("good, runs"), "without a TPM the old system starts again", result)


def test_rot(work, disk):
    """The bytes of a slot change under it."""
    result = run("holon-install update /more; holon-install status", from_disk(disk, "--add", f"{bundle(work, 'more', 5)}:/more"))
    slot = "AB"["starts next" in state_of(result, "B")]
    with open(disk, "r+b") as file:
        place = file.seek((169984 + 131072 * "AB".index(slot)) * 512 + 200000)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x10]))
    result = run("holon-install status", from_disk(disk))
    report(f"Slot {slot} is passed over" in result.log and ", runs" in result.output, "a slot that is not what was signed is passed over at once", result)


def test_kills(work, disk, kills):
    """The machine is killed while it writes an update, at any moment."""
    new = [bundle(work, "one", 5), bundle(work, "two", 5)]
    random.seed(10)
    wrong = []
    for number in range(kills):
        pid = pathlib.Path(work, "pid")
        pid.unlink(missing_ok=True)
        line = [RUN, "--timeout", "400", *from_disk(disk, "--add", f"{new[number % 2]}:/next"), "--qemu=-pidfile", f"--qemu={pid}", "--",
                "sh", "-c", UNTIL_GOOD + "holon-install update /next; echo updated; sleep 300"]
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        read = b""
        while b"Verified" not in read and (part := os.read(process.stdout.fileno(), 4096)):
            read += part
        time.sleep(random.uniform(0, 2))
        os.kill(int(pid.read_text()), signal.SIGKILL)
        process.communicate()
        result = run("holon-install status", from_disk(disk))
        if result.status or b"Verified" not in read or ", runs" not in result.output:
            wrong.append(f"{number}: {read[-300:]!r} {result}")
    report(not wrong, f"killed {kills} times while it was updated, it always starts", wrong[:1])


def main():
    with tempfile.TemporaryDirectory(prefix="install-test-") as work:
        disk = pathlib.Path(work, "disk")
        with open(disk, "wb") as file:
            file.truncate(400 << 20)
        test_install(work, disk)
        test_start(work, disk)
        test_update(work, disk)
        test_hang(work, disk)
        if SOAK:
            test_floor(work, disk)
            test_rot(work, disk)
            test_kills(work, disk, 10)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
