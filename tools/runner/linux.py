"""The same machine with Debian's Linux kernel: its image, its initramfs, its command line."""
import pathlib
import shutil
import subprocess

from . import archive, machine, packages

FILES = machine.ROOT / "build" / "linux"
KERNEL = FILES / "vmlinuz"
INIT = FILES / "init"
DEFAULT_ROOT = "minimal"


# Modules of Debian's kernel that a card needs, in order.
VIRTIO = ["virtio/virtio_ring.ko", "virtio/virtio.ko", "virtio/virtio_pci_legacy_dev.ko", "virtio/virtio_pci_modern_dev.ko",
          "virtio/virtio_pci.ko"]
CARD_MODULES = {
    "virtio": [f"drivers/{name}" for name in VIRTIO] + ["net/core/failover.ko", "drivers/net/net_failover.ko",
                                                        "drivers/net/virtio_net.ko"],
    "e1000": ["drivers/net/ethernet/intel/e1000/e1000.ko"],
    "e1000e": ["drivers/pps/pps_core.ko", "drivers/ptp/ptp.ko", "drivers/net/ethernet/intel/e1000e/e1000e.ko"],
    "rtl8139": ["drivers/net/mii.ko", "drivers/net/ethernet/realtek/8139cp.ko"]}
SOUND_MODULES = {
    "hda": ["sound/soundcore.ko", "sound/core/snd.ko", "sound/core/snd-timer.ko", "sound/core/snd-pcm.ko", "sound/core/snd-hwdep.ko",
            "sound/hda/snd-hda-core.ko", "sound/hda/snd-intel-sdw-acpi.ko", "sound/hda/snd-intel-dspcfg.ko",
            "sound/pci/hda/snd-hda-codec.ko", "drivers/leds/trigger/ledtrig-audio.ko", "sound/pci/hda/snd-hda-codec-generic.ko",
            "sound/pci/hda/snd-hda-intel.ko"],
    "ac97": ["sound/soundcore.ko", "sound/core/snd.ko", "sound/core/snd-timer.ko", "sound/core/snd-pcm.ko", "sound/ac97_bus.ko",
             "sound/pci/ac97/snd-ac97-codec.ko", "sound/pci/snd-intel8x0.ko"]}
CHECKSUMS = ["crypto/crct10dif_common.ko", "lib/crc-t10dif.ko", "lib/crc64.ko", "lib/crc64-rocksoft.ko", "block/t10-pi.ko"]
SCSI = ["drivers/scsi/scsi_common.ko", "drivers/scsi/scsi_mod.ko"]
SCSI_DISK = CHECKSUMS + ["drivers/scsi/sd_mod.ko"]
DISK_MODULES = {
    "virtio": [f"drivers/{name}" for name in VIRTIO] + ["drivers/block/virtio_blk.ko"],
    "nvme": CHECKSUMS + ["drivers/nvme/host/nvme-core.ko", "drivers/nvme/host/nvme.ko"],
    "ahci": SCSI + ["drivers/ata/libata.ko", "drivers/ata/libahci.ko", "drivers/ata/ahci.ko"] + SCSI_DISK,
    "ide": SCSI + ["drivers/ata/libata.ko", "drivers/ata/ata_piix.ko"] + SCSI_DISK,
    "usb": SCSI + ["drivers/usb/common/usb-common.ko", "drivers/usb/core/usbcore.ko", "drivers/usb/host/xhci-hcd.ko",
                   "drivers/usb/host/xhci-pci.ko", "drivers/usb/storage/usb-storage.ko"] + SCSI_DISK}


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


def module_file(name):
    """A module of the kernel, taken out of its package once."""
    path = FILES / "modules" / pathlib.Path(name).name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run = subprocess.run([machine.ROOT / "tools" / "debs", "--file", "linux-image-amd64",
                              "/lib/modules/*/kernel/" + name, str(path)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        if run.returncode or not path.exists():
            raise Unavailable(f"{name} cannot be taken out of the package linux-image-amd64:\n{run.stdout}")
    return path


def boot_arguments(args, work, module, options):
    group = args.root or DEFAULT_ROOT
    for path in (KERNEL, INIT):
        ensure(path)
    base = packages.linux_archive(args.profile, args.packages) if args.profile or args.packages else None
    if base is None:
        base = root_archive(group)
        ensure(base)
    initramfs = pathlib.Path(work, "initramfs")
    with open(initramfs, "wb") as out:
        with open(base, "rb") as root:
            shutil.copyfileobj(root, out, 1 << 20)
        more = archive.Cpio(out)
        more.tree([(str(INIT), "/init")])
        if module:
            more.bytes_file(".holon-command", module)
        modules = CARD_MODULES[args.net.card] if args.net.kind != "none" else []
        if args.sound:
            modules = modules + SOUND_MODULES[args.sound.card]
            options = options + ["holon-sound"]
        for kind in [block.kind for block in args.block] + ["virtio"] * bool(args.volumes):
            modules = modules + DISK_MODULES[kind]
        options = options + ["holon-disk=" + block.name for block in args.block]
        for number, name in enumerate(dict.fromkeys(modules)):
            more.bytes_file(f".holon-module-{number}", module_file(name).read_bytes())
        if args.net.kind != "none":
            options = options + ["holon-net=" + args.net.kind]
        more.tree(args.additions, machine.ROOT / "build" / "root" / group)
        more.end()
    # no_timer_check: on a busy host the kernel sees no tick in the instant in which it looks, and stops.
    line = " ".join(["console=ttyS1,115200", "no_timer_check", "loglevel=4", "panic=-1", "rdinit=/init"] + options)
    return ["-kernel", str(KERNEL), "-initrd", str(initramfs), "-append", line]
