#!/usr/bin/env python3
"""The machine's end. The power button (QEMU's) and a program's reboot(2) end all sub-kernels in order, the inner ones first: programs are asked to end, one that
does not is killed, what was written and not synced is on the disk, and only then does the machine switch off or reset. In a sub-kernel without the right, reboot(2)
ends that alone."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from runner.monitor import Monitor  # noqa: E402

SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
# In the first sub-kernel: a disk and two children, one of them with a child of its own. Each writes on the disk when it is asked to end, the inner ones through volumes; one
# program ignores that.
INNER = """trap 'sleep 0.3; echo $N $(ls /v) >/v/$N; echo more >>/v/$N; exit 4' TERM; echo up $N; >/v/up-$N; while :; do sleep 0.1; done"""
SCRIPT = f"""
mount -t ext4 /dev/block/disk /mnt || exit 9
cat >/inner <<'END'
{INNER}
END
cat >/outer <<'END'
N=deep subkernel run -n deep -m 24M --add /inner:/inner --volume /v:/v -- sh /inner & N=middle . /inner
END
N=middle subkernel run -n middle -m 96M --add /inner:/inner --add /outer:/outer --volume /mnt:/v -- sh /outer &
N=stubborn subkernel run -n stubborn -m 24M --volume /mnt:/v -- sh -c 'trap "" TERM; echo kept >/v/stubborn; echo up stubborn; while :; do sleep 0.1; done' &
sleep 1000 &
trap 'echo first $(ls /mnt) >/mnt/first; wait; exit 5' TERM
"""
WAITS = "while :; do sleep 0.1; done\n"
bad = []


def report(name, right, why=""):
    if not right:
        bad.append(name)
    print(f"ok power: {name}" if right else f"not ok power: {name} - {str(why)[-1500:]}", flush=True)


class Machine:
    """holon-run of SCRIPT with QEMU's monitor, and what it writes."""

    def __init__(self, work, script, options=()):
        path, self.out_path, self.log_path = work / "monitor", work / "out", work / "log"
        path.unlink(missing_ok=True)
        command = [ROOT / "tools/holon-run", "--timeout", int(200 * SCALE), "--log", self.log_path, *options, "--qemu=-qmp", f"--qemu=unix:{path},server=on,wait=off",
                   "--", "sh", "-c", script]
        with open(self.out_path, "wb") as out:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        self.monitor = Monitor(str(path), time.monotonic() + 60 * SCALE)

    def out(self):
        return self.out_path.read_text(errors="replace")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_for(self, *texts):
        while not all(text in self.out() for text in texts) and self.process.poll() is None:
            time.sleep(0.1)

    def ends(self, reason):
        """By itself, as QEMU tells."""
        event = self.monitor.event("SHUTDOWN")
        status = self.process.wait()
        return status, event.get("data", {}).get("reason") == reason, f"status {status}, {event}: {self.out()} {self.log()}"


def button(work, name, how, reason):
    disk = work / "disk"
    with open(disk, "wb") as out:
        out.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    # By a program: once the others are up, which each shows on the disk.
    asks = "until [ -e /mnt/stubborn ] && [ -e /mnt/up-deep ] && [ -e /mnt/up-middle ]; do sleep 0.1; done; " + how + "\n" if how else ""
    machine = Machine(work, SCRIPT + asks + WAITS, ["--block", disk])
    machine.wait_for("up middle", "up deep", "up stubborn")
    if how is None:
        machine.monitor.command("system_powerdown")
    status, right, why = machine.ends(reason)
    report(f"{name}: the machine ends itself", right and status == 0, why)
    report(f"{name}: one program that does not end holds nothing up for long", "stubborn did not end in time" not in machine.log(), why)
    subprocess.run(["e2fsck", "-E", "journal_only", "-y", disk], capture_output=True)
    check = subprocess.run(["e2fsck", "-fn", disk], capture_output=True, text=True)
    said = {file: subprocess.run(["debugfs", "-R", f"cat /{file}", disk], capture_output=True, text=True).stdout for file in ("deep", "middle", "first", "stubborn")}
    report(f"{name}: the disk is whole", check.returncode == 0, check.stdout)
    report(f"{name}: what programs wrote at their end is there", all(said[file].startswith(file) for file in ("deep", "middle", "first"))
           and said["deep"].endswith("more\n") and said["middle"].endswith("more\n") and said["stubborn"] == "kept\n", said)

    def seen(who):
        return set(said[who].split("\n")[0].split()[1:])

    report(f"{name}: the inner ones end first", not {"first", "middle"} & seen("deep") and "deep" in seen("middle") and "first" not in seen("middle")
           and {"deep", "middle"} <= seen("first"), said)


def without_right(work):
    machine = Machine(work, "subkernel run -m 24M -- sh -c 'reboot -f; echo not here'; echo reboot $?; subkernel run -m 24M -- poweroff; echo poweroff $?; echo still here; exit 7")
    status = machine.process.wait()
    report("a sub-kernel without the right ends itself alone", machine.out() == "reboot 129\npoweroff 130\nstill here\n" and status == 7, machine.out() + machine.log())


def main():
    with tempfile.TemporaryDirectory(prefix="power-test-") as name:
        work = pathlib.Path(name)
        button(work, "the power button", None, "guest-shutdown")
        button(work, "reboot(2)", "reboot -f", "guest-reset")
        without_right(work)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
