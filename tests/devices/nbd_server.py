"""A disk that QEMU reaches by NBD, and that answers as its owner likes: a program of the test, in memory. Source: the NBD protocol's proto.md, fixed newstyle negotiation, simple replies."""
import socket
import struct
import threading

FIXED, NO_ZEROES = 1, 2  # of the handshake
GO, ACKNOWLEDGED, INFO, UNSUPPORTED = 7, 1, 3, 0x80000001
HAS_FLAGS, HAS_FLUSH, HAS_FORCE = 1, 4, 8  # of the export
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3


class Disk:
    """SIZE bytes at the socket PATH. While it holds, nothing is done and nothing answered, or not the next one request; what was held is done and answered by release()."""

    def __init__(self, path, size):
        self.data, self.held, self.holding, self.one, self.count, self.lock = bytearray(size), [], False, False, 0, threading.Lock()
        self.path, self.listener = path, socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.peer.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def serve(self):
        while True:
            self.peer = self.listener.accept()[0]
            try:
                self.negotiate()
                while self.request():
                    pass
            except (EOFError, OSError):
                pass
            self.peer.close()

    def negotiate(self):
        self.peer.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", FIXED | NO_ZEROES))
        self.read(4)
        while True:
            _, option, length = struct.unpack(">8sII", self.read(16))
            self.read(length)

            def answer(kind, data=b""):
                self.peer.sendall(struct.pack(">QIII", 0x3e889045565a9, option, kind, len(data)) + data)

            if option != GO:
                answer(UNSUPPORTED)
                continue
            answer(INFO, struct.pack(">HQH", 0, len(self.data), HAS_FLAGS | HAS_FLUSH | HAS_FORCE))
            answer(ACKNOWLEDGED)
            return

    def request(self):
        _, _, kind, handle, at, length = struct.unpack(">IHHQQI", self.read(28))
        data = self.read(length) if kind == WRITE else b""
        if kind == DISCONNECT:
            return False
        with self.lock:
            self.count += 1
            if self.holding:
                self.holding = not self.one
                self.held.append((kind, handle, at, length, data))
            else:
                self.answer(kind, handle, at, length, data)
        return True

    def answer(self, kind, handle, at, length, data):
        known = kind in (READ, WRITE, FLUSH) and at + length <= len(self.data)
        if known and kind == WRITE:
            self.data[at:at + length] = data
        self.peer.sendall(struct.pack(">IIQ", 0x67446698, 0 if known else 22, handle) + (bytes(self.data[at:at + length]) if known and kind == READ else b""))

    def hold(self, one=False):
        with self.lock:
            self.holding, self.one = True, one

    def release(self):
        with self.lock:
            self.holding = False
            for request in self.held:
                self.answer(*request)
            self.held = []
