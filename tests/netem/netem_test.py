#!/usr/bin/env python3
"""tools/netem: equal seeds give equal fates, streams stay whole, cuts cut and heal."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
from runner import ports  # noqa: E402

NETEM = str(TOOLS / "netem")
PATIENCE = 60 * float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
failures = 0


def check(good, name, why=""):
    global failures
    failures += not good
    print(f"ok netem: {name}" if good else f"not ok netem: {name} - {why}", flush=True)


class Relay:
    def __init__(self, directory, *words):
        self.path = f"{directory}/control"
        self.process = subprocess.Popen([NETEM, "--control", self.path, *words], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(self.path)
        self.file = self.socket.makefile("rw")

    def say(self, line):
        self.file.write(line + "\n")
        self.file.flush()
        return self.file.readline().strip()

    def end(self):
        self.file.close()
        self.socket.close()
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE)


def datagrams(directory, seed):
    """Which of 150 numbered datagrams arrive, in which order."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind(("127.0.0.1", 0))
        target.settimeout(0.5)
        port = ports.free()
        relay = Relay(directory, "--seed", str(seed), "--loss", "0.2", "--duplicate", "0.1", "--reorder", "0.1", "--delay", "2",
                      f"udp:127.0.0.1:{port}=udp:127.0.0.1:{target.getsockname()[1]}")
        got = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            for number in range(150):
                source.sendto(number.to_bytes(2, "little"), ("127.0.0.1", port))
                time.sleep(0.001)
        end = time.monotonic() + PATIENCE
        while True:  # until all has arrived that the relay sent on, and a while longer: more would be wrong
            try:
                got.append(int.from_bytes(target.recv(10), "little"))
            except TimeoutError:
                counts = json.loads(relay.say("show"))["pairs"][0]["there"]
                if counts["in"] == 150 and len(got) >= counts["in"] - counts["lost"] + counts["duplicated"] or time.monotonic() > end:
                    break
        check(relay.end() == 0, "ends when asked")
        return got, counts


def main():
    directory = tempfile.mkdtemp(prefix="netem-")
    try:
        one, counts = datagrams(directory, 7)
        again, counts_again = datagrams(directory, 7)
        other, _ = datagrams(directory, 8)
        check(counts == counts_again and sorted(one) == sorted(again), "equal seeds, equal fates",
              f"{counts} {counts_again} {len(one)} {len(again)}")
        check(sorted(one) != sorted(other), "another seed, other fates")
        check(10 < counts["lost"] < 60 and counts["duplicated"] > 3 and counts["reordered"] > 3, "loss, duplication and reordering", str(counts))
        check(len(one) == counts["in"] - counts["lost"] + counts["duplicated"], "what is not lost arrives")

        data = os.urandom(1 << 20)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            path = f"{directory}/stream"
            relay = Relay(directory, "--loss", "0.02", "--delay", "1", f"unix:{path}=tcp:127.0.0.1:{listener.getsockname()[1]}")

            def echo():
                peer, _ = listener.accept()
                with peer:
                    while part := peer.recv(65536):
                        peer.sendall(part)

            threading.Thread(target=echo, daemon=True).start()
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE)
                s.connect(path)
                threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True).start()
                back = b""
                while part := s.recv(65536):
                    back += part
            check(back == data, "a stream keeps its bytes and their order")
            check(relay.say("cut") == "ok", "takes commands")
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(PATIENCE)
                s.connect(path)
                check(s.recv(1) == b"", "a cut refuses streams")
            check(relay.say("heal") == "ok" and relay.say("nonsense").startswith("error") and relay.say("cut 9").startswith("error"),
                  "refuses what it does not know")
            relay.end()
        run = subprocess.run([NETEM, "udp:127.0.0.1:1=tcp:127.0.0.1:2"], capture_output=True, text=True, timeout=PATIENCE)
        check(run.returncode == 1 and "datagrams" in run.stderr, "refuses mixed pairs")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
