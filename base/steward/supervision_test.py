#!/usr/bin/env python3
"""Kills services of the running system, again and again, and checks that what runs in the sub-kernel goes on: the boot option
"kill=NAME,MS" makes the steward destroy a unit every MS milliseconds, as if it had failed."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests


def run(kill, script, work):
    log = pathlib.Path(work, "log")
    command = [str(ROOT / "tools/holon-run"), "--timeout", str(int(120 * max(1, SCALE))), "--log", str(log), "--cmdline", f"kill={kill}"]
    command += os.environ.get("HOLON_RUN_OPTIONS", "").split() + ["--", "sh", "-c", script]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    return result, log.read_text(errors="replace") if log.exists() else ""


def report(name, right, result, log):
    print(f"ok {name}" if right else f"not ok {name} - status {result.returncode}, output ends {result.stdout[-300:]!r}, "
          f"errors {result.stderr[-1500:]!r}, log ends {log[-500:]!r}", flush=True)
    return bool(right)


def main():
    good = True
    with tempfile.TemporaryDirectory(prefix="supervision-test-") as work:
        # Applets started by name open and verify files, so that every one is a call of the file service.
        # On a busy machine they are killed less often, for as much longer: a service that never gets through verifies nothing.
        slow = max(1, round(SCALE))
        result, log = run(f"vfs,{70 * slow}", f"read up rest </proc/uptime; stop=$((${{up%.*}} + {5 * slow})); while [ ${{up%.*}} -lt $stop ]; do "
                          "/bin/busybox true || echo wrong; read up rest </proc/uptime; done; echo end", work)
        good &= report("supervision: programs start for five seconds while the file service is killed",
                       result.returncode == 0 and result.stdout == "end\n" and log.count("starting vfs again") >= 3, result, log)
        result, log = run(f"vfs,{200 * slow}", f"read up rest </proc/uptime; stop=$((${{up%.*}} + {5 * slow})); while [ ${{up%.*}} -lt $stop ]; do "
                          "subkernel run -m 16M -- true || echo wrong; read up rest </proc/uptime; done; echo end", work)
        good &= report("supervision: sub-kernels start for five seconds while the file service is killed",
                       result.returncode == 0 and result.stdout == "end\n" and log.count("starting vfs again") >= 3, result, log)
        result, log = run("console,150", "i=0; while [ $i -lt 30 ]; do echo line $i; sleep 0.05; i=$((i+1)); done; "
                          "sleep 0.5; echo end; sleep 1; exit 7", work)
        lines = result.stdout.splitlines()
        good &= report("supervision: the shell goes on and says so while the console is killed",
                       result.returncode == 7 and len(lines) >= 20 and "end" in lines
                       and log.count("starting console again") >= 3, result, log)
        # Past its limit a service stays dead; then its clients get an error.
        # The shell waits without starting a program.
        result, log = run("vfs,1", "up=0; while [ ${up%.*} -lt 30 ]; do read up rest </proc/uptime; done; "
                          "/bin/cat /etc/passwd >/dev/null 2>&1; echo cat $?; exit 3", work)
        good &= report("supervision: a service that fails for ever is given up, and its clients see an error, not a hang",
                       result.returncode == 3 and "vfs is not started again" in log
                       and result.stdout.startswith("cat ") and result.stdout != "cat 0\n", result, log)
    sys.exit(not good)


if __name__ == "__main__":
    main()
