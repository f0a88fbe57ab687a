#!/usr/bin/env python3
"""A sub-kernel and the network outside it: curl, wget, apt-get from a repository on the host, sub-kernels with their own
policies, and nginx and ssh reached from the host by --forward; on Holon, and with --linux on the same card."""
import hashlib
import http.server
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from runner import ports  # noqa: E402
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
NUMBERS = "".join(f"{n}\n" for n in range(1, 100001)).encode()
failures = 0


def check(name, good, why=""):
    global failures
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)
    failures += not good


def cksum(data):
    return subprocess.run(["cksum"], input=data, stdout=subprocess.PIPE, check=True).stdout.decode().strip()


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        data = b""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers["Content-Length"]))
        answer = cksum(data).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def make_repository(folder):
    """One package of our own, and the index that apt reads."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/bin").mkdir(parents=True)
    control = "Package: greeting\nVersion: 1\nArchitecture: all\nMaintainer: tests\nDescription: says hello\n"
    (tree / "DEBIAN/control").write_text(control)
    (tree / "usr/bin/greeting").write_text("#!/bin/sh\necho hello from a package\n")
    (tree / "usr/bin/greeting").chmod(0o755)
    repository = folder / "www" / "repository"
    repository.mkdir(parents=True)
    package = repository / "greeting_1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(package)], check=True, stdout=subprocess.DEVNULL)
    data = package.read_bytes()
    (repository / "Packages").write_text(f"{control}Filename: ./{package.name}\nSize: {len(data)}\n"
                                         f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n")


def from_host(name, web, shell, key):
    """What the host asks once the guest listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{web}/numbers", timeout=60 * SCALE) as answer:
            check(f"{name}/forwarded-nginx", answer.read() == NUMBERS, "other bytes arrived")
    except OSError as error:
        check(f"{name}/forwarded-nginx", False, error)
    if key:
        run = subprocess.run(["ssh", "-p", str(shell), "-i", str(key), "-o", "StrictHostKeyChecking=no", "-o",
                              "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "root@127.0.0.1", "cksum"],
                             input=NUMBERS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120 * SCALE)
        check(f"{name}/forwarded-ssh", run.stdout.decode().strip() == cksum(NUMBERS), run.stderr.decode(errors="replace"))
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{web}/over", timeout=60 * SCALE).read()
    except OSError as error:
        check(f"{name}/over", False, error)


def echo(family, host):
    """A port that sends each datagram back."""
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.bind((host, 0))

    def send_back():
        while True:
            data, peer = datagrams.recvfrom(65535)
            datagrams.sendto(data, peer)

    threading.Thread(target=send_back, daemon=True).start()
    return datagrams.getsockname()[1]


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def host_ports(handler):
    """What the host serves on 127.0.0.1 and, where it has it, on ::1: a web server's port and an echo's of each."""
    class Six(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6

    four = [serve(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)), echo(socket.AF_INET, "127.0.0.1")]
    try:
        return four + [serve(Six(("::1", 0), handler)), echo(socket.AF_INET6, "::1")]
    except OSError as error:
        print(f"# the host has no IPv6 ({error}): it is not tried")
        return four + [0, 0]


def run_guest(name, options, served, key):
    web = ports.free(2)
    shell = web + 1
    line = [str(ROOT / "tools/holon-run"), *options, "--mem", "1024", "--forward", f"{web}:80", "--forward",
            f"{shell}:22", "--timeout", "240", "--add", f"{ROOT}/tests/linux/outside.sh:/outside.sh"]
    if key:
        line += ["--add", f"{key}.pub:/host_key.pub"]
    line += ["--", "bash", "/outside.sh", str(served[0]), cksum(NUMBERS), *map(str, served[1:])]
    guest = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    heard = False
    for raw in guest.stdout:
        text = raw.decode(errors="replace").rstrip()
        if text.startswith("ok "):
            check(f"{name}/{text[3:]}", True)
        elif text.startswith("not ok "):
            check(f"{name}/{text[7:].split(' - ')[0]}", False, text)
        elif text == "listening":
            heard = True
            from_host(name, web, shell, key)
        else:
            print("#", text)
    check(f"{name}/status", guest.wait() == 0 and heard, f"exit status {guest.returncode}")


def main():
    with tempfile.TemporaryDirectory(prefix="outside-") as work:
        folder = pathlib.Path(work)
        make_repository(folder)
        (folder / "www/numbers").write_bytes(NUMBERS)
        key = None
        if shutil.which("ssh") and shutil.which("ssh-keygen"):
            key = folder / "key"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        else:
            print("# there is no ssh here: nobody logs in from the host")
        def handler(*arguments):
            return Handler(*arguments, directory=str(folder / "www"))

        served = host_ports(handler)
        bundle = ["--bundle", str(ROOT / "build/x86_64/network.bundle")]
        user = ["--net", "user"]
        runs = {"linux": ["--linux", "--root", "network", *user], "holon-1": bundle + user,
                "holon-2-q35": bundle + ["--cpus", "2", "--machine", "q35", "--net", "user,card=e1000e"]}
        for name in sys.argv[1:] or runs:
            start = time.monotonic()
            run_guest(name, runs[name], served, key)
            print(f"# {name}: {time.monotonic() - start:.0f} s")
    os._exit(failures != 0)


if __name__ == "__main__":
    main()
