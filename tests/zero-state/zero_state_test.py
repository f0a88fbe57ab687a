#!/usr/bin/env python3
"""Nothing stays: secrets that a guest made are looked for in the machine's whole memory, as QEMU dumps it, after its sub-kernel has
ended, after power-off and after a panic. Each has its control: the same search finds the secret while it lives. Disks that are
attached and not opened are byte for byte what they were."""
import contextlib
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUN = str(ROOT / "tools" / "holon-run")
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))
MEMORY_MIB = 192
failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)


def secret(seed):
    """What `echo SEED | sha256sum` prints in the guest: the seed is on its command line, the secret nowhere but where it was made."""
    return hashlib.sha256(seed.encode() + b"\n").hexdigest().encode()


class Machine:
    """holon-run with QEMU's monitor; its machine stays, paused, when the power goes off."""

    def __init__(self, work, script, extra=()):
        self.monitor_path, self.gdb_path, self.dump_path = (os.path.join(work, name) for name in ("qmp", "gdb", "dump"))
        self.log_path = os.path.join(work, "log")
        for path in (self.monitor_path, self.gdb_path, self.log_path):
            pathlib.Path(path).unlink(missing_ok=True)
        # Without a script it is the release, which takes no command.
        line = [RUN, *([] if script else ["--release"]), "--mem", str(MEMORY_MIB), "--timeout", "200", "--log", self.log_path, "--qemu=-qmp",
                f"--qemu=unix:{self.monitor_path},server=on,wait=off", "--qemu=-gdb", f"--qemu=unix:{self.gdb_path},server=on,wait=off",
                "--qemu=-no-shutdown", *extra, *(["--", "sh", "-c", script] if script else [])]
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.monitor = None

    def wait_for(self, word):
        for line in self.process.stdout:
            if line.strip() == word.encode():
                return
        raise RuntimeError(f"the guest ended before it said {word}: {self.log()[-600:]}")

    def go_on(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def log(self):
        return pathlib.Path(self.log_path).read_text(errors="replace") if os.path.exists(self.log_path) else ""

    def wait_log(self, words, seconds):
        end = time.monotonic() + seconds * SCALE
        while words not in self.log():
            if time.monotonic() > end:
                raise RuntimeError(f"the log does not say '{words}': {self.log()[-600:]}")
            time.sleep(0.1)

    def command(self, name, **arguments):
        if not self.monitor:
            self.monitor = socket.socket(socket.AF_UNIX)
            self.monitor.connect(self.monitor_path)
            self.lines = self.monitor.makefile("rb")
            self.lines.readline()
            self.command("qmp_capabilities")
        self.monitor.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.lines.readline())
            if "return" in answer or "error" in answer:
                return answer

    def finds(self, *wanted):
        """How often each stands in memory."""
        answer = self.command("pmemsave", val=0, size=MEMORY_MIB << 20, filename=self.dump_path)
        if "error" in answer:
            raise RuntimeError(answer["error"]["desc"])
        data = pathlib.Path(self.dump_path).read_bytes()
        return [data.count(text) for text in wanted]

    def wait_stopped(self, seconds):
        end = time.monotonic() + seconds * SCALE
        while self.command("query-status")["return"]["running"]:
            if time.monotonic() > end:
                raise RuntimeError(f"the machine does not stop: {self.log()[-600:]}")
            time.sleep(0.1)

    def overwrite(self, address, data):
        """By QEMU's gdb stub: memory at a virtual address of the kernel's; the machine runs on."""
        with socket.socket(socket.AF_UNIX) as gdb:
            gdb.connect(self.gdb_path)
            for text in (f"M{address:x},{len(data):x}:{data.hex()}", "D"):
                gdb.sendall(f"+${text}#{sum(text.encode()) & 255:02x}".encode())
                reply = b""
                while not re.search(rb"\$(OK|E\d\d)#..", reply):
                    reply += gdb.recv(4096)
                if b"$OK" not in reply:
                    raise RuntimeError("the gdb stub refuses")

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate()


@contextlib.contextmanager
def running(work, script, extra=()):
    machine = Machine(work, script, extra)
    try:
        yield machine
    finally:
        machine.end()


def make(seed, name="S"):
    return f"{name}=$(echo {seed} | sha256sum)"


def settles(machine, text, seconds=20):
    """How often TEXT is there once idle CPUs have had time to wipe."""
    end = time.monotonic() + seconds * SCALE
    while True:
        count, = machine.finds(text)
        if not count or time.monotonic() > end:
            return count
        time.sleep(0.5)


def test_death_and_off(work):
    inner = f"{make('inner')}; echo \\$S > /tmp/secret; echo planted; read x".replace("$(", "\\$(")
    script = f'subkernel run -n vault -m 48M -- sh -c "{inner}"; echo gone; read x; {make("outer", "T")}; echo "$T" > /tmp/t; echo again; read x'
    with running(work, script) as machine:
        machine.wait_for("planted")
        count, = machine.finds(secret("inner"))
        report(count > 0, "control: a secret of a sub-kernel is found while it runs")
        machine.go_on()
        machine.wait_for("gone")
        count = settles(machine, secret("inner"))
        report(count == 0, "after its sub-kernel has ended a secret is nowhere", f"it is there {count} times")
        machine.go_on()
        machine.wait_for("again")
        count, = machine.finds(secret("outer"))
        report(count > 0, "control: a secret of the first sub-kernel is found while it runs")
        machine.go_on()
        machine.wait_stopped(60)
        counts = machine.finds(secret("outer"), b"echo outer | sha256sum", b"/bin/busybox")
        report(not any(counts), "after power-off neither secret, command line nor image are in memory", f"found {counts}")


def clock_address(machine):
    """Where a function is that the kernel comes to at once, and by how much the loader moved the kernel: QEMU knows where its interrupt
    table is."""
    symbols = subprocess.run(["llvm-nm", ROOT / "build/x86_64/kernel/kernel.elf"], capture_output=True, text=True, check=True).stdout
    linked = {name: int(re.search(rf"^([0-9a-f]+) \w {name}$", symbols, re.M).group(1), 16) for name in ("arch_clock_ns", "idt")}
    registers = machine.command("human-monitor-command", **{"command-line": "info registers"})["return"]
    moved = int(re.search(r"IDT= *([0-9a-f]+)", registers).group(1), 16) - linked["idt"]
    return linked["arch_clock_ns"] + moved, moved


def addresses(log):
    """What looks like an address of the kernel's or a register behind the panic's first line."""
    return re.findall(r"[0-9a-f]{12,}", log.partition("in the kernel: ")[2])


def test_panic(work):
    with running(work, f"{make('panic')}; echo planted; while :; do sleep 1; done") as machine:
        machine.wait_for("planted")
        count, = machine.finds(secret("panic"))
        report(count > 0, "control: a secret is found before the panic")
        clock, moved = clock_address(machine)
        report(0 < moved < 1 << 31 and moved % 4096 == 0 and f", moved by {moved:x}," in machine.log(),
               "a development image's log says where the kernel is", f"{moved:x}: {machine.log()[-300:]}")
        machine.overwrite(clock, b"\x0f\x0b")
        machine.wait_log("memory is wiped", 60)
        counts = machine.finds(secret("panic"), b"echo panic | sha256sum")
        report(not any(counts), "after a panic a secret is nowhere", f"found {counts}")
        log = machine.log()
        report(len(addresses(log)) > 15 and "arch_clock_ns+0x0" in log, "control: a development image's panic shows registers and addresses", log[-600:])


def test_release_panic(work):
    words = ["--qemu=-fw_cfg", "--qemu=name=opt/holon/cmdline,string=addresses=fixed"]
    with running(work, None, ["--mem", "512", *words]) as machine:
        machine.wait_log("processors: ", 100)
        clock, moved = clock_address(machine)
        log = machine.log()
        report(moved > 0 and "Ignored: fw_cfg's opt/holon/cmdline." in log and "bits choose the kernel's" in log and not re.search(r"ffffffff|moved by", log),
               "a release's kernel is at a random address, whatever its machine's owner asks, and its log says how random and not where", log[-600:])
        machine.overwrite(clock, b"\x0f\x0b")
        machine.wait_log("memory is wiped", 60)
        log = machine.log()
        report("#UD in the kernel" in log and "arch_clock_ns+0x0" in log and not addresses(log),
               "a release's panic names functions and shows neither address nor register", log[-600:])


def test_never_used(work):
    """What ran before: a pattern in memory that Holon never hands out, put there before it starts to wipe."""
    with running(work, "echo up; read x; read x", ["--cmdline", "wipe=idle"]) as machine:
        machine.wait_for("up")
        machine.wait_log("never handed out is wiped", 100)
        report(True, "wipe=idle: idle CPUs wipe all that was never handed out, and say so")
    pattern = os.urandom(32).hex().encode() * 64
    marked = pathlib.Path(work, "pattern")
    marked.write_bytes(pattern * 4)
    loader = ["--qemu=-device", f"--qemu=loader,file={marked},addr={MEMORY_MIB - 48 << 20:#x},force-raw=on"]
    for words, expected in (("wipe=first", False), ("", True)):
        with running(work, "echo up; read x", loader + ["--cmdline", words]) as machine:
            machine.wait_for("up")
            count, = machine.finds(pattern)
            report((count > 0) == expected, f"{'control: without' if expected else 'with'} wipe=first what lay in memory before is {'there' if expected else 'gone'}",
                   f"{count} times")


def test_disks(work):
    disks = [pathlib.Path(work, name) for name in ("one", "two")]
    for disk in disks:
        disk.write_bytes(os.urandom(4 << 20))
    before = [hashlib.sha256(disk.read_bytes()).digest() for disk in disks]
    extra = ["--qemu=-drive", f"--qemu=if=none,id=one,format=raw,file={disks[0]}", "--qemu=-device", "--qemu=ide-hd,drive=one",
             "--qemu=-drive", f"--qemu=if=none,id=two,format=raw,file={disks[1]}", "--qemu=-device", "--qemu=virtio-blk-pci,drive=two"]
    done = subprocess.run([RUN, "--timeout", "120", *extra, "--", "sh", "-c", "dd if=/dev/zero of=/tmp/x bs=1M count=8 && sync; exit 6"],
                          stdin=subprocess.DEVNULL, capture_output=True)
    after = [hashlib.sha256(disk.read_bytes()).digest() for disk in disks]
    report(done.returncode == 6 and before == after, "attached disks are unchanged after a session", f"status {done.returncode}")


def main():
    with tempfile.TemporaryDirectory(prefix="holon-zero-state-") as work:
        for test in (test_death_and_off, test_panic, test_release_panic, test_never_used, test_disks):
            try:
                test(work)
            except (RuntimeError, OSError) as error:
                report(False, test.__name__, str(error))
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
