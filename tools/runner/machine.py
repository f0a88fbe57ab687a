"""The QEMU machine that holon-run, the tests and the benchmarks boot, the same for Holon and for Linux."""
import os
import pathlib
import subprocess
import tempfile
import time

from .variables import enrol

from . import blocks, network, sound

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "x86_64"
LOADER = BUILD / "boot" / "loader.iso"
BUNDLE = BUILD / "holon.bundle"
OVMF_CODE = pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_SECURE = pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
OVMF_VARS = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd")


def arguments(args, work):
    """QEMU's command line but for what boots. args: holon-run's options; work: a directory for temporary files."""
    accelerator = "kvm" if args.kvm else "tcg"
    secure = getattr(args, "secure_boot", None)
    line = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-nic", "none", "-machine", "q35,smm=on" if secure else args.machine,
            "-accel", accelerator, "-cpu", args.cpu, "-smp", str(args.cpus), "-m", str(args.mem),
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    if getattr(args, "iommu", "off") == "on":  # virtio devices go through it only when told to
        line += ["-device", "intel-iommu", "-global", "virtio-device.iommu_platform=on",
                 "-global", "virtio-pci.disable-legacy=on"]
    if args.display:
        line += ["-device", "VGA"]
    else:
        line += ["-display", "none"]
    if args.icount is not None:
        line += ["-icount", f"shift={args.icount},sleep=off"]
    if args.gdb:
        line += ["-s", "-S"]
    if args.uefi:
        variables = os.path.join(work, "vars.fd")
        store = OVMF_VARS.read_bytes()
        if secure:
            store = enrol(store, pathlib.Path(secure).read_text())
            line += ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
        pathlib.Path(variables).write_bytes(store)
        line += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF_SECURE if secure else OVMF_CODE}",
                 "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
    links = network.arguments(args.net, args.forward) if getattr(args, "net", None) else []
    if getattr(args, "tpm", None):
        line += ["-chardev", f"socket,id=tpm,path={os.path.join(work, 'tpm')}", "-tpmdev", "emulator,id=tpm,chardev=tpm",
                 "-device", f"{args.tpm_kind},tpmdev=tpm"]
    links += sound.arguments(getattr(args, "sound", None))
    return line + links + blocks.arguments(getattr(args, "block", []), args.machine) + args.qemu


def start_tpm(directory, work):
    """The emulated TPM, whose state is in DIRECTORY; it ends with QEMU."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(work, "tpm")
    try:
        process = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={directory}", "--ctrl", f"type=unixio,path={path}",
                                    "--terminate", "--log", f"file={work}/tpm-log"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        raise FileNotFoundError("--tpm needs Debian's package swtpm: run 'make setup' first") from None
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if os.path.exists(path):
            return process
        if process.poll() is not None:
            break
        time.sleep(0.02)
    process.kill()
    with open(f"{work}/tpm-log", errors="replace") as log:
        raise OSError(f"swtpm does not start with {directory}: {log.read().strip()[-300:]}")


def medium(path, as_disk=None):
    """The arguments that boot an image: as a CD, as a disk (ide), or as a stick on an EHCI controller (usb)."""
    drive = f"if=none,id=medium,format=raw,file={str(path).replace(',', ',,')}"
    if as_disk == "usb":
        return ["-drive", drive + ",snapshot=on", "-device", "usb-ehci,id=stick", "-device", "usb-storage,bus=stick.0,port=1,drive=medium,bootindex=0"]
    if as_disk:
        return ["-drive", drive + ",snapshot=on", "-device", "ide-hd,bus=ide.0,drive=medium,bootindex=0"]
    return ["-drive", drive + ",readonly=on,media=cdrom", "-device", "ide-cd,bus=ide.0,drive=medium,bootindex=0"]


def fw_cfg(files):
    """{name: path} below opt/holon/."""
    line = []
    for name, path in files.items():
        line += ["-fw_cfg", f"name=opt/holon/{name},file={str(path).replace(',', ',,')}"]
    return line


class Port:
    """A serial port's two named pipes, DIRECTORY/NAME.in and .out; neither end waits. A pipe keeps 64 KiB of single bytes, a socket a few
    hundred: a reader that another program holds up must not cost the guest, whose drivers wait only so long for a port, its words."""

    def __init__(self, directory, name):
        self.path = os.path.join(directory, name)
        os.mkfifo(self.path + ".in", 0o600)
        os.mkfifo(self.path + ".out", 0o600)
        self.output = os.open(self.path + ".in", os.O_RDWR | os.O_NONBLOCK)
        self.input = os.open(self.path + ".out", os.O_RDONLY | os.O_NONBLOCK)
        self.writer = os.open(self.path + ".out", os.O_WRONLY)  # QEMU inherits it: the pipe ends with QEMU, however early

    def started(self):
        os.close(self.writer)

    def fileno(self):
        """Of the end that is read; `output` is the other one's."""
        return self.input

    def recv(self, count):
        """b"" at the end. Errors: BlockingIOError when nothing is there."""
        return os.read(self.input, count)

    def send(self, data):
        """How many bytes of data were taken. Errors: BlockingIOError when none is."""
        return os.write(self.output, data)

    def close(self):
        os.close(self.input)
        os.close(self.output)


class Machine:
    """A running QEMU with COM1 and COM2 as pipes."""

    def __init__(self, line, messages):
        self.directory = tempfile.TemporaryDirectory(prefix="holon-ports-")
        self.com1, self.com2 = Port(self.directory.name, "com1"), Port(self.directory.name, "com2")
        for port in (self.com1, self.com2):
            name = os.path.basename(port.path)
            line = line + ["-chardev", f"pipe,id={name},path={port.path.replace(',', ',,')}", "-serial", f"chardev:{name}"]
        self.line = line
        self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages,
                                        pass_fds=(self.com1.writer, self.com2.writer), start_new_session=True)
        self.com1.started()
        self.com2.started()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.com1.close()
        self.com2.close()
        self.directory.cleanup()
