#!/usr/bin/env python3
"""holon-run's promises, on Holon and with --linux: bytes, status, added files, an interactive terminal. The same commands
must give the same on both, so that a comparison compares the same thing."""
import fcntl
import os
import pathlib
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
RUN = str(ROOT / "tools" / "holon-run")
failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)


def test_streams(name, options):
    data = bytes(range(256)) * 100
    with tempfile.TemporaryDirectory(prefix="holon-linux-test-") as work:
        tool = pathlib.Path(work, "tool")
        tool.write_text("#!/bin/sh\necho tool $1 $VARIABLE\n")
        tool.chmod(0o751)
        command = "cat; tool 'a  b'; stat -c '%a %u %g' /opt/new/tool; ls -d /tmp/empty >&2; sh -c 'kill -9 $$'; exit $?"
        empty = pathlib.Path(work, "empty")
        empty.mkdir()
        done = subprocess.run([RUN] + options + ["--add", f"{tool}:/usr/local/bin/tool", "--add", f"{tool}:/opt/new/tool",
                               "--add", f"{empty}:/tmp/empty", "--env", "VARIABLE=value", "--timeout", "120", "--",
                               "sh", "-c", command], input=data, capture_output=True)
    expected = data + b"tool a b value\n751 0 0\n/tmp/empty\nKilled\n"
    report(done.stdout == expected, f"{name}: bytes in and out, added files, environment",
           f"{done.stdout[25600:]!r} {done.stderr[-500:]!r}")
    report(done.returncode == 137, f"{name}: the status of a killed command", f"it was {done.returncode}")


def test_terminal(name, options):
    child, terminal = pty.fork()
    if child == 0:
        os.execv(RUN, [RUN] + options + ["--timeout", "120"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    script = [(b"# ", b"stty size; cat\n"), (b"33 101", b"\x03"), (b"^C", b"echo alive$((40 + 2)); exit 5\n")]
    seen, limit = b"", time.monotonic() + 120 * SCALE
    while time.monotonic() < limit:
        if select.select([terminal], [], [], 1)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            seen += data
        if script and script[0][0] in seen:
            time.sleep(0.5)
            os.write(terminal, script.pop(0)[1])
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    report(b"33 101" in seen and b"alive42" in seen and status == 5, f"{name}: a terminal with size, Ctrl-C and status",
           f"status {status}, seen {seen[-400:]!r}")


def test_input_of_any_length(name, options):
    for size in (0, 1, 15, 16, 17, 4096):
        data = os.urandom(size)
        done = subprocess.run([RUN] + options + ["--timeout", "120", "--", "cat"], input=data, capture_output=True)
        report((done.returncode, done.stdout) == (0, data), f"{name}: {size} bytes in and out",
               f"status {done.returncode}, {len(done.stdout)} bytes, {done.stderr[-300:]!r}")


def test_disks(name, options):
    kinds = ("virtio", "nvme", "ahci", "ide", "usb")
    with tempfile.TemporaryDirectory(prefix="holon-run-test-") as work:
        for kind in kinds:
            pathlib.Path(work, kind).write_bytes(f"this is {kind}\n".encode().ljust(1 << 20, b"\n"))
            options = options + ["--block", f"{work}/{kind},as={kind}"]
        script = "for kind in " + " ".join(kinds) + "; do head -n 1 /dev/block/$kind; echo I was $kind >/dev/block/$kind; done; sync"
        done = subprocess.run([RUN] + options + ["--timeout", "120", "--", "sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        written = [pathlib.Path(work, kind).read_bytes().startswith(f"I was {kind}\n".encode()) for kind in kinds]
        report(done.stdout == "".join(f"this is {kind}\n" for kind in kinds) and all(written), f"{name}: disks of all kinds by their names",
               f"status {done.returncode}, {done.stdout!r}, written {written}, {done.stderr[-300:]!r}")


def test_ended_by_a_signal():
    process = subprocess.Popen([RUN, "--", "sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    children, limit = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children"), time.monotonic() + 60 * SCALE
    machine = ""
    while not machine and time.monotonic() < limit:
        time.sleep(0.1)
        machine = children.read_text().strip()
    process.terminate()
    status = process.wait(60)
    left = not machine or os.path.exists(f"/proc/{machine}")
    report(status == 143 and not left, "holon: ended by a signal, it ends the machine", f"status {status}, machine {machine}")


def main():
    test_ended_by_a_signal()
    test_streams("holon", [])
    test_terminal("holon", [])
    test_input_of_any_length("holon", [])
    test_streams("linux", ["--linux"])
    test_terminal("linux", ["--linux"])
    test_disks("linux", ["--linux"])
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
