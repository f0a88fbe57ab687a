#!/usr/bin/env python3
"""A node that starts again says nothing older than what it said before: until it has executed what it had ordered, requests about the
state wait, and are refused after a while; a gateway asks another node meanwhile.

The state of one of four validators is put back to what it was before some encrypted transactions, as after a power cut that a disk
did not keep its promises in. Alone it cannot open them, since that takes shares of two."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

from epoch_test import BIN, Network, wait

UNAVAILABLE = -32002
CHECKPOINT = 64  # commits
failures = 0


def check(good, name, why=""):
    global failures
    failures += not good
    print(f"ok ledger start: {name}" if good else f"not ok ledger start: {name} - {why}", flush=True)


def main():
    directory = tempfile.mkdtemp(prefix="holon-ledger-start-")
    network = Network(f"{directory}/net", 4, 0, "bullshark")
    passphrase = pathlib.Path(f"{directory}/passphrase")
    passphrase.write_text("secret\n")

    def wallet(*words):
        run = subprocess.run([str(BIN / "holon-wallet"), "--url", f"http://127.0.0.1:{network.ports[0]}", "--passphrase-file", str(passphrase), "--yes", *words],
                             capture_output=True, text=True, env=dict(os.environ, HOME=directory))
        return run.stdout if run.returncode == 0 else f"failed: {run.stderr}"

    def nonce(number=0):
        return network.rpc(number, "eth_getTransactionCount", address, "latest")

    state, old = pathlib.Path(f"{network.directory}/node-0/application"), pathlib.Path(f"{directory}/old")
    try:
        for number in range(4):
            network.start(number)
        check(wait(lambda: all(network.status(n).get("applied", 0) > 0 for n in range(4))), "four validators")
        check(wait(lambda: "result" in network.rpc(0, "eth_blockNumber")) and network.status(0)["starting"] is False, "a new one is not starting for long")
        wallet("create")
        address = wallet("list").split()[1]
        # A checkpoint between the copy and the kill would make the copy older than any disk could: then both are made again.
        sent = 0
        for _ in range(30):
            before = network.status(0).get("applied", 0)
            network.stop(0)
            shutil.rmtree(old, ignore_errors=True)
            shutil.copytree(state, old)
            network.start(0)
            answers = wait(lambda: "result" in nonce())
            taken = "block" in (said := wallet("send", "0x0000000000000000000000000000000000000004", "0x01"))
            sent += taken
            now = network.status(0).get("committed", 0)
            if not (answers and taken) or (now // CHECKPOINT == before // CHECKPOINT and now % CHECKPOINT < CHECKPOINT - 16):
                break
        check(answers, "one that has executed everything answers again")
        check(taken, "a transaction", said)
        network.stop(0, kill=True)
        for number in (1, 2, 3):
            network.stop(number)
        shutil.rmtree(state)
        old.rename(state)

        network.start(0)
        check(wait(lambda: "result" in network.rpc(0, "eth_chainId")), "what does not look at the state is answered at once")
        answers = [nonce() for _ in range(3)]
        check(all(a.get("error", {}).get("code") == UNAVAILABLE and "starting" in a["error"]["message"] for a in answers), "the account's nonce is refused, not told too low", str(answers))
        raw = network.rpc(0, "eth_sendRawTransaction", "0x02")
        check(raw.get("error", {}).get("code") == UNAVAILABLE, "and so is a transaction, which that nonce would judge", str(raw))
        check(network.status(0).get("starting") is True, "its status says so", str(network.status(0)))
        batch = network.rpc(0, "eth_blockNumber")
        check(batch.get("error", {}).get("code") == UNAVAILABLE, "and the number of the last block", str(batch))

        # A gateway whose first node it is.
        network.start(1)
        gateway = network.gateway(9, [0, 1])
        first, seen = [], []
        stop = threading.Event()

        def watch():
            while not stop.is_set():
                answer = nonce(9)
                if "result" in answer:
                    seen.append(answer["result"])

        for number in (2, 3):
            network.start(number)
        watcher = threading.Thread(target=watch)
        watcher.start()

        def answered():
            answer = nonce()
            if "result" in answer:
                first.append(answer["result"])
            return bool(first)

        check(wait(answered) and first[0] == hex(sent), "with the others there, its first answer is the nonce that was told before", str(first))
        check(wait(lambda: len(seen) > 2), "a gateway with it and another answers")
        stop.set()
        watcher.join()
        check(set(seen) == {hex(sent)}, "and says nothing older either", str(seen[:10]))
        check(wait(lambda: network.status(0).get("starting") is False), "it has started")
        gateway.terminate()
        gateway.wait()
        check(all(network.stop(n) == 0 for n in list(network.processes)), "they end when asked")
    finally:
        for number in list(network.processes):
            network.stop(number, kill=True)
        for gateway in network.gateways:
            gateway.kill()
        if failures:
            for line in pathlib.Path(network.directory).glob("out-*"):
                print(line, line.read_text()[-500:])
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
