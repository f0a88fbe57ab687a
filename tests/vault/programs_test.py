#!/usr/bin/env python3
"""Real programs on a root over a vault while it is taken from them: sqlite, git, dpkg and apt-get in a sub-kernel whose root is Debian's. The vault's service
is killed at random moments, then the machine; after each, the database is whole, the repository too, the package can be installed, and what was synced is there. One
service and one machine in `make test`, 120 and 30 in `make soak`. The seed is printed; HOLON_SEED repeats it.

Needs a root of the profile "debian" (as tests/packages), and git and sqlite3 of the host; without them it says that it skips."""
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools"))
from runner import killed, packages  # noqa: E402

SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))
BOOT_LIMIT = 300 * SCALE
LOADER = "/lib64/ld-linux-x86-64.so.2"
# The service is killed after each of DELAYS seconds from the first round on, and the sub-kernel with it; then all goes on until the machine ends.
COMMAND = """LAST={last}
vault open disk v --key-file /key && vault mount v /mnt && mkdir -p /mnt/root /mnt/work && tar xf /files.tar -C /mnt/root && umount /mnt || exit 1
run() {{ subkernel run -m 256M --vault v -- sh -c "LAST=$LAST; . /programs.sh" 2>&1 | tee /tmp/out; echo over >>/tmp/out; }}
for delay in {delays}; do
	: >/tmp/out; run & while ! grep -q '^synced\\|^over' /tmp/out; do sleep 0.2; done; sleep $delay
	subkernel kill "$(subkernel ls | awk '$2 == "vault" && $3 == "running" {{ print $1 }}')" && echo "the service was killed" || echo "bad: no service was there to be killed"
	sleep 1; child=$(subkernel ls | awk '$2 == "child" && $3 == "running" {{ print $1 }}'); [ -z "$child" ] || subkernel kill $child; wait
	last=$(grep '^synced' /tmp/out | tail -1 | cut -d' ' -f2); LAST=${{last:-$LAST}}
	vault open disk v --key-file /key || echo "bad: the vault cannot be opened again"
done
run; echo "bad: the programs ended by themselves"
"""


def report(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)
    return good


def make_packages(work):
    """Two versions of a package of 60 files, whose contents tell the version."""
    (work / "packages").mkdir()
    for version in ("1", "2"):
        tree = work / f"tree{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(f"Package: kept\nVersion: {version}\nArchitecture: all\nMaintainer: a test <test@localhost>\nDescription: is kept\n")
        (tree / "DEBIAN/postinst").write_text("#!/bin/sh\necho configured >/var/lib/kept.state\n")
        (tree / "DEBIAN/postinst").chmod(0o755)
        for number in range(60):
            file = tree / f"usr/share/kept/{number % 7}/{number}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{version}\n" * (number * 50 + 1))
        sums = subprocess.run("find usr -type f -print0 | xargs -0 md5sum", shell=True, cwd=tree, capture_output=True, text=True, check=True).stdout
        (tree / "DEBIAN/md5sums").write_text(sums)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(work / f"packages/kept_{version}.deb")], check=True, capture_output=True)


def make_files(work):
    """What is unpacked into the vault: both packages, and in /extra git and sqlite3 of the host, with their libraries and the loader."""
    make_packages(work)
    extra = work / "extra"
    (extra / "lib").mkdir(parents=True)
    shutil.copy(LOADER, extra / "lib/loader")
    for name in ("git", "sqlite3"):
        program = shutil.which(name)
        shutil.copy(program, extra / "lib" / name)
        for library in re.findall(r"=> (/\S+)", subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout):
            shutil.copy(library, extra / "lib" / pathlib.Path(library).name)
        wrapper = extra / name
        wrapper.write_text(f'#!/bin/sh\nexec /extra/lib/loader --library-path /extra/lib /extra/lib/{name} "$@"\n')
        wrapper.chmod(0o755)
    shutil.copy(ROOT / "tests/vault/programs.sh", work)
    subprocess.run(["tar", "-C", str(work), "-cf", str(work / "files.tar"), "extra", "packages", "programs.sh"], check=True)


def main():
    if not (packages.root_path(packages.Profile("debian"), []) / "root.tar").exists() and not os.environ.get("HOLON_SOAK"):
        print("ok vault, programs: skipped, since no root was made yet (tools/holon-run --profile debian -- true)")
        return 0
    if not all(shutil.which(name) for name in ("git", "sqlite3", "dpkg-deb", "ldd")) or not os.path.exists(LOADER):
        print("ok vault, programs: skipped, since git, sqlite3 and dpkg-deb are not all installed")
        return 0
    machines, services = (30, 4) if os.environ.get("HOLON_SOAK") else (1, 1)
    seed = int(os.environ.get("HOLON_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# seed {seed}: HOLON_SEED={seed} repeats it")
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="vault-programs-") as name:
        work = pathlib.Path(name)
        (work / "key").write_bytes(os.urandom(32))
        make_files(work)
        vdisk, holonfs = ROOT / "build/host/bin/holon-vdisk", ROOT / "build/host/bin/holonfs"
        for command in ([vdisk, "create", work / "disk", "--size", "200G", "--key-file", work / "key", "--yes"],
                        [holonfs, "mkfs", work / "disk", "--key-file", work / "key", "--yes"]):
            subprocess.run(list(map(str, command)), capture_output=True, check=True)
        with open(work / "disk", "r+b") as file:
            file.truncate(1 << 30)
        last, good = 0, True
        for number in range(1, machines + 2):
            # The last machine only looks at what the one before left.
            delays = " ".join(f"{chance.uniform(0, 3 * SCALE):.1f}" for _ in range(services if number <= machines else 0))
            run = killed.Killed([ROOT / "tools/holon-run", "--profile", "debian", "--timeout", "3000", "--block", work / "disk", "--add", f"{work}/key:/key",
                                 "--add", f"{work}/files.tar:/files.tar",
                                 "--log", work / "log", "--", "sh", "-c", COMMAND.format(last=last, delays=delays)], last)
            looks = len(delays.split()) + 1
            end = time.monotonic() + looks * BOOT_LIMIT
            while run.checks < looks and not run.over and not run.bad and time.monotonic() < end:
                time.sleep(0.1)
            began = run.checks == looks and not run.over
            if began and number <= machines:
                time.sleep(chance.uniform(0, 6 * SCALE))
            run.kill()
            good = report(f"vault, programs: a database, a repository and a package are whole after kill {number - 1} of the machine"
                          f" and {looks - 1} of the service ({last} rounds, then {run.last})",
                          began and not run.bad, "; ".join(run.bad[:5]) + f" The machine said {run.lines[-8:]}; its log ends {(work / 'log').read_text(errors='replace')[-400:]!r}")
            if not good:
                return 1
            last = run.last
        good = report("vault, programs: there was something to lose", last >= machines, f"only {last} rounds")
        checked = subprocess.run([str(holonfs), "check", str(work / "disk"), "--data", "--key-file", str(work / "key")], capture_output=True, text=True)
        return 0 if report("vault, programs: the host finds no fault in it", checked.returncode == 0, checked.stdout + checked.stderr) and good else 1


if __name__ == "__main__":
    sys.exit(main())
