#!/usr/bin/env python3
"""A virtio disk that breaks the rules of its rings, one after the other, each under load and each at another start of its driver, and in the end answers nothing any more: no
completion, whatever it says, does more than end the driver, whose successor does again what was under way. Then a virtio network card that does the like on both of its rings, and
brings frames of nonsense. Neither is a device of QEMU's but this program (vhost_user.py)."""
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from usb_test import ROOT, SCALE, Machine  # noqa: E402
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
        ring.done(head, self.answer(ring, head), 3, 3)

    RULES = (
        (lambda self, ring, head: ring.done(0xfffffff0, 1), GIVEN),  # a chain that there is not
        (lambda self, ring, head: ring.done(head + 1, 1), GIVEN),  # the middle of one
        (twice, GIVEN),
        (lambda self, ring, head: ring.done(head, 0xffffffff), GIVEN),  # more bytes than there was room for
        (lambda self, ring, head: ring.done(head, 1, 1000), GIVEN),  # more entries than the ring has
        (lambda self, ring, head: ring.done(head, self.answer(ring, head, 0x77)), NONE),
        (lambda self, ring, head: None, STUCK),
    )


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip(protocol, source, target, body):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + source + target
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


class Card(Device):
    """A network of one station, GATEWAY, which gives an address by DHCP and answers ARP and echoes; and RULES as of a disk, with the ring whose they are."""

    GATEWAY, GUEST, OWN = bytes((10, 0, 2, 2)), bytes((10, 0, 2, 15)), bytes((2, 0, 0, 0, 0, 2))
    RECEIVE, TRANSMIT, NOISE = 0, 1, 3000

    def __init__(self, path):
        super().__init__(path, 2)
        self.broken = self.echoes = self.noise = 0
        self.spent = False  # until the driver starts anew
        self.random = random.Random(8)

    def started(self, ring):
        self.spent, self.echoes = False, 0

    def rule(self, ring):
        return self.broken < len(self.RULES) and self.echoes >= 3 and not self.spent and self.RULES[self.broken][0] == ring.index

    def kicked(self, ring):
        if ring.index == self.TRANSMIT:
            for head in ring.offered():
                if self.rule(ring):
                    self.break_rule(ring, head)
                    continue
                frame = b"".join(self.read(address, size) for address, size, _ in ring.pieces(head))[12:]
                ring.done(head, 0)
                self.arrived(frame)

    def break_rule(self, ring, head):
        self.RULES[self.broken][1](self, ring, head)
        self.broken += 1
        self.spent = True

    def send(self, frame, header=bytes(12)):
        ring = self.rings[self.RECEIVE]
        head = next(ring.offered(), None) if ring.size and ring.kick is not None else None
        if head is None:
            return
        if self.rule(ring):
            self.break_rule(ring, head)
            ring.taken = (ring.taken + 1) & 0xffff
            return
        address, size, _ = next(ring.pieces(head))
        data = (header + frame)[:size]
        self.write(address, data)
        ring.taken = (ring.taken + 1) & 0xffff
        ring.done(head, len(data))

    def arrived(self, frame):
        """Answers, and while no rule is left to break, with nonsense around."""
        station, kind, body = frame[6:12], frame[12:14], frame[14:]
        back = station + self.OWN
        if kind == b"\x08\x06" and body[6:8] == b"\0\1" and body[24:28] == self.GATEWAY:
            self.send(back + kind + body[:6] + b"\0\2" + self.OWN + self.GATEWAY + body[8:18])
        elif kind == b"\x08\0" and body[9] == 1 and body[20] == 8:
            self.echoes += 1
            reply = b"\0\0\0\0" + body[24:struct.unpack(">H", body[2:4])[0]]
            self.send(back + kind + ip(1, body[16:20], body[12:16], reply[:2] + struct.pack(">H", checksum(reply)) + reply[4:]))
        elif kind == b"\x08\0" and body[9] == 17 and body[22:24] == b"\0\x43":
            request = body[28:]
            answer = {1: 2, 3: 5}.get(request[request.index(b"\x63\x82\x53\x63") + 6])
            options = struct.pack(">IBBBBB4sBB4sBB4sBBIB", 0x63825363, 53, 1, answer or 5, 54, 4, self.GATEWAY, 3, 4, self.GATEWAY, 1, 4, b"\xff\xff\xff\0", 51, 4, 86400, 255)
            reply = b"\2" + request[1:16] + self.GUEST + self.GATEWAY + request[24:236] + options
            datagram = struct.pack(">HHHH", 67, 68, 8 + len(reply), 0) + reply
            self.send(back + kind + ip(17, self.GATEWAY, b"\xff" * 4, datagram))
        if self.broken == len(self.RULES) and self.noise < self.NOISE:
            for _ in range(100):
                self.noise += 1
                body = self.random.randbytes(self.random.choice((0, 1, 13, 20, 46, 60, 100, 1486)))
                start = self.random.choice((b"", b"\x08\x06\0\1\x08\0\6\4", b"\x08\0\x45", b"\x86\xdd\x60"))
                self.send((self.random.choice((station, b"\xff" * 6)) + self.OWN + start + body)[:1514], self.random.randbytes(12))

    RULES = tuple((ring, broken) for ring in (RECEIVE, TRANSMIT) for broken in (
        lambda self, ring, head: ring.done(0xfffffff0, 60),
        lambda self, ring, head: ring.done(head, 0, 3, 3),
        lambda self, ring, head: ring.done(head, 0xffffffff),
        lambda self, ring, head: ring.done(head, 0, 1000)))


def shared(name, path):
    """QEMU's words for the guest's memory, which both have, and for who has the device."""
    return [f"--qemu={word}" for word in ("-object", "memory-backend-memfd,id=ram,size=512M,share=on", "-machine", "memory-backend=ram", "-chardev", f"socket,id={name},path={path}")]


def report(name, right, why, what="disk"):
    print(f"ok hostile {what}: {name}" if right else f"not ok hostile {what}: {name} - {str(why)[-2500:]!r}", flush=True)
    return bool(right)


def card():
    with tempfile.TemporaryDirectory(prefix="hostile-test-") as work:
        path, log = pathlib.Path(work, "card"), pathlib.Path(work, "log")
        device = Card(path)
        # Five answers to five questions there are only when nothing is broken any more; then the same among the nonsense.
        script = "until ping -c 5 -W 1 10.0.2.2 | grep -q '5 packets received'; do :; done; ping -c 40 -W 1 -i 0.2 10.0.2.2 | grep received"
        # By its line: with message interrupts and without KVM QEMU 7.2 crashes where it hands such a card over.
        command = [ROOT / "tools/holon-run", "--timeout", int(200 * SCALE), "--log", log, "--mem", 512, "--machine", "q35", "--cpus", 2, *shared("card", path),
                   "--qemu=-netdev", "--qemu=vhost-user,id=net0,chardev=card", "--qemu=-device", "--qemu=virtio-net-pci,netdev=net0,vectors=0", "--", "sh", "-c", script]
        result = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        said = log.read_text(errors="replace") if log.exists() else result.stderr
    deaths, answers = said.count(GIVEN), re.search(r"(\d+) packets received", result.stdout)
    good = report("it broke every rule on both rings, and each ended the driver", device.broken == deaths == len(device.RULES), (device.broken, deaths, said), "card")
    good &= report("nobody else ended", "switch ended" not in said and said.count(" ended with status") == deaths and " failed: " not in said, said, "card")
    return report("the network works after it, and among nonsense", result.returncode == 0 and answers and int(answers[1]) >= 30 and device.noise >= device.NOISE,
                  (result.returncode, result.stdout, result.stderr, device.noise, said), "card") and good


def disk():
    with tempfile.TemporaryDirectory(prefix="hostile-test-") as work:
        path = pathlib.Path(work, "disk")
        device = Disk(path)
        machine = Machine(work, (), (), ["--mem", "512", *shared("disk", path)], "disks=1 rounds=60 load=45000", "vhost-user-blk-pci,chardev=disk,num-queues=1")
        status = machine.end()
        log = machine.log() + machine.said()
    good = report("it broke every rule", device.broken == len(device.RULES), (device.broken, log))
    for said in (GIVEN, NONE, STUCK):
        wanted = sum(rule[1] == said for rule in device.RULES)
        good &= report(f"the driver gave up since {said}: {wanted}", log.count(said) == wanted, log)
    for line in log.splitlines():
        if line.startswith(("ok ", "not ok ")):
            good &= report(line.split("ok ", 1)[1].split(" - ")[0], line.startswith("ok "), log)
    good &= report("all that was written is there, and the system ends well", status == 0 and "devices: the end" in log and "and every sector holds" in log, log)
    return good


def main():
    good = disk()
    good &= card()
    sys.exit(not good)


if __name__ == "__main__":
    main()
