#!/usr/bin/env python3
"""Others' suites inside Holon, on a vault: fsx and fsstress of xfstests, and pjdfstest. HOLON_FS_SUITES is a folder with the static programs `fsx` and `fsstress`
and, for the last, with the folder `pjdfstest`, in which its program and its `tests` are; what is not there is left out, with a line that says so. fsx makes 2,000
operations in `make test` and 20,000 in `make soak`, many of them fallocate's, which one that was built without HAVE_LINUX_FALLOC_H leaves out; of pjdfstest two sets and all. At the end the host checks the disk."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))
SOAK = bool(os.environ.get("HOLON_SOAK"))
SETS = "rename link open unlink rmdir mkdir chmod chown truncate ftruncate utimensat symlink mkfifo mknod posix_fallocate"
COMMAND = """mkdir -p /mnt /tmp; vault create disk --key-file /key && vault open disk v --key-file /key && vault mount v /mnt || exit 1
fsx() {{ /fsx -d -N $1 -S $2 -l 262144 /mnt/fsx.$2 >/tmp/o 2>&1 && [ $(grep -cE '^[0-9]+ (collapse|insert|punch|zero)' /tmp/o) -gt $(($1 / 20)) ] && echo "good fsx $2" || {{ echo "bad fsx $2"; tail -20 /tmp/o; }}; rm -f /mnt/fsx.$2*; }}
fsstress() {{ mkdir /mnt/stress; /fsstress -d /mnt/stress -n $1 -p 3 -s $2 -f collapse=4 -f insert=4 >/tmp/o 2>&1 && rm -r /mnt/stress && echo "good fsstress $2" || {{ echo "bad fsstress $2"; tail -20 /tmp/o; }}; }}
pjdfstest() {{
	mkdir -p /mnt/pjd; chmod 755 /mnt /mnt/pjd
	printf '#!/bin/sh\\nmd5sum | cut -c1-32\\n' >/bin/openssl; chmod 755 /bin/openssl # it draws names by that
	for test in /pjdfstest/tests/$1/*.t; do
		rm -rf /mnt/pjd/w; mkdir /mnt/pjd/w; cd /mnt/pjd/w; sh $test >/tmp/o 2>&1; cd /
		plan=$(sed -n 's/^1\\.\\.//p' /tmp/o | head -1); good=$(grep -cE '^ok|^not ok.*# TODO' /tmp/o)
		[ "$plan" = "$good" ] && echo "good $plan checks of pjdfstest $test" || {{ echo "bad pjdfstest $test: $good of $plan"; grep '^not ok' /tmp/o | grep -v TODO | head -5; }}
	done
}}
{calls}
cd /; umount /mnt && vault close v && echo 'the end'
"""


def report(name, good, why=""):
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)
    return good


def calls(programs):
    """What is run, one call a line; and what is added for it."""
    lines, added = [], []
    for name in ("fsx", "fsstress"):
        if not os.access(programs / name, os.X_OK):
            print(f"# HOLON_FS_SUITES names no folder with {name}: it is left out")
            continue
        added += ["--add", f"{programs}/{name}:/{name}"]
        count = {("fsx", False): 1000, ("fsx", True): 5000, ("fsstress", False): 150, ("fsstress", True): 800}[name, SOAK]
        lines += [f"{name} {count} {seed}" for seed in range(1, 5 if SOAK else 3)]
    if not os.access(programs / "pjdfstest/pjdfstest", os.X_OK):
        print("# HOLON_FS_SUITES names no folder with pjdfstest: it is left out")
        return lines, added
    added += ["--add", f"{programs}/pjdfstest:/pjdfstest"]
    return lines + [f"pjdfstest {name}" for name in (SETS if SOAK else "symlink truncate").split()], added


def main():
    lines, added = calls(pathlib.Path(os.environ.get("HOLON_FS_SUITES", "/nonexistent")))
    if not lines:
        print("ok vault, suites: skipped")
        return 0
    wanted = sum(not line.startswith("pjdfstest") for line in lines)
    with tempfile.TemporaryDirectory(prefix="vault-suites-") as name:
        work = pathlib.Path(name)
        (work / "key").write_bytes(os.urandom(32))
        with open(work / "disk", "wb") as file:
            file.truncate(512 << 20)
        limit = int((7200 if SOAK else 900) * SCALE)
        result = subprocess.run([str(ROOT / "tools/holon-run"), "--timeout", str(limit), "--block", str(work / "disk"), "--add", f"{work}/key:/key", *added,
                                 "--", "sh", "-c", COMMAND.format(calls="\n".join(lines))],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        said = result.stdout.replace("\r", "").splitlines()
        bad = [line for line in said if not line.startswith("good ") and line != "the end"]
        ran = sum(line.startswith(("good fsx", "good fsstress")) for line in said)
        checks = sum(int(line.split()[1]) for line in said if line.startswith("good ") and " checks of pjdfstest " in line)
        good = report(f"vault, suites: {ran} runs of fsx and fsstress, {checks} checks of pjdfstest",
                      not any(line.startswith("bad") for line in said) and "the end" in said and ran == wanted and
                      (checks > 100 or wanted == len(lines)), f"status {result.returncode}: {bad[:40]}")
        checked = subprocess.run([str(ROOT / "build/host/bin/holonfs"), "check", str(work / "disk"), "--data", "--key-file", str(work / "key")], capture_output=True, text=True)
        return 0 if report("vault, suites: the host finds no fault in it", checked.returncode == 0, checked.stdout + checked.stderr) and good else 1


if __name__ == "__main__":
    sys.exit(main())
