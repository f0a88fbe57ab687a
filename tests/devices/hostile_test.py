#!/usr/bin/env python3
"""A virtio disk that breaks the rules of its rings, one after the other, each under load and each at another start of its driver, and in the end answers nothing any more: no
completion, whatever it says, does more than end the driver, whose successor does again what was under way. The disk is no device of QEMU's but this program (vhost_user.py)."""
import pathlib
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from usb_test import Machine  # noqa: E402
from vhost_user import Device  # noqa: E402

SECTOR, SECTORS = 512, 64 << 11
READ, WRITE, FLUSH, IDENTIFY = 0, 1, 4, 8
OK, ERROR, UNSUPPORTED = 0, 1, 2
HAS_FLUSH = 1 << 9
EACH = 7  # requests at each start that are answered well, the driver's question for the serial number among them
GIVEN, NONE, STUCK = "the device completes what it was not given", "the device answers with a status that is none", "the device does not complete what it was given"


class Disk(Device):
    """RULES: what is done instead of an answer, and what the driver says of it."""

    def __init__(self, path):
        super().__init__(path, 1, struct.pack("<Q", SECTORS) + bytes(52), HAS_FLUSH)
        self.data, self.count, self.broken = bytearray(SECTORS * SECTOR), 0, 0

    def started(self, ring):
        self.count = 0

    def kicked(self, ring):
        for head in ring.offered():
            self.count += 1
            if self.count <= EACH or self.broken == len(self.RULES):
                ring.done(head, self.answer(ring, head))
            else:
                self.RULES[self.broken][0](self, ring, head)
                self.broken += 1
                self.count = -1 << 60  # until it starts anew

    def answer(self, ring, head, status=OK):
        """Does what is asked for; how many bytes were written."""
        pieces = list(ring.pieces(head))
        kind, _, sector = struct.unpack("<IIQ", self.read(pieces[0][0], 16))
        at, written = sector * SECTOR, 1
        for address, size, _ in pieces[1:-1]:
            if kind == READ:
                self.write(address, self.data[at:at + size])
                written += size
            elif kind == WRITE:
                self.data[at:at + size] = self.read(address, size)
            elif kind == IDENTIFY:
                self.write(address, b"hostile".ljust(size, b"\0"))
                written += size
            at += size
        known = kind in (READ, WRITE, FLUSH, IDENTIFY)
        self.write(pieces[-1][0], bytes([status if known else UNSUPPORTED]))
        return written

    def twice(self, ring, head):
        written = self.answer(ring, head)
        for _ in range(3):
            ring.done(head, written)

    RULES = (
        (lambda self, ring, head: ring.done(0xfffffff0, 1), GIVEN),  # a chain that there is not
        (lambda self, ring, head: ring.done(head + 1, 1), GIVEN),  # the middle of one
        (twice, GIVEN),
        (lambda self, ring, head: ring.done(head, 0xffffffff), GIVEN),  # more bytes than there was room for
        (lambda self, ring, head: ring.done(head, 1, 1000), GIVEN),  # more entries than the ring has
        (lambda self, ring, head: ring.done(head, self.answer(ring, head, 0x77)), NONE),
        (lambda self, ring, head: None, STUCK),
    )


def report(name, right, why):
    print(f"ok hostile disk: {name}" if right else f"not ok hostile disk: {name} - {str(why)[-2500:]!r}", flush=True)
    return bool(right)


def main():
    with tempfile.TemporaryDirectory(prefix="hostile-test-") as work:
        path = pathlib.Path(work, "disk")
        disk = Disk(path)
        shared = ("-object", "memory-backend-memfd,id=ram,size=512M,share=on", "-machine", "memory-backend=ram", "-chardev", f"socket,id=disk,path={path}")
        machine = Machine(work, (), (), ["--mem", "512", *(f"--qemu={word}" for word in shared)], "disks=1 rounds=60 load=45000", "vhost-user-blk-pci,chardev=disk,num-queues=1")
        status = machine.end()
        log = machine.log() + machine.said()
    good = report("it broke every rule", disk.broken == len(disk.RULES), (disk.broken, log))
    for said in (GIVEN, NONE, STUCK):
        wanted = sum(rule[1] == said for rule in disk.RULES)
        good &= report(f"the driver gave up since {said}: {wanted}", log.count(said) == wanted, log)
    for line in log.splitlines():
        if line.startswith(("ok ", "not ok ")):
            good &= report(line.split("ok ", 1)[1].split(" - ")[0], line.startswith("ok "), log)
    good &= report("all that was written is there, and the system ends well", status == 0 and "devices: the end" in log and "and every sector holds" in log, log)
    sys.exit(not good)


if __name__ == "__main__":
    main()
