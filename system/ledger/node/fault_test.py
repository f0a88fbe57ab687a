#!/usr/bin/env python3
"""Validators as processes: start, order, kill -9 in turn under load, a late one, a cut network, and equal states at the end.

Ten minutes of kills when HOLON_SOAK is set, some seconds otherwise. Time limits are generous: a busy machine is slow.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))
from runner import ports  # noqa: E402
LEDGER = str(ROOT / "build" / "host" / "bin" / "holon-ledger")
PATIENCE = 120 * float(os.environ.get("HOLON_TIME_SCALE", "1"))  # seconds; see tools/run-tests
failures = 0


def check(good, name, why=""):
    global failures
    failures += not good
    print(f"ok ledger nodes: {name}" if good else f"not ok ledger nodes: {name} - {why}", flush=True)


class Network:
    def __init__(self, directory, count, rule):
        self.directory, self.count, self.processes = directory, count, {}
        subprocess.run([LEDGER, "init", "--dir", directory, "--validators", str(count), "--rule", rule], check=True)

    def start(self, number, **environment):
        log = open(f"{self.directory}/out-{number}", "a")
        self.processes[number] = subprocess.Popen([LEDGER, "run", "--dir", f"{self.directory}/node-{number}", "--application", "bytes"],
                                                  stdout=log, stderr=log, **environment)

    def kill(self, number, how=signal.SIGKILL):
        process = self.processes.pop(number)
        process.send_signal(how)
        return process.wait(timeout=PATIENCE)

    def status(self, number):
        run = subprocess.run([LEDGER, "status", "--dir", f"{self.directory}/node-{number}", "--json"], capture_output=True, text=True)
        return json.loads(run.stdout) if run.returncode == 0 and run.stdout.strip() else None

    def wait(self, what, predicate):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if predicate():
                return True
            time.sleep(0.1)
        return False

    def applied(self, number):
        status = self.status(number)
        return status["applied"] if status else -1

    def moves(self, numbers=None):
        """Whether all of them apply further commits."""
        numbers = list(self.processes) if numbers is None else numbers
        before = max(self.applied(number) for number in numbers)
        return self.wait("progress", lambda: all(self.applied(number) > before + 2 for number in numbers))

    def submit(self, number, payloads):
        body = b"".join(struct.pack("<I", len(p)) + p for p in payloads)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(f"{self.directory}/node-{number}/submit")
            s.sendall(struct.pack("<I", len(body)) + body)

    def equal_roots(self):
        """Roots by applied index, gathered until every node was seen at an index that another was seen at, too."""
        seen, agreed = {}, set()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and len(agreed) < len(self.processes):
            for number in self.processes:
                status = self.status(number)
                if not status:
                    continue
                other = seen.setdefault(status["applied"], {})
                other[number] = status["root"]
                if len(set(other.values())) > 1:
                    return False
                if len(other) > 1:
                    agreed |= set(other)
        return len(agreed) == len(self.processes)

    def end(self):
        codes = [self.kill(number, signal.SIGTERM) for number in list(self.processes)]
        return all(code == 0 for code in codes)


def payload(number):
    return b"\x01" + number.to_bytes(8, "little") + b"x" * 200


def test_kills(network, rounds):
    sent = 0
    good = True
    for turn in range(rounds):
        victim = turn % network.count
        alive = [n for n in network.processes if n != victim]
        for number in alive:
            network.submit(number, [payload(sent + i) for i in range(20)])
            sent += 20
        network.kill(victim)
        good = network.moves(alive) and good
        network.start(victim)
        good = network.wait("restart", lambda: network.status(victim) is not None) and good
    check(good, f"{rounds} kills in turn under load: the others go on, each comes back")
    check(network.moves(), "all move after the kills")
    check(network.equal_roots(), "all have the same states after the kills")
    return sent


NETEM = str(ROOT / "tools" / "netem")


class Relay:
    """tools/netem between the first three and the last of four: delay and loss, and a cut when asked."""

    def __init__(self, directory):
        places = {}
        for line in pathlib.Path(f"{directory}/node-0/network").read_text().splitlines():
            words = line.split(" ")
            if words[0] == "validator":
                places[int(words[1])] = words[3]
        pairs = []
        for number in range(3):
            port = ports.free()
            pairs.append(f"tcp:127.0.0.1:{port}=tcp:127.0.0.1:{places[3]}")
            path = pathlib.Path(f"{directory}/node-{number}/network")
            path.write_text(path.read_text().replace(f" 127.0.0.1 {places[3]} ", f" 127.0.0.1 {port} "))
        self.control = f"{directory}/netem"
        self.process = subprocess.Popen([NETEM, "--seed", "3", "--delay", "5", "--jitter", "5", "--loss", "0.01", "--control", self.control, *pairs],
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def say(self, line):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(self.control)
            s.sendall(line.encode() + b"\n")
            return s.recv(100) == b"ok\n"

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


def test_partition(directory):
    """The last validator is reached through the relay: delay and loss, then a cut, then healing."""
    network = Network(directory, 4, "bullshark")
    relay = Relay(directory)
    try:
        for number in range(4):
            network.start(number)
        check(network.wait("first commits", lambda: all(network.applied(n) > 0 for n in range(4))), "four over a bad link")
        check(network.moves(), "they go on with delay and loss")
        check(relay.say("cut") and network.moves([0, 1, 2]), "three go on without the one cut off")
        network.submit(0, [payload(i) for i in range(50)])
        network.moves([0, 1, 2])
        check(relay.say("heal") and network.moves(), "the one cut off catches up")
        check(network.wait("payloads", lambda: all((network.status(n) or {}).get("payloadsOrdered", 0) == 50 for n in range(4))),
              "and has what was ordered meanwhile")
        check(network.equal_roots(), "all have the same states after the cut")
        check(network.end(), "they end when asked")
    finally:
        relay.end()


def main():
    soak = bool(os.environ.get("HOLON_SOAK"))
    directory = tempfile.mkdtemp(prefix="holon-ledger-")
    try:
        for rule in ("bullshark", "mysticeti"):
            network = Network(f"{directory}/{rule}", 4, rule)
            for number in range(3):
                network.start(number)
            check(network.wait("first commits", lambda: all(network.applied(n) > 0 for n in range(3))), f"{rule}: three of four are enough")
            network.submit(0, [payload(i) for i in range(100)])
            check(network.wait("payloads", lambda: all((network.status(n) or {}).get("payloadsOrdered", 0) == 100 for n in range(3))),
                  f"{rule}: payloads are ordered once", str([(network.status(n) or {}).get("payloadsOrdered") for n in range(3)]))
            network.start(3)
            check(network.wait("late", lambda: network.applied(3) > 0), f"{rule}: a late validator catches up")
            began = time.monotonic()
            rounds = 0
            test_kills(network, 4)
            while soak and time.monotonic() - began < 600:
                test_kills(network, 8)
            for number in list(network.processes):
                network.kill(number)
            for number in range(4):
                network.start(number)
            check(network.wait("all back", lambda: all(network.applied(n) > 0 for n in range(4))) and network.moves(),
                  f"{rule}: all killed at once come back")
            check(network.equal_roots(), f"{rule}: with equal states")
            check(network.end(), f"{rule}: they end when asked")
            bad = network.directory + "/node-0/network"
            pathlib.Path(bad).write_text("nonsense\n")
            run = subprocess.run([LEDGER, "run", "--dir", f"{network.directory}/node-0"], capture_output=True, text=True, timeout=PATIENCE)
            check(run.returncode == 1 and "not understood" in run.stderr, f"{rule}: a damaged network file is refused")
        test_partition(f"{directory}/partition")
    finally:
        for line in pathlib.Path(directory).glob("*/out-*"):
            text = line.read_text()
            if "ERROR" in text or "runtime error" in text:
                check(False, "no sanitizer report", text[-2000:])
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
