#!/usr/bin/env python3
"""The network from inside a sub-kernel, through devmgr, a card's driver and the switch: ping, transfers to and from a server on
the host, names, a port forward; then the same while the driver, devmgr or the switch die again and again."""
import hashlib
import http.server
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from runner import ports  # noqa: E402
BYTES = 3_000_000
SERVE = "mkdir /tmp/w; echo from inside >/tmp/w/index.html; httpd -p 80 -h /tmp/w; "


class Server:
    """Serves BYTES of noise on a free port of the host."""

    def __init__(self):
        content = os.urandom(BYTES)
        self.digest = hashlib.md5(content).hexdigest()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(BYTES))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def run(work, script, options, meanwhile=None):
    log = pathlib.Path(work, "log")
    command = [str(ROOT / "tools/holon-run"), "--timeout", "180", "--log", str(log), "--net", "user", *options, "--", "sh", "-c",
               script]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               errors="replace")
    if meanwhile:
        meanwhile(process)
        process.terminate()
    out, err = process.communicate()
    return process.returncode, out, err, log.read_text(errors="replace") if log.exists() else ""


def report(name, right, outcome):
    status, out, err, log = outcome
    print(f"ok switch: {name}" if right else f"not ok switch: {name} - status {status}, output {out[-400:]!r}, "
          f"errors {err[-600:]!r}, log ends {log[-600:]!r}", flush=True)
    return bool(right)


def transfers(server, count):
    return (f"i=0; while [ $i -lt {count} ]; do wget -q -O /tmp/b http://10.0.2.2:{server.port}/blob && md5sum /tmp/b; "
            "i=$((i+1)); done")


def main():
    server, good, fetched = Server(), True, []
    with tempfile.TemporaryDirectory(prefix="switch-test-") as work:
        outcome = run(work, "ping -c 3 10.0.2.2; " + transfers(server, 2), [])
        good &= report("the gateway answers", "3 packets received" in outcome[1], outcome)
        good &= report("transfers arrive intact", outcome[1].count(server.digest) == 2, outcome)
        outer = ports.free()

        def fetch(process):
            while not fetched and process.poll() is None:
                try:
                    fetched.append(urllib.request.urlopen(f"http://127.0.0.1:{outer}/", timeout=5).read())
                except OSError:
                    time.sleep(0.3)

        outcome = run(work, SERVE + "sleep 1000", ["--forward", f"{outer}:80"], fetch)
        good &= report("a forward reaches a server inside", fetched == [b"from inside\n"], outcome)
        # A connection that nobody answers is given up after two minutes, as on Linux: waited for in `make soak`.
        patience = "" if os.environ.get("HOLON_SOAK") else "-T 10"
        outcome = run(work, f"wget {patience} -q -O /tmp/b http://10.0.2.2:{server.port}/blob && echo wrong; echo end", ["--net", "none"])
        good &= report("without a card there is an error, not a hang", outcome[1].endswith("end\n") and "wrong" not in outcome[1],
                       outcome)
        for card, machine in (("e1000", "pc"), ("e1000e", "q35"), ("rtl8139", "pc")):
            outcome = run(work, transfers(server, 2), ["--net", f"user,card={card}", "--machine", machine])
            good &= report(f"transfers arrive intact through an {card}", outcome[1].count(server.digest) == 2, outcome)
        for cpus, machine, what in ((1, "pc", "kill-driver=virtio-net,900"), (2, "q35", "kill=devmgr,1200")):
            # By time: on a fast machine few transfers end before anything dies.
            outcome = run(work, "begin=$(date +%s); while [ $(($(date +%s) - begin)) -lt 6 ]; do " + transfers(server, 2) + "; done; echo ended",
                          ["--cmdline", what, "--cpus", str(cpus), "--machine", machine])
            good &= report(f"transfers go on with {what}",
                           outcome[1].count(server.digest) >= 2 and outcome[1].count(server.digest) % 2 == 0 and
                           outcome[1].endswith("ended\n") and outcome[3].count("again") >= 2, outcome)
    sys.exit(not good)


if __name__ == "__main__":
    main()
