"""The network card of the QEMU machine: --net and --forward of holon-run (docs/holon-run.md)."""
CARDS = {"virtio": "virtio-net-pci", "e1000e": "e1000e", "e1000": "e1000", "rtl8139": "rtl8139"}


class Net:
    """What --net says: kind is none, user, socket or tap; path of the socket or name of the interface; the card."""

    def __init__(self, text):
        parts = text.split(",")
        self.kind, _, self.path = parts[0].partition(":")
        self.card = "virtio"
        for option in parts[1:]:
            name, _, value = option.partition("=")
            if name != "card" or value not in CARDS:
                raise ValueError(f"'{option}' is not card=" + "|".join(CARDS))
            self.card = value
        if self.kind not in ("none", "user", "socket", "tap") or bool(self.path) != (self.kind in ("socket", "tap")):
            raise ValueError(f"'{text}' is not none, user, socket:PATH or tap:IF")


class Forward:
    """[tcp:|udp:]HOSTPORT:PORT."""

    def __init__(self, text):
        words = text.split(":")
        self.protocol = words.pop(0) if words[0] in ("tcp", "udp") else "tcp"
        try:
            self.host, self.inner = (int(word) for word in words)
        except ValueError:
            raise ValueError(f"'{text}' is not [tcp:|udp:]HOSTPORT:PORT") from None
        if not (0 < self.host < 65536 and 0 < self.inner < 65536):
            raise ValueError(f"'{text}' has a port that is not 1 to 65535")


def arguments(net, forwards):
    """QEMU's arguments for the card and what it is joined to."""
    if net.kind == "none":
        return []
    escaped = net.path.replace(",", ",,")
    backend = {"user": "user,id=net0", "socket": f"stream,id=net0,server=off,addr.type=unix,addr.path={escaped}",
               "tap": f"tap,id=net0,ifname={escaped},script=no,downscript=no"}[net.kind]
    for forward in forwards:
        backend += f",hostfwd={forward.protocol}:127.0.0.1:{forward.host}-:{forward.inner}"
    return ["-netdev", backend, "-device", f"{CARDS[net.card]},netdev=net0,id=card0"]


def boot_words(forwards):
    """Words of the boot command line: what the switch sends on to the first sub-kernel."""
    return [f"forward={forward.protocol}:{forward.inner}:{forward.inner}" for forward in forwards]
