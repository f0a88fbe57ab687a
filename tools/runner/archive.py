"""Packs host files for a guest: as GNU tar for Holon's "add" module, as newc cpio for a Linux initramfs.

Owner is root and modes are kept; what is neither file, directory nor symbolic link is left out. Both formats are written
from one list of (guest path, host path) pairs, so that both systems see the same tree.
"""
import os
import stat
import sys
import tarfile


def pairs_of(additions):
    """(guest path without leading slash, host path) of every file below the additions [(host, guest)], parents first."""
    for host, guest in additions:
        guest = os.path.normpath("/" + guest).lstrip("/")
        if guest:
            yield guest, host
        if os.path.isdir(host) and not os.path.islink(host):
            for directory, names, files in os.walk(host):
                names.sort()
                below = os.path.normpath(os.path.join(guest, os.path.relpath(directory, host)))
                for name in sorted(names + files):
                    yield os.path.normpath(os.path.join(below, name)).lstrip("/"), os.path.join(directory, name)


def parse_addition(text):
    """HOST:GUEST as (host, guest); ValueError says what is wrong."""
    host, separator, guest = text.rpartition(":")
    if not separator or not host or not guest.startswith("/"):
        raise ValueError(f"'{text}' is not HOST:GUEST with an absolute GUEST path")
    if not os.path.lexists(host):
        raise ValueError(f"'{host}' does not exist")
    return host, guest


def write_tar(path, additions):
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as out:
        for guest, host in pairs_of(additions):
            status = os.lstat(host)
            info = tarfile.TarInfo(guest)
            info.mode, info.mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
            info.uname = info.gname = "root"
            if stat.S_ISREG(status.st_mode):
                info.size = status.st_size
                with open(host, "rb") as data:
                    out.addfile(info, data)
            elif stat.S_ISDIR(status.st_mode):
                info.type = tarfile.DIRTYPE
                out.addfile(info)
            elif stat.S_ISLNK(status.st_mode):
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(host)
                out.addfile(info)


class Cpio:
    """A newc archive (Linux, Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self, out):
        self.out, self.inode, self.known = out, 1, set()

    def entry(self, name, mode, size=0, mtime=0, owner=(0, 0), device=(0, 0)):
        raw = os.fsencode(name) + b"\0"
        fields = [self.inode, mode, *owner, 1, mtime, size, 0, 0, *device, len(raw), 0]
        self.inode += 1
        head = b"070701" + b"".join(b"%08X" % (field & 0xFFFFFFFF) for field in fields) + raw
        self.out.write(head + bytes(-len(head) % 4))

    def data(self, content):
        self.out.write(content + bytes(-len(content) % 4))

    def bytes_file(self, name, content, mode=0o644):
        self.entry(name, stat.S_IFREG | mode, len(content))
        self.data(content)

    def parents(self, name, existing):
        """Directories above name that neither this archive nor `existing` (a root tree or None) has yet."""
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            directory = "/".join(parts[:depth])
            if directory not in self.known and not (existing and os.path.lexists(os.path.join(existing, directory))):
                self.entry(directory, stat.S_IFDIR | 0o755)
            self.known.add(directory)

    def tree(self, additions, existing=None):
        for guest, host in pairs_of(additions):
            status = os.lstat(host)
            self.parents(guest, existing)
            mode, mtime = status.st_mode, int(status.st_mtime)
            if stat.S_ISREG(mode):
                self.entry(guest, mode, status.st_size, mtime)
                with open(host, "rb") as data:
                    written = 0
                    while block := data.read(1 << 20):
                        self.out.write(block)
                        written += len(block)
                self.out.write(bytes(-written % 4))
            elif stat.S_ISDIR(mode):
                self.known.add(guest)
                self.entry(guest, mode, 0, mtime)
            elif stat.S_ISLNK(mode):
                target = os.readlink(host).encode()
                self.entry(guest, mode, len(target), mtime)
                self.data(target)

    def tar(self, path):
        """The members of an archive, with their owners. A file's further names are copies."""
        kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.FIFOTYPE: stat.S_IFIFO, tarfile.CHRTYPE: stat.S_IFCHR,
                 tarfile.BLKTYPE: stat.S_IFBLK}
        with tarfile.open(path, "r:") as members:
            for member in members:
                name, owner = os.path.normpath(member.name), (member.uid, member.gid)
                content = members.extractfile(member).read() if member.isreg() or member.islnk() else \
                    os.fsencode(member.linkname) if member.issym() else b""
                if name != ".":
                    self.entry(name, kinds.get(member.type, stat.S_IFREG) | member.mode, len(content), int(member.mtime), owner,
                               (member.devmajor, member.devminor) if member.ischr() or member.isblk() else (0, 0))
                    self.data(content)
                    self.known.add(name)

    def end(self):
        self.entry("TRAILER!!!", 0)


def main():
    tree, output = sys.argv[1:]
    with open(output + ".part", "wb") as out:
        archive = Cpio(out)
        archive.tree([(tree, "/")])
        archive.end()
    os.replace(output + ".part", output)


if __name__ == "__main__":
    main()
