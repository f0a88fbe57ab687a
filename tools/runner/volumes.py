"""--volume of holon-run: a host file or directory that is visible in the guest, whose changes come back after the run.

A volume travels as an archive on a disk of its own, both ways: the program build/guest/volumes unpacks it in front of the
command and packs it behind it. What comes back is outside data: no name leads out of the volume, and only what the run
changed is changed on the host. Owners: the caller's own files are root's inside, others keep their numbers.
"""
import os
import pathlib
import shutil
import stat
import struct
import tarfile

from . import machine

PROGRAM = machine.ROOT / "build" / "guest" / "volumes"
GUEST_PROGRAM = "/.holon-volumes"
HEADER, GIVEN, BACK = 4096, b"HVOLGIVE", b"HVOLBACK"
COUNT_MAX = 16
ROOM = 64 << 20  # of a device, beyond what the volume and the guest's memory hold


class Damaged(Exception):
    """What came back cannot be taken; the message says why."""


class Volume:
    """HOST:GUEST[:ro]."""

    def __init__(self, text):
        words = text.rsplit(":", 2)
        self.read_only = len(words) == 3 and words[2] == "ro"
        if self.read_only or (len(words) == 3 and words[2] == "rw"):
            words = words[:2]
        else:
            words = text.rsplit(":", 1)
        if len(words) != 2 or not words[0] or not words[1].startswith("/"):
            raise ValueError(f"'{text}' is not HOST:GUEST[:ro] with an absolute GUEST path")
        self.host, self.guest = words[0], os.path.normpath("/" + words[1].lstrip("/"))
        if self.guest == "/":
            raise ValueError(f"'{text}': a volume cannot take the place of the guest's root")
        if not os.path.exists(self.host):
            raise ValueError(f"there is no '{self.host}' on the host: make it first, such as with 'mkdir {self.host}'")
        self.is_directory = os.path.isdir(self.host)
        if not self.is_directory and not os.path.isfile(self.host):
            raise ValueError(f"'{self.host}' is neither a file nor a directory")
        if not self.read_only and not os.access(self.host, os.W_OK):
            raise ValueError(f"'{self.host}' cannot be written by you: say '{self.host}:{self.guest}:ro' to read it alone")

    def arguments(self, number):
        kind = "d" if self.is_directory else "f"
        return f"holon-volume{number}:{kind.upper() if self.read_only else kind}:{self.guest}"

    def pack(self, path, room):
        """Writes the device's file at PATH, with ROOM bytes for what comes back; remembers what was given."""
        self.path, self.given = path, {}
        with open(path, "wb") as out:
            out.write(GIVEN.ljust(HEADER, b"\0"))
            with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT, bufsize=1 << 20, dereference=False) as archive:
                archive.copybufsize = 1 << 20
                top = os.path.realpath(self.host)
                self.pack_one(archive, top, "." if self.is_directory else "file")
                for directory, names, files in os.walk(top) if self.is_directory else ():
                    names.sort()
                    for name in sorted(files + names):
                        path_of = os.path.join(directory, name)
                        self.pack_one(archive, path_of, os.path.join(".", os.path.relpath(path_of, top)))
            size = out.tell()
            out.truncate((size + room + ROOM) & -4096)

    def pack_one(self, archive, path, name):
        info = archive.gettarinfo(path, arcname=name)
        if info is None:
            return  # a socket
        if info.isdev() and not info.isfifo():
            return
        if info.uid == os.geteuid():
            info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = int(info.mtime)
        if info.isreg():
            with open(path, "rb") as data:
                archive.addfile(info, data)
        else:
            archive.addfile(info)
        status = os.lstat(path)
        self.given[os.path.normpath(name)] = (status.st_mode, status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)

    def bring_back(self):
        """Takes what the run changed; Damaged when the device does not hold a whole answer."""
        if self.read_only:
            return
        with open(self.path, "rb") as device:
            header = device.read(HEADER)
            if not header.startswith(BACK):
                raise Damaged("its changes did not come back, since the command did not end in order")
            removed, size = struct.unpack_from("<B7xQ", header, len(BACK))
            if removed and not self.is_directory:
                os.unlink(os.path.realpath(self.host))
                return
            if os.fstat(device.fileno()).st_size < HEADER + size:
                raise Damaged("what came back is cut short")
            try:
                with tarfile.open(fileobj=device, mode="r|", bufsize=1 << 20) as archive:
                    if self.is_directory:
                        self.take_tree(archive, size)
                    else:
                        self.take_single(archive)
            except (tarfile.TarError, ValueError) as error:
                raise Damaged(f"what came back is damaged: {error}") from None

    def take_single(self, archive):
        info = archive.next()
        if info is None or not info.isreg():
            raise Damaged("there is no regular file in its place any more")
        with open(os.path.realpath(self.host), "r+b") as out:
            shutil.copyfileobj(archive.extractfile(info), out, 1 << 20)
            out.truncate()
        os.chmod(os.path.realpath(self.host), info.mode & 0o7777)

    def place(self, top, name):
        """The host path of a name that came back: below TOP, through directories alone."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise Damaged(f"the name '{name}' leads out of the volume")
        path = top
        for part in parts[:-1]:
            path = os.path.join(path, part)
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise Damaged(f"the name '{name}' leads through what is no directory")
        return os.path.join(path, parts[-1]) if parts else top

    def take_tree(self, archive, size):
        top = os.path.realpath(self.host)
        came, modes = set(), []
        for info in archive:
            path = self.place(top, info.name)
            relative = os.path.normpath(os.path.relpath(path, top))
            came.add(relative)
            if info.isdir():
                if not os.path.isdir(path) or os.path.islink(path):
                    remove(path)
                    os.mkdir(path, 0o700)
                modes.append((path, info))
            elif info.isreg():
                self.take_file(archive, info, path)
            elif info.issym():
                if not os.path.islink(path) or os.readlink(path) != info.linkname:
                    remove(path)
                    os.symlink(info.linkname, path)
            elif info.islnk():
                first = self.place(top, info.linkname)
                if not os.path.lexists(path) or not os.path.samestat(os.lstat(path), os.lstat(first)):
                    remove(path)
                    os.link(first, path, follow_symlinks=False)
            elif info.isfifo():
                if not os.path.lexists(path) or not stat.S_ISFIFO(os.lstat(path).st_mode):
                    remove(path)
                    os.mkfifo(path)
                os.chmod(path, info.mode & 0o7777)
        # tarfile takes what it cannot read for the end; what did not come is removed only behind the real one.
        if archive.offset + 2 * tarfile.BLOCKSIZE != size:
            raise Damaged("what came back is cut short")
        for relative in sorted(set(self.given) - came, reverse=True):
            try:
                path = self.place(top, relative)
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    os.rmdir(path)
                else:
                    os.unlink(path)
            except OSError:
                pass  # it is gone, or somebody put something into it meanwhile
        for path, info in reversed(modes):
            os.chmod(path, info.mode & 0o7777)

    def take_file(self, archive, info, path):
        """Written only where it differs, and then whole before it takes the old one's place."""
        status = os.lstat(path) if os.path.lexists(path) else None
        same = status is not None and stat.S_ISREG(status.st_mode) and status.st_size == info.size
        source = archive.extractfile(info)
        temporary = os.path.join(os.path.dirname(path), f".holon-volume-{os.getpid()}")
        # The stream is read once: what is like the file so far is not kept twice.
        out, done = None, 0
        try:
            with open(path, "rb") if same else open(os.devnull, "rb") as old:
                while block := source.read(1 << 20):
                    if out is None and (not same or old.read(len(block)) != block):
                        out = open(temporary, "wb")
                        with open(path, "rb") if done else open(os.devnull, "rb") as start:
                            out.write(start.read(done))
                    if out:
                        out.write(block)
                    done += len(block)
            if out is None and not same:
                out = open(temporary, "wb")
        finally:
            if out:
                out.close()
        if out:
            if status is not None and stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                shutil.copyfile(temporary, path)  # its other names see it too
                os.unlink(temporary)
            else:
                remove(path)
                os.replace(temporary, path)
            os.utime(path, (info.mtime, info.mtime))
        if stat.S_IMODE(os.lstat(path).st_mode) != info.mode & 0o7777:
            os.chmod(path, info.mode & 0o7777)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def devices(volumes):
    """QEMU's arguments for them."""
    line = []
    for number, volume in enumerate(volumes):
        line += ["-drive", f"if=none,id=volume{number},format=raw,cache=unsafe,file={str(volume.path).replace(',', ',,')}",
                 "-device", f"virtio-blk-pci,drive=volume{number},serial=holon-volume{number}"]
    return line
