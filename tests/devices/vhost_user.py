"""The device's side of a virtio device outside QEMU, for tests of drivers: QEMU's vhost-user devices pass a guest's rings to who listens on a socket,
and what answers there may do all that a broken or hostile device could. Protocol: QEMU's docs/interop/vhost-user.rst; rings: VIRTIO 1.2, 2.7."""
import mmap
import os
import select
import socket
import struct
import threading

GET_FEATURES, SET_FEATURES, SET_MEMORY, SET_NUMBER, SET_ADDRESS, SET_BASE, GET_BASE, SET_KICK, SET_CALL = 1, 2, 5, 8, 9, 10, 11, 12, 13
GET_PROTOCOL, SET_PROTOCOL, GET_QUEUES, GET_CONFIG, SET_CONFIG = 15, 16, 17, 24, 25
VERSION_1, PROTOCOL_FEATURES, PROTOCOL_CONFIG = 1 << 32, 1 << 30, 1 << 9
NEXT, WRITE = 1, 2


class Ring:
    """One split ring: what the guest offers, and what it is told. An index is moved whole, as the guest sees it at any time: struct's "<H"
    goes byte by byte, and its pack_into() zeroes first."""

    def __init__(self, device, index):
        self.device, self.index = device, index
        self.size = self.taken = self.used = 0
        self.addresses, self.kick, self.call = None, None, None

    def at(self, part, offset, form):
        return struct.unpack_from(form, *self.device.find(self.addresses[part] + offset))[0]

    def put(self, part, offset, form, *values):
        struct.pack_into(form, *self.device.find(self.addresses[part] + offset), *values)

    def offered(self):
        """Chains that were not taken yet: their heads."""
        while self.taken != self.at(2, 2, "H"):
            yield self.at(2, 4 + 2 * (self.taken % self.size), "H")
            self.taken = (self.taken + 1) & 0xffff

    def pieces(self, head):
        """(address, bytes, whether the device may write) of a chain."""
        for _ in range(self.size):
            address, size, flags, following = struct.unpack_from("<QIHH", *self.device.find(self.addresses[0] + 16 * head))
            yield address, size, bool(flags & WRITE)
            if not flags & NEXT:
                return
            head = following

    def done(self, head, size, ahead=1, times=1):
        """Tells the guest TIMES that HEAD is done with, in a used ring that goes on by AHEAD, at once: a guest that saw them one by one could give HEAD again in between."""
        for i in range(times):
            self.put(1, 4 + 8 * ((self.used + i) % self.size), "II", head, size)
        self.used = (self.used + ahead) & 0xffff
        memory, offset = self.device.find(self.addresses[1] + 2)
        memory[offset:offset + 2].cast("H")[0] = self.used
        if self.call is not None:
            os.write(self.call, struct.pack("<Q", 1))


class Device:
    """Serves one device at PATH. What a test is about overrides started() and kicked(), which run in the device's own thread."""

    def __init__(self, path, rings, config=b"", features=0):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.rings, self.config, self.features, self.regions = [Ring(self, i) for i in range(rings)], bytearray(config), features, []
        threading.Thread(target=self.serve, daemon=True).start()

    def started(self, ring):
        """The guest's driver has made RING, perhaps again."""

    def kicked(self, ring):
        """It has told of something new in RING."""

    def config_get(self):
        return bytes(self.config)

    def config_set(self, offset, data):
        self.config[offset:offset + len(data)] = data

    def find(self, address, guest=False):
        """(memory, offset) of an address of QEMU's own, or of the guest's."""
        for memory, first, own, size in self.regions:
            start = first if guest else own
            if start <= address < start + size:
                return memory, address - start
        raise ValueError(f"no memory at {address:#x}")

    def write(self, address, data):
        memory, offset = self.find(address, True)
        memory[offset:offset + len(data)] = data

    def read(self, address, size):
        memory, offset = self.find(address, True)
        return bytes(memory[offset:offset + size])

    def serve(self):
        self.connection, _ = self.listener.accept()
        try:
            while True:
                kicks = {ring.kick: ring for ring in self.rings if ring.kick is not None}
                for ready in select.select([self.connection, *kicks], [], [])[0]:
                    if ready is self.connection:
                        self.message()
                    elif kicks[ready].kick == ready:
                        os.read(ready, 8)
                        self.kicked(kicks[ready])
        except (OSError, EOFError):
            pass  # QEMU has ended

    def message(self):
        head, control, _, _ = self.connection.recvmsg(12, socket.CMSG_SPACE(8 * 4))
        if len(head) < 12:
            raise EOFError
        request, _, size = struct.unpack("<III", head)
        files = [file for level, kind, data in control for file in struct.unpack(f"<{len(data) // 4}i", data[:len(data) // 4 * 4])]
        body = b""
        while len(body) < size:
            body += self.connection.recv(size - len(body)) or b"\0" * size
        answer = self.act(request, body, files)
        if answer is not None:
            self.connection.sendall(struct.pack("<III", request, 5, len(answer)) + answer)

    def act(self, request, body, files):
        number = struct.unpack_from("<Q", body)[0] if len(body) >= 8 else 0
        ring = self.rings[(number & 0xff) % len(self.rings)]
        if request == GET_FEATURES:
            return struct.pack("<Q", VERSION_1 | PROTOCOL_FEATURES | self.features)
        if request == GET_PROTOCOL:
            return struct.pack("<Q", PROTOCOL_CONFIG if self.config else 0)
        if request == GET_QUEUES:
            return struct.pack("<Q", len(self.rings))
        if request == SET_MEMORY:
            self.regions = []
            for i, file in enumerate(files):
                first, size, own, offset = struct.unpack_from("<QQQQ", body, 8 + 32 * i)
                whole = mmap.mmap(file, size + offset)
                self.regions.append((memoryview(whole)[offset:], first, own, size))
                os.close(file)
        elif request == SET_NUMBER:
            ring.size = number >> 32
        elif request == SET_ADDRESS:
            self.rings[number & 0xff].addresses = struct.unpack_from("<QQQ", body, 8)
        elif request == SET_BASE:
            ring.taken = ring.used = number >> 32 & 0xffff
        elif request == GET_BASE:
            ring.kick = None
            return struct.pack("<II", ring.index, ring.taken)
        elif request == SET_KICK:
            ring.kick = files[0] if files else None
            self.started(ring)
        elif request == SET_CALL:
            ring.call = files[0] if files else None
        elif request == GET_CONFIG:
            offset, size = struct.unpack_from("<II", body)
            data = self.config_get()[offset:offset + size]
            return body[:12] + data + bytes(size - len(data))
        elif request == SET_CONFIG:
            offset, size = struct.unpack_from("<II", body)
            self.config_set(offset, body[12:12 + size])
        return None
