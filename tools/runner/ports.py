"""Free TCP and UDP ports of this machine, for servers that a test starts a moment later. They lie below those that the kernel gives to
connections, so that no program's connection takes one in between; above those that `holon-ledger` takes for validators, and above 10080,
which browsers and Node's fetch refuse; and at random, so that two tests rarely try the same."""
import pathlib
import random
import socket

FIRST, LAST = 20000, 32000
RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free(count=1):
    """The first of COUNT free ports in a row."""
    last = min(LAST, int(RANGE.read_text().split()[0]))
    if last < FIRST + 1000:
        last = LAST
    chance = random.SystemRandom()
    for _ in range(1000):
        first = chance.randrange(FIRST, last - count)
        if all(is_free(first + number) for number in range(count)):
            return first
    raise OSError(f"no {count} ports in a row are free between {FIRST} and {last}")
