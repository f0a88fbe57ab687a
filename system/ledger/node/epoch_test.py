#!/usr/bin/env python3
"""The validator set changes while transactions run, through a gateway that encrypts them; and the transparency log with its proofs:
real processes with the EVM. In certified mode; when HOLON_SOAK is set in the other, too."""
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))
from runner import ports  # noqa: E402
BIN = ROOT / "build" / "host" / "bin"
LEDGER, CAPSULE, CRYPTO = (str(BIN / name) for name in ("holon-ledger", "holon-capsule", "holon-crypto"))
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
PATIENCE = 180 * SCALE
failures = 0


def check(good, name, why=""):
    global failures
    failures += not good
    print(f"ok ledger epochs: {name}" if good else f"not ok ledger epochs: {name} - {why}", flush=True)


def wait(predicate, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if predicate():
            return True
        time.sleep(0.1)
    return False


class Network:
    def __init__(self, directory, validators, standby, rule):
        self.directory, self.processes, self.ports, self.gateways = directory, {}, {}, []
        subprocess.run([LEDGER, "init", "--dir", directory, "--validators", str(validators), "--standby", str(standby), "--rule", rule], check=True)

    def start(self, number, **environment):
        self.ports.setdefault(number, ports.free())
        out = open(f"{self.directory}/out-{number}", "a")
        self.processes[number] = subprocess.Popen([LEDGER, "run", "--dir", f"{self.directory}/node-{number}", "--rpc-port", str(self.ports[number]),
                                                   "--application-option", "encrypt=1"], stdout=out, stderr=out, env=dict(os.environ, **environment))

    def stop(self, number, kill=False):
        process = self.processes.pop(number)
        process.kill() if kill else process.terminate()
        return process.wait(timeout=PATIENCE)

    def status(self, number):
        run = subprocess.run([LEDGER, "status", "--dir", f"{self.directory}/node-{number}", "--json"], capture_output=True, text=True)
        return json.loads(run.stdout) if run.returncode == 0 and run.stdout.strip() else {}

    def gateway(self, number, nodes):
        """A gateway as number `number` of the ports, over these nodes."""
        self.ports[number] = ports.free()
        words = [word for node in nodes for word in ("--node", f"http://127.0.0.1:{self.ports[node]}")]
        self.gateways.append(subprocess.Popen([LEDGER, "rpc", "--network", f"{self.directory}/node-0", *words, "--rpc-port", str(self.ports[number])],
                                              stdout=subprocess.DEVNULL))
        return self.gateways[-1]

    def rpc(self, number, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[number]}", body, {"content-type": "application/json"})
        try:
            return json.load(urllib.request.urlopen(request, timeout=30 * SCALE))
        except (OSError, http.client.HTTPException, ValueError) as error:  # it may end in the midst of an answer
            return {"error": {"message": str(error)}}

    def vote(self, numbers, members):
        for number in numbers:
            subprocess.run([LEDGER, "members", "--dir", f"{self.directory}/node-{number}", "--set", members], check=True)

    def epoch_everywhere(self, epoch):
        return wait(lambda: all(self.status(n).get("epoch") == epoch for n in self.processes))

    def moves(self):
        before = max(self.status(n).get("applied", 0) for n in self.processes)
        return wait(lambda: all(self.status(n).get("applied", 0) > before + 2 for n in self.processes))


def wallet_again(network, wallet, sent):
    """Sends the bytes of the last transaction of the block once more, through the gateway."""
    hash = next(line.split()[1] for line in sent.stdout.splitlines() if line.startswith("transaction "))
    t = network.rpc("gateway", "eth_getTransactionByHash", hash)["result"]
    if t["blockNumber"] is None:
        return "not in a block"
    raw = rlp_transaction(t)
    return network.rpc("gateway", "eth_sendRawTransaction", raw).get("error", {}).get("message", "taken")


def rlp_transaction(t):
    """The bytes of a transaction of EIP-1559 from its JSON."""
    def item(b):
        return b if len(b) == 1 and b[0] < 128 else head(128, len(b)) + b

    def head(base, size):
        if size < 56:
            return bytes([base + size])
        length = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([base + 55 + len(length)]) + length

    def number(text):
        n = int(text, 16)
        return n.to_bytes((n.bit_length() + 7) // 8, "big")

    fields = [number(t[k]) for k in ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas")]
    fields += [bytes.fromhex(t["to"][2:]), number(t["value"]), bytes.fromhex(t["input"][2:])]
    body = b"".join(item(f) for f in fields) + b"\xc0" + b"".join(item(number(t[k])) for k in ("yParity", "r", "s"))
    return "0x02" + (head(192, len(body)) + body).hex()


def test_members(directory, rule):
    network = Network(directory, 4, 1, rule)
    environment = dict(os.environ, HOME=directory)
    pathlib.Path(f"{directory}/passphrase").write_text("secret\n")

    def wallet(number, *words):
        return subprocess.run([str(BIN / "holon-wallet"), "--url", f"http://127.0.0.1:{network.ports[number]}", "--passphrase-file",
                               f"{directory}/passphrase", "--yes", *words], capture_output=True, text=True, env=environment)

    for number in range(5):
        network.start(number)
    try:
        check(wait(lambda: all(network.status(n).get("applied", 0) > 0 for n in range(5))), f"{rule}: four validators and one without a vote")
        wallet(0, "create")
        pathlib.Path(f"{directory}/code").write_text("600a600c600039600a6000f3602a60005260206000f3\n")
        check(wallet(0, "deploy", f"{directory}/code").returncode == 0, f"{rule}: an encrypted transaction in the first epoch")
        # the gateway's own nodes do not encrypt: what they order is what the gateway made of it
        gateway = network.gateway("gateway", [1, 2])
        wait(lambda: network.rpc("gateway", "eth_chainId").get("result") == "0x1b9e")
        sent = wallet("gateway", "--index", "1", "send", "0x0000000000000000000000000000000000000001", "0x")
        check(sent.returncode == 0, f"{rule}: a transaction through a gateway without a vote", sent.stderr[-300:])
        check(network.rpc("gateway", "eth_sendTransaction", {}).get("error", {}).get("message", "").startswith("unknown account") and
              network.rpc("gateway", "eth_accounts").get("result") == [], f"{rule}: which has no keys")
        check("envelope" in network.rpc(1, "holon_sendEnvelope", "0x7101").get("error", {}).get("message", ""), f"{rule}: a node refuses what is no envelope")
        # once it has proof of the nonce, under a head that its nodes sign four times a second
        check(wait(lambda: "nonce too low" in wallet_again(network, wallet, sent)), f"{rule}: the gateway refuses what was sent before")
        network.vote([0, 1], "0,1,2,4")
        check(network.moves() and network.status(0)["epoch"] == 0, f"{rule}: two votes of four change nothing")
        network.vote([2], "0,1,2,4")
        check(network.epoch_everywhere(1), f"{rule}: a quorum of votes ends the epoch", str([network.status(n) for n in range(5)]))
        status = network.status(4)
        check(status.get("member") and not network.status(3).get("member") and status.get("memberSet") == "0x17", f"{rule}: the new one has a vote, the old one none")
        check(network.moves(), f"{rule}: the new epoch goes on")
        check(wallet(4, "send", "0x0000000000000000000000000000000000000001", "0x").returncode == 0, f"{rule}: an encrypted transaction through the new validator")
        sent = wallet("gateway", "--index", "1", "--hybrid", "send", "0x0000000000000000000000000000000000000001", "0x")
        check(sent.returncode == 0, f"{rule}: through the gateway, encrypted for the new validators", sent.stderr[-300:])
        network.stop(1, kill=True)
        sent = wallet("gateway", "--index", "1", "--hybrid", "send", "0x0000000000000000000000000000000000000001", "0x")
        check(sent.returncode == 0, f"{rule}: and by its second node when the first is gone", sent.stderr[-300:])
        network.start(1)
        gateway.terminate()
        check(gateway.wait(timeout=PATIENCE) == 0, f"{rule}: the gateway ends when asked")
        check(wait(lambda: network.status(1).get("peers", 0) >= 3), f"{rule}: the killed node is back")
        # the new validator's vote is needed now
        network.stop(2, kill=True)
        check(network.moves(), f"{rule}: three of the new four are enough")
        network.start(2)
        for number in range(5):
            network.stop(number, kill=True)
        for number in range(5):
            network.start(number)
        check(wait(lambda: all(network.status(n).get("applied", 0) > 0 for n in range(5))) and network.moves() and network.status(0)["epoch"] == 1,
              f"{rule}: all killed at once come back in the new epoch", str([network.status(n) for n in range(5)]))
        # a validator that was away while the set changed
        network.stop(1)
        network.vote([0, 2, 4], "0,2,3,4")
        check(network.epoch_everywhere(2) and network.moves(), f"{rule}: a second change, with one away")
        network.start(1)
        check(network.epoch_everywhere(2), f"{rule}: who was away follows into the new epoch", str(network.status(1)))
        check(network.moves(), f"{rule}: and follows on")
        roots = {}

        def equal():
            for n in network.processes:
                status = network.status(n)
                roots.setdefault(status.get("applied"), {})[n] = status.get("root")
            return any(len(r) >= 3 for r in roots.values()) and all(len(set(r.values())) == 1 for r in roots.values())

        check(wait(equal), f"{rule}: with equal states")
        check(not any(network.status(n).get("diverged") for n in network.processes), f"{rule}: nobody diverged")
        return network
    except BaseException:
        for process in network.gateways:
            process.kill()
        for number in list(network.processes):
            network.stop(number, kill=True)
        raise


def leaf_of(name):
    return "0x" + hashlib.sha256(b"\0" + pathlib.Path(name).read_bytes()).hexdigest()


def rpc_result(network, number, *call):
    return bytes.fromhex(network.rpc(number, *call)["result"][2:])


def flip(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1:]


class Liar:
    """A node that answers with what it was told."""

    def __init__(self, answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told = answers.get(asked["method"])
                body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": told and "0x" + told.hex()}, separators=(",", ":")).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_log(network, directory):
    os.chdir(directory)
    run = lambda *words: subprocess.run(words, capture_output=True, text=True)
    for name, algorithm in (("root", "slh-dsa-sha2-192s"), ("ca", "hybrid-sign"), ("signer", "hybrid-sign")):
        subprocess.run([CRYPTO, "keygen", algorithm, "-o", f"{name}.key", "-p", f"{name}.pub"], check=True, capture_output=True)
    pathlib.Path("image").write_bytes(b"an image")
    for words in (["keys", "-k", "root.key", "--epoch", "1", "--key", "ca.pub:both:2020-01-01:2040-01-01", "-o", "keys"],
                  ["certify", "-k", "ca.key", "--subject", "signer.pub", "--name", "A", "--space", "org.example", "--from", "2020-01-01", "--until", "2040-01-01", "-o", "cert"],
                  ["certify", "-k", "ca.key", "--subject", "signer.pub", "--name", "B", "--space", "org.other", "--from", "2020-01-01", "--until", "2040-01-01", "-o", "cert2"],
                  ["certify", "-k", "ca.key", "--subject", "signer.pub", "--name", "C", "--space", "org.third", "--from", "2020-01-01", "--until", "2040-01-01", "-o", "cert3"],
                  ["boot", "-k", "ca.key", "--build", "holon 1.0", "--rollback", "1", "--time", "2026-01-01", "--part", "kernel=image", "-o", "release"],
                  ["revoke", "-k", "ca.key", "--epoch", "2", "--certificate", "cert2", "-o", "revocations"],
                  ["revoke", "-k", "ca.key", "--epoch", "1", "--certificate", "cert", "-o", "older"],
                  ["revoke", "-k", "signer.key", "--epoch", "9", "--certificate", "cert", "-o", "forged"],
                  ["build", "--name", "org.example.a", "--version", "1", "--payload", "image", "-k", "signer.key", "--certificate", "cert", "-o", "capsule"],
                  ["build", "--name", "org.other.b", "--version", "1", "--payload", "image", "-k", "signer.key", "--certificate", "cert2", "-o", "capsule2"],
                  ["build", "--name", "org.third.c", "--version", "1", "--payload", "image", "-k", "signer.key", "--certificate", "cert3", "-o", "capsule3"]):
        subprocess.run([CAPSULE, *words], check=True)
    for files, number in ((["keys", "cert"], 0), (["release", "cert2"], 4), (["revocations", "older", "forged", "revocations"], 2)):
        subprocess.run([LEDGER, "publish", "--dir", f"{network.directory}/node-{number}", *files], check=True, capture_output=True)
    check(run(LEDGER, "publish", "--dir", f"{network.directory}/node-0", "image").returncode == 1, "only signed records are published")
    check(wait(lambda: all(network.rpc(n, "holon_logSize").get("result") == "0x8" for n in network.processes)), "each node has the entries",
          str([network.rpc(n, "holon_logSize") for n in network.processes]))
    entries = [{network.rpc(n, "holon_logEntry", i).get("result") for n in network.processes} for i in range(8)]
    check(all(len(same) == 1 for same in entries) and len(set().union(*entries)) == 7, "the same, in the same order")
    base = ["--root", "root.pub", "--keys", "keys", "--validators", f"{network.directory}/node-0/network", "--node"]
    node = lambda n: f"http://127.0.0.1:{network.ports[n]}"
    good = wait(lambda: run(CAPSULE, "verify", "capsule", "--revocations", "revocations", *base, node(3)).returncode == 0)
    result = run(CAPSULE, "verify", "capsule", "--revocations", "revocations", *base, node(3))
    check(good and "the certificate is entry" in result.stdout and "the list of revocations is entry" in result.stdout and "epoch 2" in result.stdout,
          "a capsule's certificate is proven to be in the log, across two changes of validators", result.stdout[-300:] + result.stderr)
    logged = ["--validators", f"{network.directory}/node-0/network", "--node"]
    check(wait(lambda: run(CAPSULE, "logged", "release", *logged, node(1)).returncode == 0), "so is a release's boot manifest, by the node that was away",
          run(CAPSULE, "logged", "release", *logged, node(1)).stderr)
    result = run(CAPSULE, "verify", "capsule3", *base, node(0))
    check(result.returncode == 1 and "not proven" in result.stderr, "a certificate that was not published is refused", result.stderr)
    result = run(CAPSULE, "verify", "capsule", *base, f"http://127.0.0.1:{ports.free()}")
    check(result.returncode == 0 and "not asked" in result.stdout, "a node that is not reached is said", result.stderr)
    # other validators' keys: the signatures count for nothing
    subprocess.run([LEDGER, "init", "--dir", f"{directory}/others", "--validators", "4", "--standby", "1"], check=True)
    result = run(CAPSULE, "verify", "capsule", "--root", "root.pub", "--keys", "keys", "--validators", f"{directory}/others/node-0/network", "--node", node(0))
    check(result.returncode == 1 and "proof" in result.stderr, "validators with other keys prove nothing", result.stderr)
    # what is on the way between is trusted with nothing, either
    good = rpc_result(network, 0, "holon_logProof", leaf_of("cert"))
    for place in (20, 14 + 17 + 5, len(good) // 4, len(good) // 2 - 40):
        with Liar({"holon_logProof": flip(good, place)}) as liar:
            result = run(CAPSULE, "logged", "cert", "--validators", f"{network.directory}/node-0/network", "--node", liar)
            check(result.returncode == 1 and "proof" in result.stderr, f"a proof with byte {place} changed is refused", result.stdout + result.stderr)
    with Liar({"holon_logProof": good}) as liar:
        check(run(CAPSULE, "logged", "cert", "--validators", f"{network.directory}/node-0/network", "--node", liar).returncode == 0, "and unchanged it is not")
        result = run(CAPSULE, "logged", "cert2", "--validators", f"{network.directory}/node-0/network", "--node", liar)
        check(result.returncode == 1 and "proof" in result.stderr, "the proof of another certificate is refused", result.stderr)
    # a signer who was revoked: the log says so, though nobody handed the list over
    result = run(CAPSULE, "verify", "capsule2", *base, node(0))
    check(result.returncode == 1 and "revoked" in result.stderr, "but its signer is revoked in the log, and the capsule refused", result.stdout + result.stderr)
    result = run(CAPSULE, "verify", "capsule", *base, node(0))
    check(result.returncode == 0 and "epoch 2 in the log" in result.stdout, "the latest epoch counts, not what came last, and no list of another's signature", result.stdout + result.stderr)
    check(network.rpc(0, "holon_logNewest", "gossip").get("error", {}).get("code") == -32602 and network.rpc(0, "holon_logNewest", "release", "0x0")["result"] is None,
          "a node knows kinds of entries")
    # the log survives
    network.stop(0, kill=True)
    network.start(0)
    check(wait(lambda: network.rpc(0, "holon_logSize").get("result") == "0x8"), "a killed node has its log again")
    check(wait(lambda: run(CAPSULE, "verify", "capsule", *base, node(0)).returncode == 0), "and proves it after its next checkpoint")


def main():
    directory = tempfile.mkdtemp(prefix="holon-ledger-epoch-")
    networks = []
    try:
        for rule in ("bullshark", "mysticeti") if os.environ.get("HOLON_SOAK") else ("bullshark",):
            networks.append(test_members(f"{directory}/{rule}", rule))
            if rule == "bullshark":
                test_log(networks[0], directory)
            for number in list(networks[-1].processes):
                code = networks[-1].stop(number)
                if code:
                    check(False, f"{rule}: node {number} ends when asked", str(code))
    finally:
        for network in networks:
            for number in list(network.processes):
                network.stop(number, kill=True)
        for line in pathlib.Path(directory).glob("*/out-*"):
            if failures:
                print(line, line.read_text()[-500:])
        os.chdir("/")
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
