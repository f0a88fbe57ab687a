#!/usr/bin/env python3
"""No acknowledged transaction is lost: while clients send encrypted transactions and wait for receipts, validators in turn are killed, run
out of disk, see their clock jump, or are cut off behind a lossy relay. In the end every node has every receipt, in the same blocks.

Each fault once, or at random for ten minutes when HOLON_SOAK is set. The disk is full by a limit on the size of files, which any user
may set: writing fails as it does on a full disk.
"""
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from epoch_test import BIN, PATIENCE, ROOT, Network, wait
from fault_test import Relay

failures = 0
SHIM = ROOT / "build" / "host" / "lib" / "clock_shim.so"


def check(good, name, why=""):
    global failures
    failures += not good
    print(f"ok ledger faults: {name}" if good else f"not ok ledger faults: {name} - {why}", flush=True)


class Clients:
    """One client a validator, each with an account of its own: sends, waits for the receipt, notes it."""

    def __init__(self, network, directory):
        self.network, self.done, self.stop, self.errors = network, {}, False, 0
        self.environment = dict(os.environ, HOME=directory)
        pathlib.Path(f"{directory}/passphrase").write_text("secret\n")
        self.passphrase = f"{directory}/passphrase"
        self.wallet(0, 0, "create")
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(4)]
        for thread in self.threads:
            thread.start()

    def wallet(self, node, index, *words):
        return subprocess.run([str(BIN / "holon-wallet"), "--url", f"http://127.0.0.1:{self.network.ports[node]}", "--passphrase-file", self.passphrase,
                               "--yes", "--index", str(index), *words], capture_output=True, text=True, env=self.environment)

    def work(self, number):
        while not self.stop:
            run = self.wallet(number, number, "send", "0x0000000000000000000000000000000000000004", "0x" + os.urandom(8).hex())
            words = dict(line.split(" ", 1) for line in run.stdout.splitlines() if " " in line)
            if run.returncode == 0 and "transaction" in words:
                self.done[words["transaction"]] = words["block"]
            else:
                self.errors += 1  # its node is away, or the transaction was not acknowledged: no promise was made
                time.sleep(0.2)

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join()

    def more(self, count):
        """Whether so many further transactions are acknowledged."""
        before = len(self.done)
        return wait(lambda: len(self.done) >= before + count)


def kill(network, victim, relay, clients):
    network.stop(victim, kill=True)
    good = clients.more(3)
    begin(network, victim)
    return good and wait(lambda: network.status(victim).get("applied", 0) > 0)


def disk_full(network, victim, relay, clients):
    pid = network.processes[victim].pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    good = wait(lambda: network.status(victim).get("logError")) and clients.more(3)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return good and wait(lambda: network.status(victim).get("logError") == "")


def clock_jump(network, victim, relay, clients):
    shift = pathlib.Path(f"{network.directory}/shift-{victim}")
    good = True
    for seconds in (86400, -86400, 0):
        shift.write_text(str(seconds))
        good = clients.more(2) and good
    return good


def cut(network, victim, relay, clients):
    good = relay.say("cut") and clients.more(3)
    return relay.say("heal") and good


def begin(network, number):
    shift = pathlib.Path(f"{network.directory}/shift-{number}")
    shift.write_text("0")
    network.start(number, LD_PRELOAD=str(SHIM), CLOCK_SHIFT=str(shift))


def main():
    soak = bool(os.environ.get("HOLON_SOAK"))
    directory = tempfile.mkdtemp(prefix="holon-ledger-faults-")
    network = Network(f"{directory}/net", 4, 0, "bullshark")
    relay = Relay(network.directory)
    clients = None
    faults = {"kill -9": kill, "disk full": disk_full, "clock jumps": clock_jump, "cut off": cut}
    random.seed(int(os.environ.get("HOLON_SEED", "1")))
    try:
        for number in range(4):
            begin(network, number)
        check(wait(lambda: all(network.status(n).get("applied", 0) > 0 for n in range(4))), "four validators, the last behind a lossy relay")
        clients = Clients(network, directory)
        check(clients.more(4), "transactions are acknowledged")
        end = time.monotonic() + 600
        turn = 0
        for victim, (name, fault) in enumerate(faults.items()):
            check(fault(network, 3 if fault is cut else victim, relay, clients), f"{name}: the others go on, and it comes back",
                  str([network.status(n) for n in range(4)]))
        while soak and time.monotonic() < end:
            name, fault = random.choice(list(faults.items()))
            turn += 1
            if not fault(network, 3 if fault is cut else turn % 4, relay, clients):
                check(False, f"turn {turn}, {name}", str([network.status(n) for n in range(4)]))
                break
        clients.end()
        count = len(clients.done)
        check(count >= 15, f"{count} transactions were acknowledged, {clients.errors} tries were not" + (f", in {turn} turns of faults" if soak else ""))

        def lost():
            receipts = {h: [network.rpc(n, "eth_getTransactionReceipt", h).get("result") for n in range(4)] for h in clients.done}
            return [h for h, r in receipts.items() if not all(r) or len({x["blockHash"] for x in r}) != 1 or r[0]["blockNumber"] != clients.done[h]]

        check(wait(lambda: not lost()), "every node has every one of them, in the block that was told", str(lost()[:3]))

        def equal():
            heads = [network.rpc(n, "eth_getBlockByNumber", "latest", False).get("result") for n in range(4)]
            return all(heads) and len({head["hash"] for head in heads}) == 1

        check(wait(equal), "and the states are equal")
        check(not any(network.status(n).get("diverged") for n in range(4)), "nobody diverged")
        check(all(network.stop(n) == 0 for n in list(network.processes)), "they end when asked")
    finally:
        if clients:
            clients.stop = True
        for number in list(network.processes):
            network.stop(number, kill=True)
        relay.end()
        if failures:
            for line in pathlib.Path(network.directory).glob("out-*"):
                print(line, line.read_text()[-500:])
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
