"""Roots by package name: --packages and --profile of holon-run, and the images that `subkernel run --image` knows.

A root is made once, inside Holon. The base is the profile "debian": its packages are unpacked here, as a start, and go in
on a disk; there dpkg installs all of them anew, with their maintainer scripts, in a tree of its own, which comes back on
another disk. Every other root begins with the base's tree and installs what is missing. A root is kept in build/images by what
was asked for, with the packages' versions in the file "lock"; a bundle is made from it once for each state of the system's own
programs. The second start is a start of that bundle and nothing else.
"""
import contextlib
import fcntl
import hashlib
import importlib.machinery
import importlib.util
import io
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

from . import archive, machine

ROOT = machine.ROOT
PROFILES = ROOT / "image" / "profiles"
IMAGES = ROOT / "build" / "images"
STAGE = ROOT / "tools" / "runner" / "root-stage"
INSTALL_TIMEOUT = 3600
FORM = 1  # of what is kept: another makes everything anew


class Unavailable(Exception):
    """It cannot be had; the message says what to do."""


def load_debs():
    """tools/debs as a module."""
    loader = importlib.machinery.SourceFileLoader("debs", str(ROOT / "tools" / "debs"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("debs", loader))
    loader.exec_module(module)
    return module


def say(text):
    print(f"holon-run: {text}", file=sys.stderr, flush=True)


# ---- Profiles ----

def profile_names():
    return sorted(path.name for path in PROFILES.iterdir() if not path.name.startswith("."))


class Profile:
    """A file of image/profiles (docs/subkernels.md)."""

    def __init__(self, name):
        if name not in profile_names():
            raise Unavailable(f"there is no profile '{name}': there are {', '.join(profile_names())}")
        self.name, self.install, self.own = name, [], []
        for number, line in enumerate((PROFILES / name).read_text().splitlines(), 1):
            word, _, rest = line.partition("#")[0].strip().partition(" ")
            if word == "install":
                self.install += rest.split()
            elif word == "own":
                self.own += rest.split()
            elif word:
                raise Unavailable(f"{PROFILES.name}/{name}, line {number}: '{word}' is unknown")

    @property
    def is_base(self):
        return not self.install


# ---- What is to be installed ----

def resolve(debs, wanted, status="/dev/null"):
    """[(package, version)] that are missing where dpkg's STATUS holds, in the order of unpacking, apt's own."""
    for attempt in range(2):
        done = debs.run(debs.APT + ["-o", f"Dir::State::status={status}", "-s", "install"] + wanted)
        found = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", done.stdout, re.M)
        if done.returncode == 0:
            return list(dict.fromkeys(found))
        if attempt == 0:
            with contextlib.redirect_stdout(sys.stderr):
                debs.apt_update()
    unknown = re.findall(r"Unable to locate package (\S+)|Couldn't find any package by \S+ '(\S+)'|Package '(\S+)' has no installation",
                         done.stderr)
    names = " ".join(dict.fromkeys("".join(each) for each in unknown))
    if names:
        raise Unavailable(f"there is no package {names}: apt-cache search WORD lists names")
    raise Unavailable("apt cannot install these packages together: "
                      + " ".join(line for line in (done.stdout + done.stderr).splitlines() if line[:2] in ("E:", " ")).strip())


def members(path):
    """(name, bytes) of the members of a Debian package, an ar archive."""
    with open(path, "rb") as file:
        if file.read(8) != b"!<arch>\n":
            raise Unavailable(f"{path} is no Debian package: delete it and try again")
        while header := file.read(60):
            size = int(header[48:58])
            yield header[:16].decode().rstrip(" /"), file.read(size)
            file.read(size % 2)


def member(name, data):
    """The same, written."""
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)


def without_compression(path):
    """The package with its parts unpacked from xz, which takes an emulated machine long."""
    out = io.BytesIO(b"")
    out.write(b"!<arch>\n")
    for name, data in members(path):
        if name.endswith(".xz"):
            name, data = name[:-3], lzma.decompress(data)
        out.write(member(name, data))
    return out.getvalue()


def add_bytes(out, name, data, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    out.addfile(info, io.BytesIO(data))


def tar_of(files):
    """An archive of {name: file}, with its directories."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as out:
        made = set()
        for name, file in files.items():
            for parent in reversed(pathlib.PurePosixPath(name).parents[:-1]):
                if parent not in made:
                    made.add(parent)
                    info = tarfile.TarInfo(f"./{parent}")
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    out.addfile(info)
            add_bytes(out, f"./{name}", file.read_bytes(), 0o755 if os.access(file, os.X_OK) else 0o644)
    return data.getvalue()


def own_package(name):
    """A Debian package of Holon's own, from image/NAME: `control`, `postinst`, and `files` with a line PLACE=FILE each."""
    source = ROOT / "image" / name
    try:
        files = dict(line.split("=", 1) for line in (source / "files").read_text().splitlines())
        parts = {"debian-binary": b"2.0\n",
                 "control.tar": tar_of({part: source / part for part in ("control", "postinst")}),
                 "data.tar": tar_of({place: ROOT / file for place, file in files.items()})}
    except FileNotFoundError as error:
        raise Unavailable(f"{error.filename} does not exist: run 'make all' first") from None
    return b"!<arch>\n" + b"".join(member(part, data) for part, data in parts.items())


def make_start(debs, files, path, work):
    """The base's start: its packages' files, as far as programs need them to install themselves anew."""
    tree = pathlib.Path(work, "tree")
    for directory in debs.MERGED:
        (tree / "usr" / directory).mkdir(parents=True)
        (tree / directory).symlink_to(f"usr/{directory}")
    for file in files.values():
        debs.unpack(file, tree)
    for name in ("proc", "sys", "dev", "tmp", "run", "var/lib/dpkg/info", "var/lib/dpkg/updates", "etc/dpkg/dpkg.cfg.d"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    (tree / "var/lib/dpkg/status").write_text("")
    (tree / "var/lib/dpkg/arch").write_text("amd64\n")
    (tree / "etc/dpkg/dpkg.cfg.d/holon").write_text(
        "# As in other small images: what nobody reads in a sub-kernel stays out, copyrights stay in.\n"
        + "".join(f"path-exclude={pattern[1:]}\n" for pattern in debs.LEFT_OUT) + "path-include=/usr/share/doc/*/copyright\n")
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as out:
        def as_root(info):
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            return info
        out.add(tree, ".", filter=as_root)


def make_seed(files, own, is_base, path):
    """The packages, and what is done with them; those of OWN as bytes."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as out:
        add_bytes(out, "holon/stage", STAGE.read_bytes(), 0o755)
        add_bytes(out, "holon/base", b"yes\n" if is_base else b"")
        add_bytes(out, "holon/all", "".join(f"{name}\n" for name in [*files, *own]).encode())
        for name, file in files.items():
            add_bytes(out, f"holon/{name}.deb", without_compression(file))
        for name, data in own.items():
            add_bytes(out, f"holon/{name}.deb", data)


def run_to_its_end(line, log):
    """The status. When this program is ended meanwhile, so is the other, in order: it has a machine to end."""
    with open(log, "wb") as out:
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise


def install(debs, packages, own, base, directory):
    """Makes DIRECTORY/root.tar by a run of Holon, from the tree BASE/root.tar where there is one."""
    with contextlib.redirect_stdout(sys.stderr):
        files = dict(zip((name for name, _ in packages), debs.download(packages)))
    work = directory / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    make_seed(files, own, not base, work / "seed")
    if base:
        os.link(base / "root.tar", work / "start")
    else:
        make_start(debs, files, work / "start", work)
    size = os.path.getsize(work / "seed") + os.path.getsize(work / "start")
    with open(work / "root", "wb") as out:
        out.truncate(2 * size + (256 << 20))
    memory = 1024 + 3 * (size >> 20)
    say(f"installing {len(packages) + len(own)} packages inside Holon, once; {directory.relative_to(ROOT)}/log tells")
    line = [str(ROOT / "tools" / "holon-run"), "--mem", str(memory), "--cpus", "2", "--timeout", str(INSTALL_TIMEOUT),
            "--block", f"{work}/start,ro", "--block", f"{work}/seed,ro", "--block", f"{work}/root", "--", "sh", "-c",
            "mkdir /target && tar -xf /dev/block/start -C /target && tar -xf /dev/block/seed -C /target && mount -t proc proc /target/proc && "
            "mount --bind /dev /target/dev && mount -t sysfs sysfs /target/sys && exec chroot /target /bin/sh /holon/stage"]
    status = run_to_its_end(line, directory / "log")
    if status:
        end = "\n".join((directory / "log").read_text(errors="replace").splitlines()[-15:])
        raise Unavailable(f"the packages could not be installed (status {status}); {directory}/log ends with:\n{end}")
    with tarfile.open(work / "root", "r:") as made:
        if "./var/lib/dpkg/status" not in made.getnames():
            raise Unavailable(f"what was installed did not come back whole; see {directory}/log")
        end = made.offset
    os.truncate(work / "root", end + (-end % 512) + 1024)
    (work / "root").rename(directory / "root.tar")
    shutil.rmtree(work)


def wanted_of(profile, packages):
    return (profile.install or Profile("debian").install) + sorted(set(packages))


def root_path(profile, packages):
    """build/images/KEY, where the root of the profile with the packages is once it was made."""
    wanted, base = wanted_of(profile, packages), Profile("debian")
    parent = root_path(base, []).name if wanted != base.install else None
    key = (FORM, wanted, STAGE.read_bytes(), parent) + tuple(own_package(name) for name in profile.own)
    return IMAGES / hashlib.sha256(repr(key).encode()).hexdigest()[:24]


def root_directory(profile, packages):
    """build/images/KEY with root.tar, made where it is missing."""
    base_profile = Profile("debian")
    wanted = wanted_of(profile, packages)
    for name in packages:
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?", name):
            raise Unavailable(f"'{name}' is no name of a package")
    base = root_directory(base_profile, []) if wanted != base_profile.install else None
    directory = root_path(profile, packages)
    if (directory / "root.tar").exists():
        return directory
    IMAGES.mkdir(parents=True, exist_ok=True)
    with open(IMAGES / f"{directory.name}.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if (directory / "root.tar").exists():
            return directory
        debs = load_debs()
        with open(ROOT / "build" / "debs.lock", "w") as lock, tempfile.TemporaryDirectory() as work:
            fcntl.flock(lock, fcntl.LOCK_EX)
            status = "/dev/null"
            if base:
                with tarfile.open(base / "root.tar") as tree:
                    status = pathlib.Path(work, "status")
                    status.write_bytes(tree.extractfile("./var/lib/dpkg/status").read())
            resolved = resolve(debs, wanted, status)
        directory.mkdir(exist_ok=True)
        own = {name: own_package(name) for name in profile.own}
        if not resolved and not own and base:
            os.link(base / "root.tar", directory / "root.tar")  # all of it is in the base
            return directory
        (directory / "lock").write_text("# " + " ".join(wanted) + "\n" + "".join(f"{p} {v}\n" for p, v in resolved))
        install(debs, resolved, own, base, directory)
    return directory


# ---- Bundles ----

def parts_of_build():
    """What every image has beside its roots' own files, as image/module.mk says: {native/NAME, etc/PATH, boot/NAME or guest/PATH in a root: file}, and {path: target}
    of the links in a root."""
    listed = ROOT / "build" / "x86_64" / "image-parts"
    if not listed.exists():
        raise Unavailable(f"{listed} does not exist: run 'make all' first")
    words = listed.read_text().split()
    parts = dict(word.split("=", 1) for word in words)
    links = {place[5:]: parts.pop(place) for place in list(parts) if place.startswith("link/")}
    return parts, links


def state_of(files):
    """What tells one build from another, without reading it all."""
    text = []
    for file in files:
        status = os.stat(file)
        text.append((str(file), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(text).encode()).hexdigest()[:16]


def bundle(profile_name, packages, images):
    """The bundle whose first root is that of the profile with the packages; `images` are more profiles inside."""
    profile = Profile(profile_name or ("debian" if packages else "minimal"))
    others = [Profile(name) for name in dict.fromkeys(images)]
    if profile.is_base and not packages and not others:
        return machine.BUNDLE
    first = root_directory(profile, packages) if packages or not profile.is_base else None
    roots = {each.name: root_directory(each, []) for each in others if not each.is_base}
    parts, links = parts_of_build()
    try:
        needed = [ROOT / file for file in parts.values()]
        state = state_of(needed + [ROOT / "tools/mksysimg/mksysimg", ROOT / "tools/mkbundle"]
                         + [path / "root.tar" for path in roots.values()])
    except FileNotFoundError as error:
        raise Unavailable(f"{error.filename} does not exist: run 'make all' first") from None
    directory = first or IMAGES / "minimal"
    directory.mkdir(parents=True, exist_ok=True)
    kind = "-".join(["bundle", profile.name] + [each.name for each in others])
    name = f"{kind}-{state}"
    result = directory / name
    if result.exists():
        return result
    for old in directory.glob(f"{kind}-{16 * '[0-9a-f]'}"):
        old.unlink()
    say("making the image, once")
    line = [str(ROOT / "tools/mksysimg/mksysimg"), "--digest", str(ROOT / "build/host/bin/blake3-blocks"), "-o", str(directory / "system.img"),
            "--file", f"{ROOT}/image/manifest:etc/manifest"]
    line += [word for path, file in parts.items() if path.startswith(("native/", "etc/")) for word in ("--file", f"{ROOT / file}:{path}")]
    trees = {"linux": first, f"images/{profile.name}": first, **{f"images/{each.name}": roots.get(each.name) for each in others}}
    for place, source in trees.items():
        line += ["--tar", f"{source}/root.tar:{place}"] if source else ["--tree", f"{ROOT}/build/root/minimal:{place}"]
        line += [word for path, file in parts.items() if path.startswith("guest/") for word in ("--file", f"{ROOT / file}:{place}/{path[6:]}")]
        line += [word for path, target in links.items() for word in ("--symlink", f"{target}:{place}/{path}")]
    done = subprocess.run(line, capture_output=True, text=True)
    if not done.returncode:
        line = [str(ROOT / "tools/mkbundle"), str(result)]
        line += [f"{path[5:]}={ROOT / file}" for path, file in parts.items() if path.startswith("boot/")]
        done = subprocess.run(line + [f"system={directory / 'system.img'}"], capture_output=True, text=True)
    (directory / "system.img").unlink(missing_ok=True)
    if done.returncode:
        raise Unavailable(f"the image could not be made: {done.stderr.strip()}")
    return result


def linux_archive(profile_name, packages):
    """The same root for Linux: a cpio archive; None for the minimal one."""
    profile = Profile(profile_name or ("debian" if packages else "minimal"))
    if profile.is_base and not packages:
        return None
    directory = root_directory(profile, packages)
    result = directory / "root.cpio"
    if not result.exists():
        with open(directory / "root.cpio.part", "wb") as out:
            cpio = archive.Cpio(out)
            cpio.tar(directory / "root.tar")
            cpio.end()
        os.replace(directory / "root.cpio.part", result)
    return result
