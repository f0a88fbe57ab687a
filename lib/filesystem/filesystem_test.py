#!/usr/bin/env python3
"""The file systems of lib/ext4 and lib/fat against the tools of e2fsprogs, dosfstools and mtools: images made by those are changed at random by ours, then
checked and read by those; and what those wrote is read by ours. HOLON_SEED repeats a run."""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHELL = ROOT / "build/host/test/filesystem-shell"
EXT4 = {  # name: (size in MiB, options of mkfs.ext4, writable)
    "default": (64, [], True),
    "4k blocks": (64, ["-b", "4096"], True),
    "2k blocks": (48, ["-b", "2048"], True),
    "1k blocks, small groups": (32, ["-b", "1024", "-g", "1024", "-N", "4096"], True),
    "inodes of 128 bytes": (32, ["-I", "128", "-O", "^metadata_csum,^64bit"], True),
    "no checksums": (32, ["-O", "^metadata_csum"], True),
    "uninit_bg": (64, ["-O", "^metadata_csum,uninit_bg"], True),
    "no 64bit": (32, ["-O", "^64bit"], True),
    "no flex_bg": (64, ["-O", "^flex_bg"], True),
    "no journal": (32, ["-O", "^has_journal"], True),
    "no index": (32, ["-O", "^dir_index"], True),
    "meta_bg": (64, ["-b", "1024", "-O", "meta_bg,^resize_inode"], True),
    "sparse_super2": (64, ["-O", "sparse_super2,^resize_inode"], True),
    "checksum seed, orphan file": (32, ["-O", "metadata_csum_seed,orphan_file"], True),
    "large_dir": (32, ["-O", "large_dir"], True),
    "unsigned hashes": (32, [], True),
    "tea": (32, [], True),
    "legacy": (32, [], True),
    "no types": (32, ["-O", "^filetype"], True),
    "ext2": (32, ["-t", "ext2"], False),
    "ext3": (32, ["-t", "ext3"], False),
    "quota": (32, ["-O", "quota"], False),
    "bigalloc": (64, ["-O", "bigalloc", "-C", "16384"], None),
    "project": (32, ["-O", "project,quota"], False),
}
REFUSED = {"inline_data": ["-O", "inline_data"], "encrypt": ["-O", "encrypt"], "casefold": ["-O", "casefold"], "mmp": ["-O", "mmp"],
           "ea_inode": ["-O", "ea_inode"]}
FAT = {  # name: (size in KiB, options of mkfs.fat)
    "FAT12": (1440, []),
    "FAT12, large clusters": (16000, ["-F", "12", "-s", "16"]),
    "FAT16": (32768, ["-F", "16"]),
    "FAT16, 32k clusters": (262144, ["-F", "16", "-s", "64"]),
    "FAT32": (65536, ["-F", "32", "-s", "1"]),
    "FAT32, 4k clusters": (300000, ["-F", "32", "-s", "8"]),
    "FAT32, 4k sectors": (300000, ["-F", "32", "-S", "4096", "-s", "1"]),
    "one table": (32768, ["-F", "16", "-f", "1"]),
}
failures = 0


def report(name, good, why=""):
    global failures
    failures += not good
    print(f"ok filesystem: {name}" if good else f"not ok filesystem: {name} - {str(why)[-1500:]}", flush=True)
    return good


def run(*command, **keywords):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, **keywords)


class Shell:
    def __init__(self, kind, image, *options):
        self.process = subprocess.Popen([str(SHELL), *options, kind, str(image)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.mounted = self.answer()[0] == 0

    def answer(self):
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                return -1, lines + [self.process.stderr.read()[-3000:]]
            line = line.rstrip("\n")
            if line == "ok":
                return 0, lines
            if line.startswith("error "):
                return int(line.split()[1]), lines
            lines.append(line)

    def __call__(self, *words):
        self.process.stdin.write("\t".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        out, errors = self.process.communicate()
        return self.process.returncode, errors


class Model:
    """What the file system should hold: each path's contents, or None for a directory."""

    def __init__(self, chance, shell, work, kind):
        self.chance, self.shell, self.work, self.kind = chance, shell, work, kind
        self.files, self.directories, self.symlinks, self.attributes = {}, [""], {}, {}
        self.log = []

    def name(self):
        kind = self.chance.randrange(6)
        if kind == 0:
            return "".join(self.chance.choice("abcdefgh") for _ in range(self.chance.randrange(1, 9)))
        if kind == 1:
            return f"A long name, number {self.chance.randrange(10000)} of " + "many " * self.chance.randrange(1, 40)
        if kind == 2:
            return f"na\u00efve-\u540d\u524d-{self.chance.randrange(1000)}"
        if kind == 3:
            return f"FILE{self.chance.randrange(1000)}.TXT"
        return f"file-{self.chance.randrange(100000)}.dat"

    def new(self):
        while True:
            path = f"{self.chance.choice(self.directories)}/{self.name().strip()}"
            known = {each.lower() for each in [*self.files, *self.directories, *self.symlinks]}
            if path.lower() not in known:
                return path

    def do(self, *words):
        self.log = self.log[-30:] + [words]
        return self.shell(*words)

    def write(self, path, offset, data):
        source = self.work / "source"
        source.write_bytes(data)
        error, lines = self.do("put", path, source, offset)
        old = self.files[path]
        if error == -228:
            self.files[path] = None
            return self.refresh(path)
        if len(old) < offset:
            old += bytes(offset - len(old))
        self.files[path] = old[:offset] + data + old[offset + len(data):]
        return error, lines

    def refresh(self, path):
        """After a full disk, whatever was taken is what is there."""
        self.shell("get", path, self.work / "got")
        self.files[path] = (self.work / "got").read_bytes()
        return 0, []

    def step(self):
        """One random operation: what went wrong, or None."""
        chance, files = self.chance, sorted(self.files)
        what = chance.randrange(100)
        if what < 25 or not files:
            path = self.new()
            error, lines = self.do("create", path)
            if error == -228:
                return None
            self.files[path] = b""
            if not error and chance.randrange(3):
                error, lines = self.write(path, 0, chance.randbytes(chance.choice([10, 900, 5000, 40000, 200000])))
        elif what < 45:
            path = chance.choice(files)
            size = len(self.files[path])
            offset = chance.choice([size, chance.randrange(size + 1), size + chance.randrange(100000)])
            error, lines = self.write(path, offset, chance.randbytes(chance.choice([1, 511, 4096, 20000, 70000])))
        elif what < 53:
            path = chance.choice(files)
            size = chance.choice([0, chance.randrange(len(self.files[path]) + 1), len(self.files[path]) + chance.randrange(50000)])
            error, lines = self.do("truncate", path, size)
            if error == -228:
                return self.refresh(path)[0] or None
            self.files[path] = self.files[path][:size] + bytes(max(0, size - len(self.files[path])))
        elif what < 63:
            path = self.new()
            error, lines = self.do("mkdir", path)
            if error == -228:
                return None
            self.directories.append(path)
        elif what < 73:
            path = chance.choice(files)
            error, lines = self.do("rm", path)
            del self.files[path]
            self.attributes.pop(path, None)
        elif what < 83:
            path, to = chance.choice(files), self.new()
            if chance.randrange(3) == 0 and len(files) > 1:
                to = chance.choice([each for each in files if each != path])
            error, lines = self.do("mv", path, to)
            if error == -228:
                return None
            self.files[to] = self.files.pop(path)
            self.attributes.pop(to, None)
            if path in self.attributes:
                self.attributes[to] = self.attributes.pop(path)
        elif what < 87 and len(self.directories) > 1:
            path = chance.choice(self.directories[1:])
            if any(each.startswith(path + "/") for each in [*self.files, *self.directories, *self.symlinks]):
                error, lines = self.do("rmdir", path)
                error = 0 if error == -239 else error or -1
            else:
                error, lines = self.do("rmdir", path)
                self.directories.remove(path)
        elif what < 90 and len(self.directories) > 1:
            path, to = chance.choice(self.directories[1:]), self.new()
            if to.startswith(path + "/"):
                error, lines = self.do("mv", path, to)
                error = 0 if error == -4 else error or -1
            else:
                error, lines = self.do("mv", path, to)
                if error == -228:
                    return None
                def moved(each):
                    return to + each[len(path):] if each == path or each.startswith(path + "/") else each
                self.files = {moved(each): data for each, data in self.files.items()}
                self.symlinks = {moved(each): data for each, data in self.symlinks.items()}
                self.attributes = {moved(each): data for each, data in self.attributes.items()}
                self.directories = [moved(each) for each in self.directories]
        elif self.kind == "fat" or what < 92:
            error, lines = self.do("sync")
        elif what < 94:
            path, target = self.new(), "t" * chance.choice([5, 59, 60, 300])
            error, lines = self.do("symlink", path, target)
            if error == -228:
                return None
            self.symlinks[path] = target
        elif what < 96:
            path, name = chance.choice(files), f"user.{chance.choice('abc') * chance.randrange(1, 30)}"
            value = "v" * chance.choice([1, 20, 60, 400])
            error, lines = self.do("setattr", path, name, value)
            if error == -228:
                return None
            self.attributes.setdefault(path, {})[name] = value
        else:
            path = chance.choice(files)
            size = len(self.files[path])
            begin = chance.randrange(size + 1)
            length = chance.randrange(1, 60000)
            mode = chance.choice([0, 1, 3, 16, 17])  # reserve, keep size, punch, zero
            error, lines = self.do("allocate", path, begin, length, mode)
            if error == -228:
                return self.refresh(path)[0] or None
            data = self.files[path]
            if mode in (3, 16, 17):
                end = min(begin + length, size)
                data = data[:begin] + bytes(end - begin) + data[end:]
            if mode in (0, 16) and begin + length > size:
                data += bytes(begin + length - size)
            self.files[path] = data
        return f"error {error} of {words_of(self.log)}: {lines}" if error else None

    def check(self, shell):
        """What SHELL reads is what was written."""
        got = self.work / "got"
        for path, data in self.files.items():
            error, lines = shell("get", path, got)
            if error or got.read_bytes() != data:
                return f"{path}: error {error} {lines}, or other contents than {len(data)} bytes written"
        for path, target in self.symlinks.items():
            error, lines = shell("readlink", path)
            if error or lines != [target]:
                return f"{path}: error {error}, target {lines}"
        for path, values in self.attributes.items():
            for name, value in values.items():
                error, lines = shell("getattr", path, name)
                if error or lines != [value]:
                    return f"{path}: {name}: error {error}, value {lines}"
        for directory in self.directories:
            error, lines = shell("ls", directory or "/")
            names = sorted(line.split(" ", 1)[1] for line in lines)
            wanted = sorted(each.rsplit("/", 1)[1] for each in [*self.files, *self.directories[1:], *self.symlinks] if each.rsplit("/", 1)[0] == directory)
            if not directory:
                names = [name for name in names if name not in ("lost+found", "host")]
            if error or names != wanted:
                return f"{directory}: error {error}, names {set(names) ^ set(wanted)}"
        return None

    def compare(self, tree):
        """What another program took out of the image is the same."""
        for path, data in self.files.items():
            there = tree / path[1:]
            if not there.is_file() or there.read_bytes() != data:
                return f"{path} is missing or has other contents"
        return None


def words_of(log):
    return "; ".join(" ".join(map(str, words)) for words in log[-3:])


def fsck(kind, image):
    result = run("e2fsck", "-fn", image) if kind == "ext4" else run("fsck.fat", "-n", "-V" if False else "-v", image)
    return None if result.returncode == 0 else f"fsck says {result.returncode}: {result.stdout[-1200:]}{result.stderr[-300:]}"


def extract(kind, image, tree):
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    if kind == "ext4":
        run("debugfs", "-R", f"rdump / {tree}", image)
    else:
        environment = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
        run("mcopy", "-s", "-n", "-Q", "-i", image, "::/", tree, env=environment)


def change(name, kind, image, work, chance, steps):
    shell = Shell(kind, image)
    if not report(f"{name}: mounts", shell.mounted, shell.end()[1] if not shell.mounted else ""):
        return None
    model = Model(chance, shell, work, kind)
    wrong = None
    for _ in range(steps):
        wrong = model.step()
        if wrong:
            break
    wrong = wrong or model.check(shell)
    status, errors = shell.end()
    if not report(f"{name}: {steps} random changes", not wrong and not status, wrong or errors):
        return None
    wrong = fsck(kind, image)
    report(f"{name}: fsck finds nothing", not wrong, wrong)
    extract(kind, image, work / "tree")
    wrong = model.compare(work / "tree")
    report(f"{name}: other tools read the same", not wrong, wrong)
    shell = Shell(kind, image, "-r")
    wrong = model.check(shell) if shell.mounted else "it does not mount again"
    shell.end()
    report(f"{name}: all is there after mounting again", not wrong, wrong)
    return model


def many(name, kind, image, count):
    """A directory of many names: made, listed, half removed."""
    shell = Shell(kind, image)
    wrong = None
    error, lines = shell("mkdir", "/many")
    for number in range(count):
        error, lines = shell("create", f"/many/a-name-with-number-{number}")
        wrong = wrong or (error and f"create {number}: {error}")
    for number in range(0, count, 2):
        error, lines = shell("rm", f"/many/a-name-with-number-{number}")
        wrong = wrong or (error and f"rm {number}: {error}")
    error, lines = shell("ls", "/many")
    wanted = {f"100000 a-name-with-number-{number}" for number in range(1, count, 2)}
    wrong = wrong or error or (set(lines) != wanted and f"{len(lines)} names are listed")
    status, errors = shell.end()
    wrong = wrong or status or fsck(kind, image)
    report(f"{name}: {count} names in a directory", not wrong, f"{wrong} {errors}")


def cut(name, kind, image, work):
    """A file that is cut again before the first cut is durable; and many files in use between the two."""
    shell = Shell(kind, image)
    (work / "source").write_bytes(bytes(range(256)) * 400)
    wrong = None
    for words in [("mkdir", "/in"), ("create", "/cut"), ("put", "/cut", work / "source", 0), ("sync",), ("truncate", "/cut", 2498), ("truncate", "/cut", 1478),
                  *[("create", f"/in/between-{number}") for number in range(300)], ("put", "/cut", work / "source", 1478), ("sync",),
                  ("truncate", "/cut", 5000), ("rm", "/cut"), ("sync",)]:
        error, lines = shell(*words)
        wrong = wrong or (error and f"{words}: error {error} {lines}")
    status, errors = shell.end()
    wrong = wrong or status or fsck(kind, image)
    report(f"{name}: a file that is cut twice", not wrong, f"{wrong} {errors}")


def host_tree(work, chance):
    tree = work / "made"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "host/a directory/with another").mkdir(parents=True)
    contents = {}
    for number in range(60):
        path = chance.choice(["", "a directory/", "a directory/with another/"]) + f"file number {number}.bin"
        path = "host/" + path
        contents["/" + path] = chance.randbytes(chance.choice([0, 7, 3000, 100000]))
        (tree / path).write_bytes(contents["/" + path])
    return tree, contents


def reads(name, kind, image, contents, work):
    shell = Shell(kind, image, "-r")
    wrong = None if shell.mounted else "does not mount"
    for path, data in contents.items():
        if wrong:
            break
        error, lines = shell("get", path, work / "got")
        if error or (work / "got").read_bytes() != data:
            wrong = f"{path}: error {error} or other contents"
    status, errors = shell.end()
    return report(f"{name}: what others wrote is read", not wrong, f"{wrong} {errors}")


def ext4(work, chance, steps):
    image = work / "image"
    for name, (megabytes, options, writable) in EXT4.items():
        tree, contents = host_tree(work, chance)
        image.unlink(missing_ok=True)
        image.write_bytes(b"")
        os.truncate(image, megabytes << 20)
        made = run("mkfs.ext4", "-q", "-F", "-d", tree, *options, image)
        if made.returncode:
            report(f"ext4, {name}: mkfs", False, made.stderr)
            continue
        if name == "unsigned hashes":
            run("debugfs", "-w", "-R", "set_super_value flags 2", image)
        if name in ("tea", "legacy"):
            run("tune2fs", "-E", f"hash_alg={name}", image)
        if writable is not None:
            reads(f"ext4, {name}", "ext4", image, contents, work)
        if writable:
            change(f"ext4, {name}", "ext4", image, work, chance, steps)
            cut(f"ext4, {name}", "ext4", image, work)
            if name in ("default", "1k blocks, small groups", "4k blocks", "tea", "legacy", "unsigned hashes", "no checksums", "large_dir"):
                many(f"ext4, {name}", "ext4", image, 1500 if "1k" in name or name == "default" else 700)
        else:
            shell = Shell("ext4", image)
            error = shell("create", "/new")[0] if shell.mounted else -230
            status, errors = shell.end()
            report(f"ext4, {name}: is read-only, or refused, with a word why", error == -230 and "ext4:" in errors, f"{error} {errors}")
    for name, options in REFUSED.items():
        os.truncate(image, 0)
        os.truncate(image, 32 << 20)
        made = run("mkfs.ext4", "-q", "-F", *options, image)
        shell = Shell("ext4", image)
        status, errors = shell.end()
        report(f"ext4, {name}: is refused by name", made.returncode == 0 and not shell.mounted and name in errors, made.stderr + errors)


def fat(work, chance, steps):
    image = work / "image"
    for name, (kilobytes, options) in FAT.items():
        image.unlink(missing_ok=True)
        image.write_bytes(b"")
        os.truncate(image, kilobytes << 10)
        made = run("mkfs.fat", *options, image)
        if made.returncode:
            report(f"{name}: mkfs", False, made.stdout + made.stderr)
            continue
        if kilobytes > 5000:
            tree, contents = host_tree(work, chance)
            environment = dict(os.environ, MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
            run("mcopy", "-s", "-Q", "-i", image, *sorted(tree.iterdir()), "::/", env=environment)
            reads(name, "fat", image, contents, work)
        change(name, "fat", image, work, chance, steps)
        if kilobytes > 5000:
            many(name, "fat", image, 400)
            cut(name, "fat", image, work)


def main():
    seed = int(os.environ.get("HOLON_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# seed {seed}: HOLON_SEED={seed} repeats it")
    chance = random.Random(seed)
    steps = 1500 if "soak" in sys.argv[1:] else 120
    with tempfile.TemporaryDirectory(prefix="filesystem-test-") as work:
        if "fat" not in sys.argv[1:]:
            ext4(pathlib.Path(work), chance, steps)
        if "ext4" not in sys.argv[1:]:
            fat(pathlib.Path(work), chance, steps)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
