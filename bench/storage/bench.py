#!/usr/bin/env python3
"""Storage side by side: vdisk against qcow2 with LUKS over NBD with the same client, holonfs against ext4 (fuse2fs) through FUSE with the same requests.

Runs of the two are interleaved; medians of wall time (and of the servers' CPU time) are printed as a table. Write amplification is measured at the backing file's
device calls. Where the peer is not installed its column is empty.
"""
import argparse
import os
import pathlib
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "build/host/bin"


def wait_for(condition):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise RuntimeError("a server does not start")


def cpu_seconds(pid):
    """Of the whole process, threads that ended included; in hundredths of a second."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bytes_written(pid):
    for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("wchar"):
            return int(line.split()[1])
    return 0


class Server:
    def __init__(self, command, ready):
        self.process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
        wait_for(ready)

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=300)


def median_rows(rows, runs, makers):
    """ROWS: (name, function of a place). Interleaved; prints a line each."""
    rows = [row for row in rows if WORD in row[0]]
    print("| request | holon s | peer s | ratio | holon CPU s | peer CPU s | CPU ratio |")
    print("|---|---|---|---|---|---|---|")
    figures = {}
    for _ in range(runs):
        for which, maker in makers.items():
            with maker() as place:
                for name, function in rows:
                    before, started = place.server.cpu(), time.monotonic()
                    function(place)
                    figures.setdefault((name, which), []).append((time.monotonic() - started, place.server.cpu() - before))
    for name, _ in rows:
        ours = figures[(name, "holon")]
        theirs = figures.get((name, "peer"))
        wall, cpu = (statistics.median(one[i] for one in ours) for i in (0, 1))
        if theirs:
            peer_wall, peer_cpu = (statistics.median(one[i] for one in theirs) for i in (0, 1))
            print(f"| {name} | {wall:.2f} | {peer_wall:.2f} | {wall / peer_wall:.2f} | {cpu:.2f} | {peer_cpu:.2f} | "
                  f"{cpu / max(peer_cpu, 0.01):.2f} |", flush=True)
        else:
            print(f"| {name} | {wall:.2f} | | | {cpu:.2f} | | |", flush=True)


# ---- Block devices over NBD ----

class Block:
    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="bench-storage-"))
        socket = self.work / "socket"
        if self.kind == "holon":
            (self.work / "key").write_bytes(os.urandom(32))
            subprocess.run([BIN / "holon-vdisk", "create", self.work / "disk", "--size", "4G", "--key-file", self.work / "key"], check=True)
            self.server = Server([BIN / "holon-vdisk", "open", self.work / "disk", "--nbd", socket, "--key-file", self.work / "key"], socket.exists)
        else:
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=passphrase", "-o",
                            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", self.work / "disk", "4G"], check=True)
            self.server = Server(["qemu-nbd", "--persistent", "--shared=4", "--object", "secret,id=s,data=passphrase", "--image-opts",
                                  f"driver=qcow2,file.driver=file,file.filename={self.work / 'disk'},encrypt.format=luks,encrypt.key-secret=s",
                                  "--socket", socket], socket.exists)
        self.uri = f"nbd+unix:///?socket={socket}"
        return self

    def __exit__(self, *_):
        self.server.stop()
        shutil.rmtree(self.work, ignore_errors=True)

    def bench(self, *options):
        subprocess.run(["qemu-img", "bench", "-f", "raw", "-t", "none", *map(str, options), self.uri], check=True, stdout=subprocess.DEVNULL)


BLOCK_ROWS = [
    ("write 256 MiB in order, 64 KiB", lambda d: d.bench("-w", "-c", 4096, "-s", 65536, "-S", 65536)),
    ("read it, 64 KiB", lambda d: d.bench("-c", 4096, "-s", 65536, "-S", 65536)),
    ("write 20,000 scattered 4 KiB", lambda d: d.bench("-w", "-c", 20000, "-s", 4096, "-S", 196608)),
    ("the same, a flush every 32", lambda d: d.bench("-w", "-c", 20000, "-s", 4096, "-S", 196608, "--flush-interval", 32, "-d", 32)),
    ("read 20,000 scattered 4 KiB", lambda d: d.bench("-c", 20000, "-s", 4096, "-S", 196608)),
]


# ---- File systems through FUSE ----

class Files:
    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="bench-storage-"))
        self.top = self.work / "m"
        self.top.mkdir()
        image = self.work / "image"
        if self.kind == "holon":
            subprocess.run([BIN / "holonfs", "mkfs", image, "--size", "4G"], check=True)
            command = [BIN / "holonfs", "mount", "-f", image, self.top]
        else:
            with open(image, "wb") as file:
                file.truncate(4 << 30)
            subprocess.run(["mkfs.ext4", "-q", image], check=True)
            command = ["fuse2fs", "-f", "-o", "fakeroot", image, self.top]
        self.server = Server(command, lambda: os.path.ismount(self.top))
        return self

    def __exit__(self, *_):
        subprocess.run(["fusermount3", "-u", self.top], check=True)
        self.server.process.wait(timeout=300)
        shutil.rmtree(self.work, ignore_errors=True)


SOURCE = "/usr/include"
WORD = ""  # --row: of the names of requests to be made
SCALE = 1  # --scale divides the larger requests, for a look on a slow machine


def untar(place):
    archive = place.work / "source.tar"
    subprocess.run(["tar", "-cf", archive, "-C", SOURCE, "."], check=True)
    (place.top / "tree").mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", place.top / "tree"], check=True)


def small_files(place):
    count = 100000 // SCALE
    directory = place.top / "small"
    directory.mkdir()
    for number in range(count):
        if number % 1000 == 0:
            (directory / str(number // 1000)).mkdir()
        with open(directory / str(number // 1000) / str(number), "wb") as file:
            file.write(b"x" * (number % 2000))


def sqlite(place):
    count = 300 // SCALE
    base = sqlite3.connect(place.top / "base")
    base.execute("create table t (n integer primary key, v text)")
    for number in range(count):
        with base:
            base.execute("insert into t (v) values (?)", ("v" * 300,))
    base.close()


def git_clone(place):
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, place.top / "clone"], check=True)


def fio(place, *options):
    subprocess.run(["fio", "--name=f", f"--directory={place.top}", f"--size={128 // SCALE}M", "--ioengine=psync", "--output=/dev/null", *options], check=True)


FILE_ROWS = [
    ("untar a source tree", untar),
    ("read it all", lambda p: subprocess.run(f"cat $(find {p.top}/tree -type f) > /dev/null", shell=True, check=True)),
    ("delete it", lambda p: shutil.rmtree(p.top / "tree")),
    ("git clone", git_clone),
    ("sqlite, 300 transactions (the peer's fdatasync does not reach the disk)", sqlite),
    ("100,000 small files", small_files),
    ("fio write 128 MiB in order, fsync", lambda p: fio(p, "--rw=write", "--bs=1M", "--end_fsync=1")),
    # So many that fio's own start, half a second, is the smaller part.
    ("fio write 40,000 random 4 KiB, fsync every 32", lambda p: fio(p, "--rw=randwrite", "--bs=4k", "--norandommap", f"--io_size={160 // SCALE}M", "--fsync=32")),
    ("fio read random 4 KiB, 80,000", lambda p: fio(p, "--rw=randread", "--bs=4k", "--norandommap", f"--io_size={320 // SCALE}M")),
]


def amplification():
    print("\nBytes that the server writes for each byte that programs write (random 4 KiB in a file of 256 MiB):\n")
    print("| flush | holonfs on vdisk |")
    print("|---|---|")
    for every, count in ((32, 8192), (1, 1024)):
        with Files("holon") as place:
            with open(place.top / "f", "wb") as file:
                for _ in range(256):
                    file.write(os.urandom(1 << 20))
                file.flush()
                os.fsync(file.fileno())
            fd = os.open(place.top / "f", os.O_WRONLY)
            before = bytes_written(place.server.process.pid)
            for number in range(count):
                os.pwrite(fd, os.urandom(4096), int.from_bytes(os.urandom(4), "little") % 65536 * 4096)
                if number % every == every - 1:
                    os.fsync(fd)
            os.close(fd)
            written = bytes_written(place.server.process.pid) - before
            print(f"| every {every} writes | {written / (count * 4096):.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="block, files or amplification")
    parser.add_argument("--scale", type=int, default=1, help="divides the number of files, transactions and random requests")
    parser.add_argument("--row", default="", help="requests with this in their name alone")
    arguments = parser.parse_args()
    for program, what in (("qemu-img", "vdisk and its peer are"), ("fio", "holonfs and its peer are"), ("fuse2fs", "holonfs is measured alone, its peer is")):
        if not shutil.which(program):
            print(f"bench: there is no {program}: {what} not measured", file=sys.stderr)
    global SCALE, WORD
    SCALE, WORD = arguments.scale, arguments.row
    if arguments.only in ("", "block") and shutil.which("qemu-img"):
        print("\nvdisk and qcow2 with LUKS, each served by NBD to qemu-img bench:\n")
        median_rows(BLOCK_ROWS, arguments.runs, {"holon": lambda: Block("holon"), "peer": lambda: Block("peer")})
    if arguments.only in ("", "files") and shutil.which("fio"):
        print("\nholonfs and ext4 by fuse2fs, both through FUSE on a file:\n")
        makers = {"holon": lambda: Files("holon")}
        if shutil.which("fuse2fs"):
            makers["peer"] = lambda: Files("peer")
        median_rows(FILE_ROWS, arguments.runs, makers)
    if arguments.only in ("", "amplification"):
        amplification()


if __name__ == "__main__":
    main()
