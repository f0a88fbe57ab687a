#!/usr/bin/env python3
"""Tests holon-vdisk from outside: the contract's commands, exit statuses, NBD and FUSE with others' clients, import and export against qemu-img.

What needs a client that is not installed, or /dev/fuse, is skipped with a notice.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
TOOL = str(ROOT / "build/host/bin/holon-vdisk")
failures = 0


def check(name, right, why="see the check of this name"):
    global failures
    print(f"ok holon-vdisk: {name}" if right else f"not ok holon-vdisk: {name} - {why}", flush=True)
    failures += not right


def run(*words, stdin=b"", status=None):
    result = subprocess.run([TOOL, *map(str, words)], input=stdin, capture_output=True, timeout=300 * SCALE)
    if status is not None and result.returncode != status:
        print(f"# {words}: status {result.returncode}, {result.stderr.decode(errors='replace').strip()}")
    return result


def good(*words, **options):
    return run(*words, status=0, **options).returncode == 0


def wait_for(condition, pause=0.1):
    end = time.monotonic() + 60 * SCALE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(pause)
    return False


def contract(work):
    key = work / "key"
    key.write_bytes(os.urandom(32))
    disk = work / "disk"
    check("create", good("create", disk, "--size", "200G", "--key-file", key))
    check("an empty disk of 200 GB takes at most 64 KiB", disk.stat().st_blocks * 512 <= 65536)
    info = json.loads(run("info", disk, "--json", "--key-file", key, status=0).stdout)
    check("info", info["size"] == 200 << 30 and info["volumes"][0]["name"] == "main")
    check("info without a key tells slots alone", "size" not in json.loads(run("info", disk, "--json").stdout))
    check("check", json.loads(run("check", disk, "--json", "--key-file", key, status=0).stdout)["status"] == "good")
    check("usage is status 3", run().returncode == 3 and run("create", disk).returncode == 3
          and run("nonsense").returncode == 3 and run("check", disk).returncode == 3)
    check("what is there is not overwritten unasked", run("create", disk, "--size", "1G", "--key-file", key).returncode == 3)
    (work / "junk").write_bytes(os.urandom(100000))
    check("junk is status 2", run("check", work / "junk", "--key-file", key).returncode == 2)
    other = work / "other"
    check("passphrase", good("create", other, "--size", "64M", "--passphrase-fd", "0", stdin=b"horse\n")
          and good("check", other, "--passphrase-fd", "0", stdin=b"horse")
          and run("check", other, "--passphrase-fd", "0", stdin=b"house\n").returncode == 3)
    words = run("key", "add", other, "--passphrase-fd", "0", "--new-recovery", stdin=b"horse\n").stdout
    check("recovery words", good("check", other, "--recovery-fd", "0", stdin=words))
    check("a slot removed opens no more", good("key", "remove", other, "--recovery-fd", "0", "--slot", "1", "--yes", stdin=words)
          and run("check", other, "--passphrase-fd", "0", stdin=b"horse\n").returncode == 3)
    anchor = work / "anchor"
    old = work / "old"
    good("snapshot", disk, "a", "--key-file", key, "--anchor", anchor)
    shutil.copy(disk, old)
    good("snapshot", disk, "b", "--key-file", key, "--anchor", anchor)
    check("an old copy is refused by its anchor", good("snapshot", disk, "--key-file", key, "--anchor", anchor)
          and run("snapshot", old, "--key-file", key, "--anchor", anchor).returncode == 2)
    return key


def owner_key(work):
    crypto = ROOT / "build/host/bin/holon-crypto"
    if not crypto.exists():
        print("# holon-crypto is not built: its keys are not tried")
        return
    subprocess.run([crypto, "keygen", "hybrid-kem", "-o", work / "owner", "-p", work / "owner.pub"], check=True)
    check("a disk for the holder of a key", good("create", work / "owned", "--size", "1G", "--key-file", work / "owner.pub")
          and good("check", work / "owned", "--key-file", work / "owner")
          and run("check", work / "owned", "--key-file", work / "owner.pub").returncode == 3)


def images(work, key):
    if not shutil.which("qemu-img"):
        print("# qemu-img is not installed: import and export are not compared with it")
        return
    raw = work / "raw"
    with open(raw, "wb") as file:
        file.truncate(20 << 20)
        for offset in (0, 1 << 20, 5 << 20, (20 << 20) - 5000):
            file.seek(offset)
            file.write(os.urandom(5000))
    for options in ([], ["-c"], ["-o", "cluster_size=4096"], ["-o", "compat=0.10"]):
        image = work / "image.qcow2"
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, raw, image], check=True)
        name = work / "imported"
        name.unlink(missing_ok=True)
        back = work / "back"
        back.unlink(missing_ok=True)
        check(f"import of qcow2 {' '.join(options)}", good("import", name, image, "--key-file", key)
              and good("export", name, back, "--key-file", key) and back.read_bytes() == raw.read_bytes())
    exported = work / "exported.qcow2"
    check("export as qcow2", good("export", name, exported, "--key-file", key, "--format", "qcow2")
          and subprocess.run(["qemu-img", "check", "-q", exported], stdout=subprocess.DEVNULL).returncode == 0
          and subprocess.run(["qemu-img", "compare", "-q", exported, raw], stdout=subprocess.DEVNULL).returncode == 0)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", work / "child.qcow2"], check=True)
    check("an image with a backing file is refused", run("import", work / "x", work / "child.qcow2", "--key-file", key).returncode == 2)


def nbd(work, key):
    if not shutil.which("qemu-io"):
        print("# qemu-io is not installed: NBD is not tried")
        return
    disk = work / "served"
    good("create", disk, "--size", "1G", "--key-file", key)
    socket = work / "socket"
    uri = f"nbd+unix:///?socket={socket}"

    def serve():
        process = subprocess.Popen([TOOL, "open", disk, "--nbd", socket, "--key-file", key])
        return process if wait_for(socket.exists) else None

    def qemu_io(*commands):
        words = [word for command in commands for word in ("-c", command)]
        run_ = subprocess.run(["qemu-io", "-f", "raw", *words, uri], capture_output=True, text=True, timeout=300 * SCALE)
        return run_.returncode == 0 and "failed" not in run_.stdout + run_.stderr

    server = serve()
    check("NBD: write, flush, read", qemu_io("write -P 7 1M 4M", "write -P 9 1234567 999", "flush", "read -P 9 1234567 999",
                                             "read -P 7 4M 1M"))
    check("NBD: discard and zeroes", qemu_io("discard 1M 1M", "read -P 0 1M 200k", "write -z 3M 64k", "read -P 0 3M 64k"))
    check("a second program is refused", run("check", disk, "--key-file", key).returncode == 3)
    qemu_io("write -P 5 8M 64k", "flush", "write -P 6 16M 64k")
    server.send_signal(signal.SIGKILL)
    server.wait()
    socket.unlink()
    server = serve()
    check("what was flushed is there after kill -9", qemu_io("read -P 5 8M 64k", "read -P 7 4M 1M"))
    server.send_signal(signal.SIGTERM)
    check("SIGTERM ends it in order", server.wait(timeout=60 * SCALE) == 0 and good("check", disk, "--key-file", key, "--data"))


def fuse(work, key):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        print("# /dev/fuse cannot be used: --fuse is not tried")
        return
    disk = work / "fused"
    directory = work / "directory"
    directory.mkdir()
    good("create", disk, "--size", "64M", "--key-file", key)
    process = subprocess.Popen([TOOL, "open", disk, "--fuse", directory, "--key-file", key])
    file = directory / "disk"
    if not wait_for(file.exists):
        check("FUSE mounts", False)
        process.kill()
        return
    content = os.urandom(300000)
    with open(file, "r+b") as handle:
        handle.seek(12345)
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    with open(file, "rb") as handle:
        handle.seek(12345)
        check("FUSE: the volume is a plain file", handle.read(300000) == content and file.stat().st_size == 64 << 20)
    process.send_signal(signal.SIGTERM)
    check("and ends in order", process.wait(timeout=60 * SCALE) == 0 and good("check", disk, "--key-file", key, "--data"))


def copies(work, key):
    """Header and superblock are there twice: a damaged copy is named, and written anew; and what is no container is said in JSON, too."""
    disk = work / "copies"
    good("create", disk, "--size", "1G", "--key-file", key)
    named = mended = True
    for block in range(6):
        with open(disk, "r+b") as file:
            file.seek(block * 4096 + 70)
            file.write(b"changed")
        done = run("check", disk, "--key-file", key, "--json")
        named = named and done.returncode == 1 and json.loads(done.stdout)["copies"] == 1 and f"copy {block // 2 % 2 + 1 if block < 4 else block - 3} of 2" in done.stdout.decode()
        mended = mended and run("check", disk, "--key-file", key, "--repair").returncode == 1 and good("check", disk, "--key-file", key)
    check("a damaged copy of header or superblock is named: status 1", named, done.stdout)
    check("and written anew by --repair", mended)
    garbage = work / "garbage"
    garbage.write_bytes(os.urandom(70000))
    for command in (["check", garbage, "--key-file", key], ["info", garbage]):
        done = run(*command, "--json")
        check(f"{command[0]} --json of garbage", done.returncode == 2 and json.loads(done.stdout)["status"] == "damaged", done.stdout)
    garbage.write_bytes(os.urandom(40))
    done = run("info", disk, "--json", "--key-file", garbage)
    check("info --json with a wrong key", done.returncode == 3 and json.loads(done.stdout)["status"] == "locked", done.stdout)


def mirrors_and_streams(work, key):
    first, second = work / "first", work / "second"
    good("import", first, work / "key", "--key-file", key, "--size", "64M", "--format", "raw")
    check("mirror", good("mirror", first, second, "--key-file", key))
    with open(first, "r+b") as file:
        size = file.seek(0, 2)
        file.seek(5 * 4096)
        file.write(os.urandom(size - 5 * 4096))
    check("damage on the only leg is status 2", run("check", first, "--key-file", key, "--data").returncode == 2)
    check("scrub heals it from the other: status 1", run("scrub", first, "--mirror", second, "--key-file", key).returncode == 1)
    check("then all is good", good("check", first, "--key-file", key, "--data"))
    good("snapshot", first, "one", "--key-file", key)
    stream = run("send", first, "one", "--key-file", key).stdout
    target = work / "target"
    good("create", target, "--size", "4K", "--key-file", key)
    check("send and receive", good("receive", target, "--key-file", key, stdin=stream)
          and run("receive", target, "--key-file", key, stdin=stream).returncode == 3)
    check("clone, rollback, delete", good("clone", first, "one", "two", "--key-file", key)
          and good("rollback", first, "one", "--key-file", key, "--yes")
          and good("delete", first, "two", "--key-file", key, "--yes")
          and run("delete", first, "one", "--key-file", key).returncode == 3)


def rekey(work):
    """New keys for everything, over a SIGKILL in the midst of it: with more contents where it was over before."""
    old, new, disk = work / "old-key", work / "new-key", work / "rekeyed"
    old.write_bytes(os.urandom(32))
    new.write_bytes(os.urandom(32))
    raw, back = work / "contents", work / "contents-back"
    begin = ("rekey", disk, "--key-file", old, "--new-key-file", new)
    for megabytes in (40, 160, 640):
        disk.unlink(missing_ok=True)
        raw.write_bytes(os.urandom(megabytes << 20))
        good("import", disk, raw, "--key-file", old)
        good("snapshot", disk, "s", "--key-file", old)
        if megabytes == 40:
            check("rekey asks", run(*begin).returncode == 3)
        before = disk.stat().st_mtime_ns
        process = subprocess.Popen([TOOL, *map(str, begin), "--yes"], stderr=subprocess.DEVNULL)
        wait_for(lambda: disk.stat().st_mtime_ns != before or process.poll() is not None, 0.002)
        process.kill()
        process.wait()
        began = run("check", disk, "--key-file", new).returncode == 0
        key = new if began else old
        whole = good("check", disk, "--data", "--key-file", key)
        again = run("rekey", disk, "--key-file", key, *(() if began else ("--new-key-file", new)), "--yes")
        if b"say what the new slot opens with" not in again.stderr:
            break
    check("what was cut off is whole", whole)
    check("and goes on", again.returncode == 0 and good("check", disk, "--data", "--key-file", new)
          and good("export", disk, back, "--key-file", new) and back.read_bytes() == raw.read_bytes())
    check("the old key opens nothing", run("check", disk, "--key-file", old).returncode == 3)
    check("a snapshot is whole, and shares what it shared", good("export", disk, back, "--volume", "s", "--yes", "--key-file", new)
          and back.read_bytes() == raw.read_bytes()
          and json.loads(run("info", disk, "--key-file", new, "--json").stdout)["container_used"] < raw.stat().st_size * 5 // 4)


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="holon-vdisk-"))
    try:
        key = contract(work)
        owner_key(work)
        images(work, key)
        nbd(work, key)
        fuse(work, key)
        copies(work, key)
        mirrors_and_streams(work, key)
        rekey(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
