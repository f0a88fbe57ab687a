"""Disks of the QEMU machine: --block of holon-run (docs/holon-run.md)."""
import pathlib
import re

SERIAL_MAX = 20  # what virtio and ATA carry


class Block:
    """FILE[,as=nvme|ahci|ide|virtio|usb][,ro][,boot]: a raw file; name is what it is called inside, its serial number."""
    KINDS = ("virtio", "nvme", "ahci", "ide", "usb")

    def __init__(self, text):
        words = text.split(",")
        self.path, self.kind, self.read_only, self.boot = words[0], "virtio", False, False
        for word in words[1:]:
            name, _, value = word.partition("=")
            if word == "ro":
                self.read_only = True
            elif word == "boot":
                self.boot = True
            elif name == "as" and value in self.KINDS:
                self.kind = value
            else:
                raise ValueError(f"'{word}' is neither ro, boot nor as=" + "|".join(self.KINDS))
        if not pathlib.Path(self.path).exists():
            raise ValueError(f"there is no {self.path}: make it first, such as with 'truncate -s 1G {self.path}'")
        self.name = re.sub(r"[^A-Za-z0-9._-]", "-", pathlib.Path(self.path).name)[:SERIAL_MAX]


def arguments(blocks, machine="pc"):
    """QEMU's arguments for the disks. A flush inside is a flush of the file."""
    line, ide = [], 0
    for number, block in enumerate(blocks):
        drive = f"block{number}"
        line += ["-drive", f"if=none,id={drive},format=raw,discard=unmap,file={block.path.replace(',', ',,')}"
                 + (",readonly=on" if block.read_only else "")]
        ide += block.kind == "ide"  # the medium is the first device of the first bus; a q35's buses have one each
        bus = f"ide.{ide}" if machine == "q35" else "ide.1" if ide < 3 else "ide.0"
        rest = f"drive={drive},serial={block.name}" + (",bootindex=0" if block.boot else "")
        line += {"virtio": ["-device", f"virtio-blk-pci,{rest}"],
                 "nvme": ["-device", f"nvme,{rest}"],
                 "ahci": ["-device", f"ich9-ahci,id=ahci{number}", "-device", f"ide-hd,bus=ahci{number}.0,{rest}"],
                 "ide": ["-device", f"ide-hd,bus={bus},{rest}"],
                 "usb": ["-device", f"qemu-xhci,id=xhci{number}", "-device", f"usb-storage,bus=xhci{number}.0,{rest}"]}[block.kind]
    return line
