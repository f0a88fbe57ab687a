"""The same machine with Debian's Linux kernel: its image, its initramfs, its command line."""
import pathlib
import shutil
import subprocess

from . import archive, machine

FILES = machine.ROOT / "build" / "linux"
KERNEL = FILES / "vmlinuz"
INIT = FILES / "init"
DEFAULT_ROOT = "minimal"


class Unavailable(Exception):
    """Something the comparison needs is missing; the message says what to do."""


def root_archive(group):
    return FILES / f"{group}.cpio"


def ensure(path):
    """Builds path with make when it is not there."""
    if path.exists():
        return
    target = str(path.relative_to(machine.ROOT))
    run = subprocess.run(["make", "-s", target], cwd=machine.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True)
    if run.returncode or not path.exists():
        raise Unavailable(f"'make {target}' failed:\n{run.stdout}")


def boot_arguments(args, work, module, options):
    group = args.root or DEFAULT_ROOT
    for path in (KERNEL, INIT, root_archive(group)):
        ensure(path)
    initramfs = pathlib.Path(work, "initramfs")
    with open(initramfs, "wb") as out:
        with open(root_archive(group), "rb") as base:
            shutil.copyfileobj(base, out, 1 << 20)
        more = archive.Cpio(out)
        more.tree([(str(INIT), "/init")])
        if module:
            more.bytes_file(".holon-command", module)
        more.tree(args.additions, machine.ROOT / "build" / "root" / group)
        more.end()
    line = " ".join(["console=ttyS1,115200", "loglevel=4", "panic=-1", "rdinit=/init"] + options)
    return ["-kernel", str(KERNEL), "-initrd", str(initramfs), "-append", line]
