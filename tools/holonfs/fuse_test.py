#!/usr/bin/env python3
"""Tests holonfs through FUSE, as programs use it: the contract's commands and exit statuses, what POSIX and Linux offer, permissions, several programs at once,
and real programs (a C build, sqlite, git) with kill -9 of the daemon while they work; then as a user without rights, with a /dev/fuse of its own.

Without a usable /dev/fuse everything that mounts is skipped with a notice.
"""
import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import pathlib
import pickle
import pty
import random
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
TOOL = os.environ.get("HOLONFS_TOOL", str(ROOT / "build/host/bin/holonfs"))  # or one with a sanitizer
VDISK = str(ROOT / "build/host/bin/holon-vdisk")
SOAK = bool(os.environ.get("HOLON_SOAK"))
libc = ctypes.CDLL(None, use_errno=True)
failures = 0


def check(name, right, why="see the check of this name"):
    global failures
    print(f"ok holonfs FUSE: {name}" if right else f"not ok holonfs FUSE: {name} - {why}", flush=True)
    failures += not right


def attempt(name, function):
    """Runs FUNCTION; what it raises is the reason of the failure."""
    try:
        result = function()
        check(name, result is None or result)
    except Exception as error:  # noqa: BLE001 - any failure is this check's
        check(name, False, f"{type(error).__name__}: {error}")


def run(*words, **options):
    return subprocess.run([TOOL, *map(str, words)], capture_output=True, timeout=300 * SCALE, **options)


def fails_with(number, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except OSError as error:
        return error.errno == number
    return False


def wait_for(condition):
    end = time.monotonic() + 60 * SCALE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def mounted(directory):
    """The line of /proc/self/mountinfo, in words, since a user's mount is not even looked at by root; or nothing."""
    with open("/proc/self/mountinfo") as lines:
        return next((line.split() for line in lines if line.split()[4] == str(directory)), None)


class Mount:
    """FILE mounted at DIRECTORY by a daemon in the foreground, so that it can be killed."""

    def __init__(self, file, directory, *options, **process):
        self.file, self.directory, self.options = file, directory, options
        directory.mkdir(exist_ok=True)
        self.start(**process)

    def start(self, **process):
        self.process = subprocess.Popen([TOOL, "mount", self.file, self.directory, "-f", *self.options], **process)
        if not wait_for(lambda: mounted(self.directory) or self.process.poll() is not None) or self.process.poll() is not None:
            raise RuntimeError("it does not mount")

    def unmount(self):
        subprocess.run(["fusermount3", "-u", self.directory], check=True)
        return self.process.wait(timeout=120 * SCALE)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        subprocess.run(["fusermount3", "-u", "-z", self.directory], check=True)


def sound(file, *options):
    result = run("check", file, "--json", *options)
    if result.returncode:
        print("# " + result.stdout.decode(errors="replace")[-1000:])
    return result.returncode == 0 and json.loads(result.stdout)["status"] == "good"


# ---- What POSIX and Linux offer ----

def names(top):
    (top / "d").mkdir()
    (top / "d/f").write_bytes(b"x")
    os.link(top / "d/f", top / "g")
    assert (top / "g").stat().st_nlink == 2
    os.rename(top / "d/f", top / "d/h")
    assert fails_with(errno.ENOTEMPTY, os.rmdir, top / "d")
    assert fails_with(errno.ENAMETOOLONG, (top / ("n" * 256)).touch)
    (top / ("n" * 255)).touch()
    os.symlink("d/h", top / "s")
    assert (top / "s").read_bytes() == b"x" and os.readlink(top / "s") == "d/h"
    os.mkfifo(top / "fifo")
    (top / "i").write_bytes(b"i")
    flags = {"noreplace": 1, "exchange": 2}
    at = -100
    assert libc.renameat2(at, bytes(top / "i"), at, bytes(top / "g"), flags["noreplace"]) < 0 and ctypes.get_errno() == errno.EEXIST
    assert libc.renameat2(at, bytes(top / "i"), at, bytes(top / "g"), flags["exchange"]) == 0
    assert (top / "i").read_bytes() == b"x" and (top / "g").read_bytes() == b"i"
    assert sorted(os.listdir(top)) == sorted(["d", "fifo", "g", "i", "n" * 255, "s"])


def contents(top):
    file = top / "contents"
    data = os.urandom(3_000_000)
    with open(file, "w+b") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
        os.pwrite(handle.fileno(), b"in the middle", 1_234_567)
        with mmap.mmap(handle.fileno(), 0) as view:
            assert view[1_234_567:1_234_580] == b"in the middle"
            view[100:104] = b"mmap"
        handle.seek(100)
        assert handle.read(4) == b"mmap"
        os.truncate(file, 10)
        os.truncate(file, 5000)
        assert file.read_bytes() == data[:10] + bytes(4990)
    other = top / "emptied"
    other.write_bytes(b"many words")
    os.close(os.open(other, os.O_WRONLY | os.O_TRUNC))
    assert other.stat().st_size == 0
    other.write_bytes(b"words")
    other.write_bytes(b"one")
    assert other.read_bytes() == b"one"
    with open(file, "ab") as handle:
        handle.write(b"appended")
    assert file.read_bytes().endswith(b"appended")


def holes(top):
    file = top / "holes"
    with open(file, "w+b") as handle:
        fd = handle.fileno()
        os.truncate(file, 1 << 40)
        os.pwrite(fd, b"x", 1 << 39)
        os.fsync(fd)
        assert os.lseek(fd, 0, os.SEEK_DATA) == 1 << 39
        assert os.lseek(fd, 1 << 39, os.SEEK_HOLE) == (1 << 39) + 4096
        assert file.stat().st_blocks <= 16
        os.posix_fallocate(fd, 0, 1 << 20)
        assert file.stat().st_blocks >= 2048
        assert libc.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(1 << 20)) == 0  # punch
        assert file.stat().st_blocks <= 16
        assert os.pread(fd, 10, 0) == bytes(10)


def sharing(top):
    source, target = top / "source", top / "target"
    source.write_bytes(os.urandom(8 << 20))
    before = os.statvfs(top).f_bfree
    with open(source, "rb") as a, open(target, "wb") as b:
        left = 8 << 20
        while left:
            left -= os.copy_file_range(a.fileno(), b.fileno(), left)
    assert source.read_bytes() == target.read_bytes()
    assert before - os.statvfs(top).f_bfree < 200, "the copy took room"
    with open(target, "r+b") as b:
        b.write(b"changed")
    assert source.read_bytes() != target.read_bytes()


def attributes(top):
    file = top / "attributes"
    file.touch()
    os.utime(file, ns=(1_111_111_111_123_456_789, -5))
    status = file.stat()
    assert status.st_atime_ns == 1_111_111_111_123_456_789 and status.st_mtime_ns == -5
    os.setxattr(file, "user.name", b"value" * 1000)
    assert os.getxattr(file, "user.name") == b"value" * 1000 and os.listxattr(file) == ["user.name"]
    assert fails_with(errno.EEXIST, os.setxattr, file, "user.name", b"", os.XATTR_CREATE)
    os.removexattr(file, "user.name")
    assert fails_with(errno.ENODATA, os.getxattr, file, "user.name")
    os.chmod(file, 0o4711)
    assert file.stat().st_mode & 0o7777 == 0o4711
    with open(file, "r+b") as one, open(file, "r+b") as two:
        fcntl.flock(one, fcntl.LOCK_EX)
        assert fails_with(errno.EWOULDBLOCK, fcntl.flock, two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fd = os.open(file, os.O_RDWR)
    os.unlink(file)
    os.write(fd, b"without a name")
    assert os.pread(fd, 100, 0) == b"without a name" and os.fstat(fd).st_nlink == 0
    os.close(fd)


def large_directory(top):
    directory = top / "many"
    directory.mkdir()
    for number in range(3000):
        (directory / f"file-{number}").touch()
    seen = [entry.name for entry in os.scandir(directory)]
    assert len(seen) == len(set(seen)) == 3000
    shutil.rmtree(directory)


def quota(top):
    directory = top / "limited"
    directory.mkdir()
    os.setxattr(directory, "user.holonfs.quota", b"1000000 10")
    with open(directory / "f", "wb") as handle:
        def fill():
            for _ in range(40):
                handle.write(bytes(100_000))
                handle.flush()
                os.fsync(handle.fileno())
        assert fails_with(errno.EDQUOT, fill) or (directory / "f").stat().st_blocks * 512 <= 1_000_000


def late_quota(top):
    """A quota on a directory that is full already counts what is there, and limits from then on."""
    directory = top / "filled"
    for number in range(50):
        inner = directory / str(number % 5)
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"f{number}").write_bytes(bytes(8192))
    os.setxattr(directory, "user.holonfs.quota", b"500000 1000")
    assert os.getxattr(directory, "user.holonfs.quota.used") == f"{50 * 8192} {50 + 5 + 1}".encode()
    assert os.getxattr(directory / "0", "user.holonfs.quota") == b"503808 1000"
    assert fails_with(errno.EPERM, os.setxattr, directory, "user.holonfs.quota.used", b"1 1")
    assert fails_with(errno.EDQUOT, (directory / "0/more").write_bytes, bytes(200_000))
    assert fails_with(errno.EXDEV, os.rename, directory / "0/f0", top / "out")


def flags(path, new=None):
    """What lsattr shows and chattr sets."""
    get, put = 0x80086601, 0x40086602
    handle = os.open(path, os.O_RDONLY)
    try:
        value = bytearray(8 if new is None else new.to_bytes(8, "little"))
        fcntl.ioctl(handle, get if new is None else put, value)
        return int.from_bytes(value[:4], "little")
    finally:
        os.close(handle)


def compression(top):
    """What is written to a directory with chattr +c takes less room, and is what it was."""
    directory = top / "packed"
    directory.mkdir()
    flags(directory, 4)
    assert flags(directory) == 4
    assert fails_with(errno.EOPNOTSUPP, flags, directory, 0x10)
    os.sync()
    free = os.statvfs(top).f_bfree
    text = b"".join(b"line %d of a file that compresses well, as most text does\n" % number for number in range(100_000))
    (directory / "text").write_bytes(text)
    with open(directory / "text", "r+b") as handle:
        os.fsync(handle.fileno())
    assert flags(directory / "text") == 4 and (directory / "text").read_bytes() == text
    taken = (free - os.statvfs(top).f_bfree) * 4096
    assert taken < len(text) / 2, f"{taken} of {len(text)} bytes"
    with open(directory / "text", "r+b") as handle, mmap.mmap(handle.fileno(), len(text)) as view:
        for at in range(1000, len(text), 70_001):
            view[at:at + 3] = b"new"
            text = text[:at] + b"new" + text[at + 3:]
    assert (directory / "text").read_bytes() == text
    flags(directory / "text", 0)
    assert flags(directory / "text") == 0


PRIVILEGES = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
def write(path, fd):
    os.write(fd, b"w")
def write_twice(path, fd):
    os.write(fd, b"w")
    os.pwrite(fd, b"w", 5000)
def copy(path, fd):
    with open("source", "rb") as source:
        assert os.copy_file_range(source.fileno(), fd, 4096) == 4096
def map_it(path, fd):
    import mmap
    with mmap.mmap(fd, 4096) as pages:
        pages[5] = 7
        pages.flush()
actions = [write, write_twice, lambda path, fd: os.ftruncate(fd, 100), lambda path, fd: os.truncate(path, 100),
    lambda path, fd: open(path, "w"), lambda path, fd: os.chown(path, -1, -1), lambda path, fd: os.fchown(fd, os.getuid(), -1),
    lambda path, fd: os.chown(path, -1, os.getgid()), lambda path, fd: os.posix_fallocate(fd, 0, 9000), lambda path, fd: os.utime(path),
    lambda path, fd: libc.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(4096)), copy, map_it, lambda path, fd: None]
for number, action in enumerate(actions):
    for mode in (0o4755, 0o6775, 0o2764, 0o6764, 0o2770, 0o644):
        path = f"{number}-{mode:o}-{os.getuid()}"
        with open(path, "w+b", buffering=0) as file:
            file.write(b"x" * 8192)
            os.chmod(path, mode)
            action(path, file.fileno())
        print(path, oct(os.stat(path).st_mode))
if os.getuid() == 0:
    value = bytes.fromhex("0100000200040000000000000000000000000000")
    for size in (0, 1, 5000):
        with open(f"capable-{size}", "w+b", buffering=0) as file:
            for turn in range(3):
                os.setxattr(file.fileno(), "security.capability", value)
                if size:
                    file.write(bytes(size))
                print(size, turn, os.listxattr(file.fileno()))
    os.mkdir("directory")
    os.chmod("directory", 0o7777)
    os.chown("directory", -1, -1)
    os.chown("directory", 5, 5)
    print(oct(os.stat("directory").st_mode))
"""


def privileges(interpreter, directory):
    """What is left of set-user-ID, set-group-ID and capabilities of files that root and another user change."""
    top = make(directory / "privileges")
    os.chmod(top, 0o777)
    (top / "source").write_bytes(b"s" * 8192)
    os.chmod(top / "source", 0o644)
    return [subprocess.run([interpreter, "-c", PRIVILEGES], user=user, group=user, extra_groups=[], cwd=top, check=True, stdout=subprocess.PIPE, text=True).stdout
            for user in (0, 65534)]


def bars(file):
    """What a check shows on a terminal, and that it shows nothing elsewhere."""
    terminal, end = pty.openpty()
    with subprocess.Popen([TOOL, "check", file, "--data"], stdout=subprocess.DEVNULL, stderr=end) as process:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other end was closed
            while part := os.read(terminal, 4096):
                shown += part
    os.close(terminal)
    quiet = run("check", file, "--data").stderr
    parts = re.findall(rb"checking (blocks|files) \[([#.]{40})\] (\d+)\.\d %", shown)
    for word, most in ((b"blocks", 50), (b"files", 95)):
        steps = [int(step) for name, _, step in parts if name == word]
        assert len(steps) > 2 and steps == sorted(steps) and most <= steps[-1] <= 100, (word, steps)
    assert shown.endswith(b"\r\033[K") and not quiet, (shown[-40:], quiet)


def requests_of_writes(mount):
    """How often the daemon reads while 1,000 blocks are written, one at a time."""
    def reads():
        return int(re.search(r"syscr: (\d+)", pathlib.Path(f"/proc/{mount.process.pid}/io").read_text())[1])
    with open(mount.directory / "blocks", "wb", buffering=0) as file:
        before = reads()
        for number in range(1000):
            os.pwrite(file.fileno(), b"b" * 4096, number * 7 % 1000 * 4096)
        return reads() - before


def permissions(work, file):
    if os.getuid():
        print("# not root: other users are not tried")
        return
    os.chmod(work, 0o755)
    mount = Mount(file, work / "shared", "-o", "allow_other,default_permissions,suid")
    top = mount.directory
    (top / "public").write_bytes(b"p")
    (top / "secret").write_bytes(b"s")
    os.chmod(top / "secret", 0o600)
    os.chmod(top / "public", 0o644)
    (top / "theirs").mkdir()
    os.chmod(top / "theirs", 0o1777)
    script = f"""
import os
assert open('{top}/public').read() == 'p'
for action in (lambda: open('{top}/secret'), lambda: open('{top}/public', 'w'), lambda: open('{top}/new', 'w')):
    try:
        action()
    except PermissionError:
        continue
    raise SystemExit(1)
open('{top}/theirs/mine', 'w').write('x')
assert os.stat('{top}/theirs/mine').st_uid == 65534
"""
    interpreter = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable  # one that others may run
    other = subprocess.run([interpreter, "-c", script], user=65534, group=65534, extra_groups=[], cwd="/")
    check("another user may do what modes say", other.returncode == 0)

    def alike():
        pairs = zip(privileges(interpreter, make(work / "host")), privileges(interpreter, top))
        different = [pair for both in pairs for pair in zip(*(text.split("\n") for text in both)) if pair[0] != pair[1]]
        assert not different, different[:9]

    attempt("privileges go as on the host's file system when a file changes", alike)
    check("and the file system ends in order", mount.unmount() == 0 and sound(file))


# ---- Several programs at once ----

def stamped(text):
    return text.encode() * 300


def client(top, number, rounds, seed):
    """Works in a tree of its own beside a model, and in one that all share. The result: what its tree is to be, and how many files of the
    shared one it made less those it removed. What it finds wrong raises."""
    chance = random.Random(seed)
    mine, shared = top / f"own{number}", top / "shared"
    mine.mkdir()
    model, balance = {}, 0
    for turn in range(rounds):
        name = f"{chance.choice('abc')}/{chance.randrange(12)}"
        at, action = mine / name, chance.randrange(7)
        at.parent.mkdir(exist_ok=True)
        if action < 2:
            model[name] = os.urandom(chance.randrange(20000))
            at.write_bytes(model[name])
        elif action == 2 and name in model:
            other = f"{chance.choice('abc')}/{chance.randrange(12)}"
            (mine / other).parent.mkdir(exist_ok=True)
            os.rename(at, mine / other)
            model[other] = model.pop(name)
        elif action == 3 and model.pop(name, None) is not None:
            at.unlink()
        elif action == 4 and name in model:
            cut = chance.randrange(30000)
            os.truncate(at, cut)
            model[name] = model[name][:cut].ljust(cut, b"\0")
        elif action == 5:
            assert at.exists() == (name in model) and (name not in model or at.read_bytes() == model[name]), f"{name} in round {turn}"
        elif action == 6:
            assert {entry.name for entry in os.scandir(at.parent)} == {path[2:] for path in model if path[0] == name[0]}, f"list in round {turn}"
        # A name that all fight for: only a whole file appears under it, and each that appears goes once.
        name, new = shared / str(chance.randrange(8)), shared / f"new{number}"
        with contextlib.suppress(FileNotFoundError):
            text = name.read_bytes()
            assert text == text[:9] * 300, f"{name} is there in part"
        new.write_bytes(stamped(f"{number:2}{turn:6}\n"))
        moved = libc.renameat2(-100, bytes(new), -100, bytes(name), 1) == 0
        assert moved or ctypes.get_errno() == errno.EEXIST
        balance += moved
        if not moved:
            new.unlink()
        if chance.randrange(2):
            with contextlib.suppress(FileNotFoundError):
                (shared / str(chance.randrange(8))).unlink()
                balance -= 1
        assert all(len(entry.name) == 1 or entry.name.startswith("new") for entry in os.scandir(shared))
    return model, balance


def in_parallel(functions):
    """The results of FUNCTIONS, each called in a process of its own; an exception of one is raised here."""
    children = []
    for function in functions:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001
                result = error if isinstance(error, Exception) else RuntimeError(str(error))
            with open(writing, "wb") as pipe:
                pickle.dump(result, pipe)
            os._exit(0)
        os.close(writing)
        children.append((child, reading))
    results = []
    for child, reading in children:
        with open(reading, "rb") as pipe:
            results.append(pickle.load(pipe))
        os.waitpid(child, 0)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def tree(top):
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def clients(work, file):
    """Eight processes at once, on the host's own file system first; what they leave is compared, then checked, then compared when it is mounted anew."""
    seed = int(os.environ.get("HOLON_SEED", random.SystemRandom().randrange(1 << 32)))
    rounds = 5000 if SOAK else 150
    print(f"# seed {seed}: HOLON_SEED={seed} repeats what each does")

    def work_in(top):
        make(top / "shared")
        results = in_parallel([lambda number=number: client(top, number, rounds, seed + number) for number in range(8)])
        for number, (model, _) in enumerate(results):
            assert tree(top / f"own{number}") == model, f"the tree of client {number}"
        assert len(os.listdir(top / "shared")) == sum(balance for _, balance in results), "a file of all was lost or doubled"
    work_in(make(work / "plain-clients"))
    mount = Mount(file, work / "m")
    top = make(work / "m/clients")
    work_in(top)
    left = tree(top)
    assert mount.unmount() == 0 and sound(file, "--data")
    mount = Mount(file, work / "m")
    assert tree(top) == left, "it differs when it is mounted again"
    shutil.rmtree(top)
    assert mount.unmount() == 0 and sound(file, "--data")


@contextlib.contextmanager
def looked_at(file):
    """Another program looks at FILE all the time."""
    looker = os.fork()
    while looker == 0:
        os.stat(file)
    try:
        yield
    finally:
        os.kill(looker, signal.SIGKILL)
        os.waitpid(looker, 0)


def changed_by_list(top):
    """A mode that an access list changed is seen at once, also while others look."""
    file = top / "listed"
    file.touch()

    def access_list(mode):  # of owner, group and others alone
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", kind, mode >> shift & 7, 0xffffffff) for kind, shift in ((1, 6), (4, 3), (0x20, 0)))
    with looked_at(file):
        for turn in range(3000 if SOAK else 300):
            want = 0o640 if turn % 2 else 0o600
            for mode in (want ^ 0o44, want):
                os.setxattr(file, "system.posix_acl_access", access_list(mode))
                time.sleep(0.001)  # others' answers of before come, if at all
            assert file.stat().st_mode & 0o777 == want, f"round {turn}"


def changed_by_names(top):
    """So are the times of a directory whose names change, and of a file whose name does."""
    directory, file = make(top / "named"), top / "linked"
    file.touch()
    os.link(file, directory / "a")
    renames = (lambda: os.rename(directory / "a", directory / "b"), lambda: os.rename(directory / "b", directory / "a"))
    pairs = ((directory / "d").mkdir, (directory / "d").rmdir), ((directory / "f").touch, (directory / "f").unlink), renames
    for looked, changes, time_of in ((directory, pairs, lambda: directory.stat().st_mtime_ns), (file, (renames,), lambda: file.stat().st_ctime_ns)):
        with looked_at(looked):
            for turn in range(3000 if SOAK else 400 // len(changes)):
                for first, second in changes:
                    first()
                    between = time.time_ns()
                    second()
                    time.sleep(0.001)
                    assert time_of() >= between, f"{looked}, round {turn}"


def ended_at_work(work, file):
    """The daemon is told to end while clients work: it answers what it has begun, and leaves the file system in order."""
    right = True
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        mount = Mount(file, work / "m")
        kept = work / f"m/kept{number}"
        with open(kept, "wb") as handle:
            handle.write(b"kept")
            os.fsync(handle.fileno())
        script = f"""
import os, sys
for number in range(1000000):
    name = f'{work}/m/{{sys.argv[1]}}-{{number % 20}}'
    open(name, 'wb').write(bytes(number % 9000))
    os.rename(name, name + 'x')
    if number == 20: print(flush=True)
"""
        writers = [subprocess.Popen([sys.executable, "-c", script, str(writer)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for writer in range(4)]
        for writer in writers:
            writer.stdout.readline()
        mount.process.send_signal(number)
        right = mount.process.wait(timeout=120 * SCALE) == 0 and right
        for writer in writers:
            writer.communicate()
        right = not os.path.ismount(work / "m") and sound(file, "--data") and right
        mount = Mount(file, work / "m")
        right = kept.read_bytes() == b"kept" and mount.unmount() == 0 and right
    return right


# ---- A user without rights ----

def users_part(work):
    """In a mount namespace of its own, as root: makes a /dev/fuse that everybody may use, and does as uid 65534 what the contract says."""
    device = make(work / "device")
    for command in (("mount", "--make-rprivate", "/"), ("mount", "-t", "tmpfs", "tmpfs", device), ("mknod", "-m", "666", device / "fuse", "c", "10", "229"),
                    ("mount", "--bind", device / "fuse", "/dev/fuse")):
        if subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
            print(f"# {command[0]} is not allowed here: a user's mounts are left out")
            return
    if subprocess.run(["sh", "-c", "exec 3<>/dev/fuse"], user=65534, stderr=subprocess.DEVNULL).returncode:
        print("# no device may be opened here: a user's mounts are left out")
        return
    user = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
    other = {"user": 1, "group": 1, "extra_groups": [], "cwd": "/"}
    file, top = work / "fs", work / "m"

    def does(text, **who):
        return subprocess.run(["sh", "-c", text], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who).returncode == 0
    check("a user: mkfs", run("mkfs", file, "--size", "1G", **user).returncode == 0 and file.stat().st_uid == 65534)
    top.mkdir()
    check("a user: nothing is mounted on what is others'", run("mount", file, top, **user).returncode == 3 and not mounted(top))
    os.chown(top, 65534, 65534)
    mount = Mount(file, top, "-o", "dev,suid", **user)
    line = mounted(top)
    check("a user: mounts, and neither devices nor set-uid programs count", "nosuid" in line[5] and "nodev" in line[5] and "user_id=65534" in line[-1], str(line))
    check("a user: files are his", does(f"cd {top} && echo words >f && [ $(cat f) = words ] && [ $(stat -c %u:%g f) = 65534:65534 ] && mkdir d && mv f d && ln d/f g && chmod 755 . d", **user))
    check("a user: gives nothing away", not does(f"chown 1 {top}/g", **user))
    check("a user: others see nothing, root neither", not does(f"cat {top}/g", **other) and not does(f"ls {top}", **other) and not does(f"cat {top}/g"))
    check("a user: others do not unmount it", not does(f"fusermount3 -u {top}", **other) and mounted(top))
    check("a user: takes a snapshot of what is mounted", run("snapshot", top, "one", **user).returncode == 0)
    with open("/etc/fuse.conf") if os.path.exists("/etc/fuse.conf") else contextlib.nullcontext([]) as lines:
        shared = any(line.strip() == "user_allow_other" for line in lines)
    check("a user: unmounts", does(f"fusermount3 -u {top}", **user) and mount.process.wait(timeout=120 * SCALE) == 0 and sound(file, "--data"))
    if shared:
        print("# /etc/fuse.conf lets users say allow_other")
    else:
        check("a user: allow_other is root's", run("mount", file, top, "-o", "allow_other", **user).returncode == 3 and not mounted(top))
    mount = Mount(file, top, "-o", "ro", **user)
    check("a user: reads again what he wrote", does(f"[ $(cat {top}/d/f) = words ] && ! touch {top}/new", **user))
    mount.process.send_signal(signal.SIGTERM)
    check("a user: the daemon unmounts when it is told to end", mount.process.wait(timeout=120 * SCALE) == 0 and not mounted(top) and sound(file))


def as_user(work):
    if os.getuid():
        print("# not root: no user but this one is tried")
        return True
    theirs = make(work / "user")
    os.chmod(work, 0o755)
    os.chmod(theirs, 0o777)
    shutil.copy(TOOL, work / "holonfs")  # where users may run it
    return subprocess.run(["unshare", "-m", sys.executable, __file__, "user", theirs], env={**os.environ, "HOLONFS_TOOL": str(work / "holonfs")}).returncode == 0


# ---- kill -9 ----

def killed_writer(work, file, rounds):
    """Every line that was fsynced is there after the daemon died."""
    acknowledged = 0
    for _ in range(rounds):
        mount = Mount(file, work / "m")
        log = work / "m/log"
        have = log.read_bytes().count(b"\n") if log.exists() else 0
        if have < acknowledged:
            return False
        writer = subprocess.Popen([sys.executable, "-c", f"""
import os, sys
fd = os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for number in range({have}, 1000000):
    os.write(fd, b'%09d %s\\n' % (number, b'x' * (number % 300)))
    os.fsync(fd)
    os.write(1, b'%d\\n' % (number + 1))
"""], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(40):
            acknowledged = int(writer.stdout.readline() or 0)
        mount.kill()
        rest = writer.communicate()[0].split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        if not sound(file):
            return False
    mount = Mount(file, work / "m")
    lines = (work / "m/log").read_bytes().split(b"\n")[:-1]
    right = len(lines) >= acknowledged and all(line == b"%09d %s" % (i, b"x" * (i % 300)) for i, line in enumerate(lines))
    return mount.unmount() == 0 and right


def killed_sqlite(work, file):
    mount = Mount(file, work / "m")
    script = """
import sqlite3, sys
base = sqlite3.connect(sys.argv[1])
base.execute('pragma synchronous = extra')  # also the journal's deletion is synced: only then a commit is durable
base.execute('create table if not exists t (n integer primary key, v text)')
while True:
    with base:
        n = base.execute('insert into t (v) values (?)', ('v' * 500,)).lastrowid
        base.execute('update t set v = ? where n = ?', ('w' * 700, n // 2))
    print(n, flush=True)
"""
    writer = subprocess.Popen([sys.executable, "-c", script, str(work / "m/base")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    acknowledged = 0
    for _ in range(60):
        acknowledged = int(writer.stdout.readline() or 0)
    mount.kill()
    rest = writer.communicate()[0].split()
    acknowledged = int(rest[-1]) if rest else acknowledged
    mount = Mount(file, work / "m")
    base = sqlite3.connect(work / "m/base")
    right = base.execute("pragma integrity_check").fetchone()[0] == "ok" and \
        base.execute("select max(n) from t").fetchone()[0] >= acknowledged
    base.close()
    return mount.unmount() == 0 and right and sound(file, "--data")


def killed_git(work, file):
    if not shutil.which("git"):
        print("# git is not installed")
        return True
    mount = Mount(file, work / "m")
    repository = work / "m/repository"
    git = ["git", "-C", repository, "-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.fsync=all", "-c", "gc.auto=0"]
    subprocess.run(["git", "init", "-q", repository], check=True)
    heads = []
    for number in range(6):
        (repository / f"file{number % 4}").write_bytes(os.urandom(20000))
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", str(number)], check=True)
        heads.append(subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True).stdout)
        if number == 3:  # git syncs files, not their directories: this does
            top = os.open(work / "m", os.O_RDONLY)
            os.fsync(top)
            os.close(top)
    mount.kill()
    mount = Mount(file, work / "m")
    whole = subprocess.run([*git, "fsck", "--full"], capture_output=True).returncode == 0
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True).stdout
    return mount.unmount() == 0 and whole and head in heads[3:] and sound(file)


def exercised(work, file):
    """One file at random against a model: on the host's own file system first, then by FUSE, with the kernel's cache and without."""
    seeds = range(1, 101 if SOAK else 3)

    def all_run(directory):
        return all(subprocess.run([ROOT / "build/tests/vault/exercise", directory / f"exercise{seed}", str(seed), "2000"]).returncode == 0 for seed in seeds)
    check("control: a file at random on the host's file system", all_run(make(work / "plain")))
    for options in ((), ("-o", "writeback")):
        mount = Mount(file, work / "m", *options)
        check(f"a file at random {' '.join(options)}", all_run(work / "m"))
        mount.unmount()
        check("and the check finds nothing", sound(file, "--data"))


def suites(work, file):
    """xfstests' fsx and fsstress, on the host's own file system first: HOLON_FS_SUITES is a folder with the two programs."""
    programs = pathlib.Path(os.environ.get("HOLON_FS_SUITES", "/nonexistent"))
    if not all(os.access(programs / name, os.X_OK) for name in ("fsx", "fsstress")):
        print("# HOLON_FS_SUITES names no folder with fsx and fsstress: they are left out")
        return
    logs = make(work / "suites")
    check("fsx knows fallocate: it was built with HAVE_LINUX_FALLOC_H", b"fallocate mode" in (programs / "fsx").read_bytes())

    def quiet(*command):
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace", timeout=1200 * SCALE)
        if result.returncode:
            print("# " + (result.stdout + result.stderr)[-2000:].replace("\n", "\n# "))
        return result.returncode == 0

    def all_run(directory):
        good = all(quiet(programs / "fsx", "-q", "-N", 5000 if SOAK else 1000, "-S", seed, "-P", logs, directory / f"fsx{seed}")
                   for seed in range(1, 6 if SOAK else 3))
        stress = make(directory / "stress")
        good = good and all(quiet(programs / "fsstress", "-d", stress, "-p", 4, "-n", 1500 if SOAK else 300, "-s", seed)
                            for seed in range(1, 4 if SOAK else 2))
        shutil.rmtree(stress)
        return good
    check("control: fsx and fsstress on the host's file system", all_run(make(work / "plain")))
    for options in ((), ("-o", "writeback")):
        mount = Mount(file, work / "m", *options)
        check(f"fsx and fsstress {' '.join(options)}", all_run(work / "m"))
        check("and the check finds nothing", mount.unmount() == 0 and sound(file, "--data"))


def built_program(work, top):
    """A C program is built in the file system and on the host: the same objects come out."""
    source = top / "build"
    source.mkdir()
    for number in range(12):
        (source / f"part{number}.c").write_text(f"int part{number}(int x) {{ return x * {number} + 1; }}\n")
    (source / "main.c").write_text("int part3(int x);\nint main(void) { return part3(2); }\n")
    (source / "Makefile").write_text("OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))\nprogram: $(OBJECTS)\n\tcc -o $@ $^\n%.o: %.c\n\tcc -O1 -c $< -o $@\n")
    shutil.copytree(source, work / "build")
    for place in (source, work / "build"):
        subprocess.run(["make", "-s", "-C", place, "MAKEFLAGS="], check=True)
    assert subprocess.run([source / "program"]).returncode == 7
    for path in (work / "build").iterdir():
        assert path.read_bytes() == (source / path.name).read_bytes(), path.name


# ---- All of it ----

def contract(work):
    file = work / "fs"
    check("mkfs", run("mkfs", file, "--size", "2G").returncode == 0)
    check("mkfs takes little room", file.stat().st_blocks * 512 <= 131072)
    check("mkfs of a new file asks for no size", run("mkfs", work / "unsized").returncode == 0 and run("check", work / "unsized").returncode == 0)
    check("mkfs does not overwrite unasked", run("mkfs", file, "--size", "2G").returncode == 3 and run("mkfs", file, "--size", "2G", "--yes").returncode == 0)
    check("check", sound(file))
    (work / "junk").write_bytes(os.urandom(200000))
    check("junk is status 2, usage status 3", run("check", work / "junk", "--json").returncode == 2 and run("check").returncode == 3
          and run("mount", file).returncode == 3)
    return file


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="holonfs-"))
    try:
        file = contract(work)
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            print("# /dev/fuse cannot be used: nothing is mounted")
            sys.exit(1 if failures else 0)
        check("mount returns when it is mounted", run("mount", file, make(work / "m")).returncode == 0 and os.path.ismount(work / "m"))
        subprocess.run(["fusermount3", "-u", work / "m"], check=True)
        wait_for(lambda: run("check", file).returncode == 0)
        mount = Mount(file, work / "m")
        for name, function in (("names", names), ("contents", contents), ("holes", holes), ("sharing", sharing),
                               ("attributes and locks", attributes), ("a large directory", large_directory), ("quota", quota),
                               ("a quota on what is there", late_quota), ("compression", compression)):
            attempt(name, lambda function=function: function(work / "m"))
        attempt("a C program is built", lambda: built_program(work, work / "m"))
        asked = requests_of_writes(mount)
        check("a write is one request", asked < 1200, f"{asked} for 1,000")
        check("unmounting", mount.unmount() == 0 and sound(file, "--data"))
        attempt("a check shows on a terminal how far it is", lambda: bars(file))
        report = json.loads(run("check", file, "--json", "--data").stdout)
        check("the check tells what is compressed", 0 < report["compressed_to"] < report["compressed"] / 2, str(report))
        mount = Mount(file, work / "m", "-o", "ro")
        check("read-only", fails_with(errno.EROFS, (work / "m/new").touch) and (work / "m/contents").exists())
        mount.unmount()
        mount = Mount(file, work / "m")
        before = os.statvfs(work / "m").f_blocks
        check("a snapshot of what is mounted, and growth", run("snapshot", work / "m", "before").returncode == 0
              and run("snapshot", work / "m", "before").returncode == 3
              and run("grow", work / "m", "--size", "3G").returncode == 0 and os.statvfs(work / "m").f_blocks > before * 1.4)
        (work / "m/contents").unlink()
        mount.unmount()
        mount = Mount(file, work / "m", "-o", "snapshot=before")
        check("a snapshot is mounted", (work / "m/contents").exists())
        mount.unmount()
        run("rollback", file, "before", "--yes")
        mount = Mount(file, work / "m")
        check("and brought back", (work / "m/contents").exists())
        mount.unmount()
        permissions(work, file)
        attempt("several programs at once leave what they should", lambda: clients(work, file))
        mount = Mount(file, work / "m")
        attempt("a mode that an access list changed is seen at once", lambda: changed_by_list(work / "m"))
        attempt("times that a change of names changed, too", lambda: changed_by_names(work / "m"))
        mount.unmount()
        attempt("the daemon is told to end while programs work", lambda: ended_at_work(work, file))
        attempt("a user without rights", lambda: as_user(work))
        attempt("a file at random", lambda: exercised(work, file))
        attempt("others' suites", lambda: suites(work, file))
        attempt("fsynced lines survive kill -9", lambda: killed_writer(work, file, 30 if SOAK else 3))
        attempt("sqlite survives kill -9", lambda: killed_sqlite(work, file))
        attempt("git survives kill -9", lambda: killed_git(work, file))
        layered(work)
    finally:
        for directory in ("m", "shared", "below"):
            subprocess.run(["fusermount3", "-u", "-z", work / directory], stderr=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failures else 0)


def make(directory):
    directory.mkdir(exist_ok=True)
    return directory


def layered(work):
    key = work / "key"
    key.write_bytes(os.urandom(32))
    disk = work / "disk"
    subprocess.run([VDISK, "create", disk, "--size", "1G", "--key-file", key], check=True)
    check("holonfs in an encrypted vdisk", run("mkfs", disk, "--key-file", key).returncode == 0 and sound(disk, "--key-file", key))
    mount = Mount(disk, work / "m", "--key-file", str(key))
    (work / "m/secret").write_bytes(b"nobody finds this text" * 1000)
    mount.unmount()
    check("keeps what it is told", b"nobody finds this text" not in disk.read_bytes() and run("check", disk, "--json").returncode == 3)
    server = subprocess.Popen([VDISK, "open", disk, "--fuse", make(work / "below"), "--key-file", key])
    below = work / "below/disk"
    wait_for(below.exists)
    check("a vdisk as a plain file below holonfs", run("mkfs", below, "--yes").returncode == 0)
    mount = Mount(below, work / "m")
    (work / "m/f").write_bytes(b"f" * 100000)
    check("works", mount.unmount() == 0 and sound(below))
    server.send_signal(signal.SIGTERM)
    check("and ends", server.wait(timeout=60 * SCALE) == 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["user"]:
        users_part(pathlib.Path(sys.argv[2]))
        sys.exit(1 if failures else 0)
    main()
