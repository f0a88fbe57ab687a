#!/usr/bin/env python3
"""A machine that is killed at random while a sub-kernel writes into a vault: after each of 10 kills (300 with the argument "soak") everything synced is
there, renames are whole, and the container is good. The seed is printed; HOLON_SEED repeats it."""
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from runner import killed  # noqa: E402

VDISK = ROOT / "build/host/bin/holon-vdisk"
HOLONFS = ROOT / "build/host/bin/holonfs"
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))
BOOT_LIMIT = 240 * SCALE
COMMAND = """vault open disk v --key-file /key || exit 1
subkernel run -m 256M --vault v -- sh -c "LAST={last}; $(cat /power.sh)" """


def boot(work, last):
    return killed.Killed([ROOT / "tools/holon-run", "--timeout", "1200", "--block", work / "disk", "--add", f"{work}/key:/key",
                          "--add", f"{ROOT}/tests/vault/power.sh:/power.sh", "--log", work / "log", "--", "sh", "-c", COMMAND.format(last=last)], last)


def report(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)
    return good


def main():
    rounds = 300 if "soak" in sys.argv[1:] else 10
    seed = int(os.environ.get("HOLON_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# seed {seed}: HOLON_SEED={seed} repeats it")
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="vault-power-") as name:
        work = pathlib.Path(name)
        (work / "key").write_bytes(os.urandom(32))
        # Made on the host, opened inside: one format.
        for command in ([VDISK, "create", work / "disk", "--size", "200G", "--key-file", work / "key", "--yes"],
                        [HOLONFS, "mkfs", work / "disk", "--key-file", work / "key", "--yes"]):
            made = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            if made.returncode:
                return report("vault, power cuts: a vault is made", False, made.stderr)
        with open(work / "disk", "r+b") as file: # a container in a file is as long as what it holds; a disk has its size
            file.truncate(512 << 20)
        last = 0
        for number in range(1, rounds + 1):
            run = boot(work, last)
            began = run.checked.wait(BOOT_LIMIT) and not run.over
            if began and number % 2:  # else it may be killed before it has written anything
                run.synced.wait(BOOT_LIMIT)
            if began:
                time.sleep(chance.uniform(0, 4))
            run.kill()
            if not report(f"vault, power cut {number}: all synced data is there ({last} files; then up to {run.last})", began and not run.bad,
                          "; ".join(run.bad[:5]) + f" The machine said {run.lines[-8:]}; its log ends {(work / 'log').read_text(errors='replace')[-400:]!r}"):
                return False
            last = run.last
        good = report("vault, power cuts: there was something to lose", last >= rounds // 2, f"only {last} files were synced")
        checked = subprocess.run([str(HOLONFS), "check", str(work / "disk"), "--data", "--key-file", str(work / "key")], capture_output=True, text=True)
        return report("vault, power cuts: the host finds no fault in it", checked.returncode == 0, checked.stdout + checked.stderr) and good


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
