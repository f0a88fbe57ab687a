#!/usr/bin/env python3
"""--volume of holon-run: what the run changes comes back, on Holon and on Linux alike, and nothing else does. And what comes back
from a guest that means harm stays inside of the volume (these need no machine). Also the refusals of --packages and --profile."""
import io
import os
import pathlib
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RUN = str(ROOT / "tools" / "holon-run")
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tools"))
from runner import volumes  # noqa: E402

failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok volume: {name}" if good else f"not ok volume: {name} - {why}", flush=True)


def snapshot(top):
    """{name: what it is} of a tree."""
    result = {}
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            what = os.readlink(path) if os.path.islink(path) else pathlib.Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else None
            result[os.path.relpath(path, top)] = (stat.S_IFMT(status.st_mode), 0 if os.path.islink(path) else stat.S_IMODE(status.st_mode), what)
    return result


def run(options, command, timeout="300"):
    return subprocess.run([RUN, "--timeout", timeout] + options + ["--", "sh", "-c", command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace")


def make(top):
    (top / "sub").mkdir(parents=True)
    (top / "sub" / "kept").write_bytes(os.urandom(3 << 20))
    (top / "changed").write_text("before\n")
    (top / "removed").write_text("x")
    (top / "two\nlines and spaces").write_text("odd")
    (top / ("n" * 200)).write_text("long")
    (top / "link").symlink_to("changed")
    os.link(top / "changed", top / "hard")
    (top / "private").write_text("p")
    (top / "private").chmod(0o600)


CHANGES = """set -e; cd /mnt/v; echo after >> changed; rm removed; mkdir -p new/deep; echo n > new/deep/file; ln -sf nowhere link
chmod 4750 private; cat "two
lines and spaces"; mv n* moved 2> /dev/null || mv $(ls | grep nnn) moved; mkfifo pipe; : > empty; ls -a | wc -l; exit 6"""


def test_changes(name, options):
    with tempfile.TemporaryDirectory(prefix="holon-volume-") as work:
        top = pathlib.Path(work, "v")
        make(top)
        kept = os.lstat(top / "sub" / "kept")
        before = snapshot(top)
        done = run(options + ["--volume", f"{top}:/mnt/v"], CHANGES.replace("mv n* moved 2> /dev/null || ", ""))
        after = snapshot(top)
        want = dict(before)
        del want["removed"], want["n" * 200]
        want.update({"changed": before["changed"][:2] + (b"before\nafter\n",), "hard": before["hard"][:2] + (b"before\nafter\n",),
                     "new": (stat.S_IFDIR, 0o755, None), "new/deep": (stat.S_IFDIR, 0o755, None),
                     "new/deep/file": (stat.S_IFREG, 0o644, b"n\n"), "link": (stat.S_IFLNK, 0, "nowhere"),
                     "private": (stat.S_IFREG, 0o4750, b"p"), "moved": before["n" * 200], "pipe": (stat.S_IFIFO, 0o644, None),
                     "empty": (stat.S_IFREG, 0o644, b"")})
        different = {key for key in want.keys() | after.keys() if want.get(key) != after.get(key)}
        report(done.returncode == 6 and not different, f"{name}: what changed comes back, with the status",
               f"status {done.returncode}, different {different}, {done.stdout[-200:]!r} {done.stderr[-500:]!r}")
        report(os.lstat(top / "changed").st_ino == os.lstat(top / "hard").st_ino, f"{name}: hard links stay")
        now = os.lstat(top / "sub" / "kept")
        report((now.st_ino, now.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns), f"{name}: what did not change is not touched")


def test_kinds(name, options):
    with tempfile.TemporaryDirectory(prefix="holon-volume-") as work:
        single, shown, hidden = (pathlib.Path(work, each) for each in ("single", "shown", "hidden"))
        single.write_text("one\n")
        shown.mkdir()
        (shown / "file").write_text("seen\n")
        hidden.mkdir()
        done = run(options + ["--volume", f"{single}:/etc/single.conf", "--volume", f"{shown}:/srv/ro:ro", "--volume", f"{hidden}:/etc/sub"],
                   "echo two >> /etc/single.conf; cat /srv/ro/file; (echo no > /srv/ro/file) 2> /dev/null || echo refused; ls -a /etc/sub | wc -l")
        report(done.stdout == "seen\nrefused\n2\n" and done.returncode == 0, f"{name}: read-only, a single file, and three volumes",
               f"{done.stdout!r} {done.stderr[-500:]!r}")
        report((single.read_text(), (shown / "file").read_text()) == ("one\ntwo\n", "seen\n"), f"{name}: each has what it should")


def test_failures():
    with tempfile.TemporaryDirectory(prefix="holon-volume-") as work:
        top = pathlib.Path(work)
        (top / "file").write_text("old")
        done = run(["--volume", f"{top}:/v"], "echo new > /v/file; kill -9 1; exec /no/such/program")
        report(done.returncode == 127 and (top / "file").read_text() == "new\n", "a program that is not there: what was done stays",
               f"status {done.returncode}")
        (top / "file").write_text("old")
        done = run(["--volume", f"{top}:/v"], "echo new > /v/file; sleep 1000", timeout="5")
        report(done.returncode == 124 and (top / "file").read_text() == "old", "over the time: nothing comes back", f"status {done.returncode}")
        for text in (f"{top}", f"{top}:relative", f"{top}:/", "/no/such/thing:/v", f":{top}", "/dev/null:/v"):
            done = run(["--volume", text], "true")
            report(done.returncode == 2 and "--volume" in done.stderr, f"'{text.replace(work, 'DIR')}' is refused",
                   f"status {done.returncode} {done.stderr[-200:]!r}")


def answer(work, members, cut=None):
    """A volume of one directory, and a device on which MEMBERS came back: (name, type, link, data, mode)."""
    top = pathlib.Path(work, "top")
    top.mkdir()
    (top / "own").write_text("own")
    volume = volumes.Volume(f"{top}:/v")
    volume.pack(os.path.join(work, "device"), 1 << 20)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, kind, link, data, mode in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size, info.mode = kind, link, len(data), mode
            archive.addfile(info, io.BytesIO(data))
        written = archive.offset + 2 * tarfile.BLOCKSIZE
    with open(volume.path, "r+b") as device:
        device.write(struct.pack("<8sB7xQ", volumes.BACK, 0, written))
        device.seek(volumes.HEADER)
        device.write(out.getvalue()[:cut])
        if cut:
            device.truncate(volumes.HEADER + cut)
    return volume, top


def test_hostile():
    file, directory, link, hard, device = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE
    cases = {
        "..": [("../escaped", file, "", b"x", 0o644)],
        ".. further in": [("a", directory, "", b"", 0o755), ("a/../../escaped", file, "", b"x", 0o644)],
        "a link to the outside": [("out", link, "..", b"", 0o777), ("out/escaped", file, "", b"x", 0o644)],
        "a hard link to the outside": [("got", hard, "../secret", b"", 0o644)],
        "a hard link through a link": [("out", link, "..", b"", 0o777), ("got", hard, "out/secret", b"", 0o644)],
        "a directory where a link stood": [("out", link, "..", b"", 0o777), ("out/.", directory, "", b"", 0o777), ("out/escaped", file, "", b"x", 0o644)],
    }
    for name, members in cases.items():
        with tempfile.TemporaryDirectory(prefix="holon-volume-") as work:
            pathlib.Path(work, "secret").write_text("secret")
            volume, top = answer(work, [(".", directory, "", b"", 0o755)] + members)
            try:
                volume.bring_back()
                refused = False
            except (OSError, volumes.Damaged):
                refused = True
            inside = not (top / "got").exists() or (top / "got").read_text() != "secret"
            outside = sorted(os.listdir(work)) == ["device", "secret", "top"]
            report(outside and inside and (refused or "directory where" in name), f"{name} stays inside", f"refused {refused}, {os.listdir(work)}")
    with tempfile.TemporaryDirectory(prefix="holon-volume-") as work:
        # The end is no end: a header that is all zero stands where more should follow.
        volume, top = answer(work, [(".", directory, "", b"", 0o755)])
        with open(volume.path, "r+b") as disk:
            disk.seek(16)
            disk.write(struct.pack("<Q", 4096))
            disk.truncate(volumes.HEADER + 4096)
        try:
            volume.bring_back()
            refused = False
        except volumes.Damaged:
            refused = True
        report(refused and (top / "own").read_text() == "own", "an answer that ends before its end removes nothing")
    with tempfile.TemporaryDirectory(prefix="holon-volume-") as work:
        volume, top = answer(work, [(".", directory, "", b"", 0o755), ("null", device, "", b"", 0o666), ("/rooted", file, "", b"r", 0o644)])
        volume.bring_back()
        report(sorted(os.listdir(top)) == ["rooted"], "devices stay out, and a name from the root is one inside", f"{os.listdir(top)}")
    for cut in (300, 700, 1600):
        with tempfile.TemporaryDirectory(prefix="holon-volume-") as work:
            volume, top = answer(work, [(".", directory, "", b"", 0o755), ("new", file, "", b"n" * 2000, 0o644), ("own", file, "", b"changed", 0o644)], cut)
            try:
                volume.bring_back()
                refused = False
            except (OSError, volumes.Damaged):
                refused = True
            report(refused and (top / "own").read_text() == "own", f"an answer cut at {cut} removes nothing", f"refused {refused}, {os.listdir(top)}")


def test_refusals():
    for options, word in ((["--profile", "nosuch"], "there is no profile"), (["--packages", "../etc"], "is no name of a package"),
                          (["--packages", "x", "--iso", "y"], "leave out"), (["--profile", "../manifest"], "there is no profile"),
                          (["--image", "nosuch"], "there is no profile"), (["--linux", "--image", "minimal"], "Linux has not")):
        done = run(options, "true")
        report(done.returncode in (2, 125) and word in done.stderr, f"{' '.join(options)} is refused", f"status {done.returncode} {done.stderr[-200:]!r}")
    done = run(["--profile", "minimal", "--image", "minimal"], "subkernel run -m 32M --image minimal -- sh -c 'echo inside; exit 3'")
    report((done.returncode, done.stdout) == (3, "inside\n"), "an image by name", f"status {done.returncode} {done.stdout!r} {done.stderr[-300:]!r}")


def main():
    test_hostile()
    test_refusals()
    test_failures()
    for name, options in (("holon", []), ("holon, 4 CPU", ["--cpus", "4"]), ("linux", ["--linux"])):
        test_changes(name, options)
        test_kinds(name, options)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
