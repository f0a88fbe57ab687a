#!/usr/bin/env python3
"""Verified boot, on machines: what was not signed does not start, and what comes without a signature counts for development
images alone. Two boots a class of flipped bits, 20 with HOLON_SOAK set; each class's control is the same bundle unchanged."""
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build" / "x86_64"
KEYS = ROOT / "build" / "keys"
RUN = str(ROOT / "tools" / "holon-run")
SOAK = bool(os.environ.get("HOLON_SOAK"))
random.seed(10)
failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)


def run(options, command=None, timeout=120):
    """(status, terminal, log)"""
    with tempfile.NamedTemporaryFile(prefix="holon-trust-test-") as log:
        line = [RUN, "--log", log.name, "--timeout", str(timeout)] + options + (["--"] + command if command else [])
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True)
        return done.returncode, done.stdout.decode(errors="replace"), log.read().decode(errors="replace")


def entries(data):
    count, = struct.unpack_from("<I", data, 12)
    rows = (struct.unpack_from("<32sQQ", data, 32 + 48 * index) for index in range(count))
    return {name.rstrip(b"\0").decode(): (offset, size) for name, offset, size in rows}


def refused(work, name, data, words, options=()):
    path = pathlib.Path(work, "changed")
    path.write_bytes(data)
    status, _, log = run(["--bundle", str(path), *options], ["true"])
    report(status == 125 and "Holon cannot start" in log and words in log and "holon-run: ready" not in log, name,
           f"status {status}: {log[-500:]}")


def test_flips(work):
    good = (OUT / "holon.bundle").read_bytes()
    parts = entries(good)
    status, _, log = run(["--bundle", str(OUT / "holon.bundle")], ["true"])
    report(status == 0 and "DEVELOPMENT IMAGE" in log and "Verified Holon" in log, "control: the bundle unchanged boots, and says what it is",
           log[-300:])
    for number in range(20 if SOAK else 2):
        for name, words in (("keys", "keys: "), ("manifest", "manifest: "), ("kernel", "kernel: it is not"), ("steward", "steward: it is not")):
            data = bytearray(good)
            offset, size = parts[name]
            data[offset + random.randrange(size)] ^= 1 << random.randrange(8)
            refused(work, f"flip {number} in {name} is refused", data, words, ["--uefi"] if number == 1 else [])


def test_image(work):
    """A page of a program in the image: the file service refuses it at first use."""
    data = bytearray((OUT / "holon.bundle").read_bytes())
    offset, size = entries(data)["system"]
    program = (ROOT / "build/root/minimal/bin/busybox").read_bytes()
    place = bytes(data).find(program[:4096], offset)
    for number in range(20 if SOAK else 1):
        changed = bytearray(data)
        changed[place + random.randrange(len(program))] ^= 1 << random.randrange(8)
        path = pathlib.Path(work, "changed")
        path.write_bytes(changed)
        status, output, log = run(["--bundle", str(path)], ["echo", "started"], timeout=60)
        report(place > 0 and "started" not in output and status not in (0, 124), f"flip {number} in a page of a program: it does not run",
               f"status {status}, {output!r}: {log[-300:]}")


def mixed(good, other, *names):
    """GOOD with the entries NAMES taken from OTHER, packed anew."""
    first, second = entries(good), entries(other)
    parts = [(name, (other[slice(*span(second[name]))] if name in names else good[slice(*span(first[name]))])) for name in first]
    header, body, offset = b"", b"", 4096
    for name, content in parts:
        header += struct.pack("<32sQQ", name.encode(), offset, len(content))
        content = content.ljust(-(-len(content) // 4096) * 4096, b"\0")
        body += content
        offset += len(content)
    return (good[:16] + struct.pack("<QQ", offset, 0) + header).ljust(4096, b"\0") + body


def span(entry):
    return entry[0], entry[0] + entry[1]


def test_replays(work):
    good, other = (OUT / "holon.bundle").read_bytes(), (OUT / "boot" / "test.bundle").read_bytes()
    report(mixed(good, other) == good, "control: a bundle packed anew is the same", "it differs")
    refused(work, "another bundle's manifest is refused", mixed(good, other, "manifest"), "kernel: it is not the one")
    refused(work, "another bundle's kernel is refused", mixed(good, other, "kernel"), "kernel: it is not the one")
    release = (ROOT / "build/release/holon.bundle").read_bytes()
    refused(work, "a release is refused by a development loader", release, "keys: the signature over it is not good")
    parts = [f"kernel={OUT / 'boot/test-kernel.elf'}", f"system={OUT / 'boot/test-kernel.elf'}"]
    keys = pathlib.Path(work, "keys")
    shutil.copytree(KEYS / "development", keys)
    state = json.loads((keys / "list.json").read_text())

    def bundle(change):
        changed = json.loads(json.dumps(state))
        change(changed)
        (keys / "list.json").write_text(json.dumps(changed))
        subprocess.run([ROOT / "tools/mkbundle", "--keys", keys, pathlib.Path(work, "made"), *parts], check=True)
        return pathlib.Path(work, "made").read_bytes()
    made = bundle(lambda changed: None)
    pathlib.Path(work, "control").write_bytes(made)
    status, _, log = run(["--bundle", str(pathlib.Path(work, "control"))], ["exit", "0"])
    report(status == 0, "control: a bundle of the copied keys boots", log[-300:])
    refused(work, "a lower rollback index is refused", bundle(lambda changed: changed.update(rollback=0)), "older than one")

    def as_release(changed):
        changed["kind"] = changed["keys"][0]["role"] = "release"
    refused(work, "a development key signs no release", bundle(as_release), "nobody whom the root trusts")
    (keys / "list.json").write_text(json.dumps(state))
    subprocess.run([ROOT / "tools/holon-sign", "lose", keys, "development-1"], check=True, stdout=subprocess.DEVNULL)
    state = json.loads((keys / "list.json").read_text())
    renewed = bundle(lambda changed: None)
    pathlib.Path(work, "renewed").write_bytes(renewed)
    status, _, log = run(["--bundle", str(pathlib.Path(work, "renewed"))], ["exit", "0"])
    report(status == 0, "after a key was lost, its successor's images boot", log[-300:])
    refused(work, "a lost key's image with the new key list is refused", mixed(made, renewed, "keys"), "nobody whom the root trusts")
    refused(work, "the successor's image with the old key list is refused", mixed(renewed, made, "keys"), "nobody whom the root trusts")
    strange = pathlib.Path(work, "strange")
    subprocess.run([ROOT / "tools/holon-sign", "create", strange, "--kind", "development"], check=True)
    subprocess.run([ROOT / "tools/mkbundle", "--keys", strange, pathlib.Path(work, "made"), *parts], check=True)
    refused(work, "strange keys are refused", pathlib.Path(work, "made").read_bytes(), "keys: the signature over it is not good")


def test_release(work):
    extra = pathlib.Path(work, "extra")
    extra.write_bytes(os.urandom(5000))
    words = pathlib.Path(work, "words")
    words.write_text("log=none kill=console,1000")
    files = {"module/system": extra, "module/steward": extra, "cmdline": words, "command": extra, "add": extra}
    options = ["--release"] + [f"--qemu={part}" for name, path in files.items() for part in ("-fw_cfg", f"name=opt/holon/{name},file={path}")]
    for firmware in ([], ["--uefi"]):
        status, output, log = run(options + firmware + ["--expect", "# $", "--type", "uname -v; echo $((40+2))\\n", "--expect", "^#1 SMP Holon\n42$"])
        ignored = [name for name in files if f"Ignored: fw_cfg's opt/holon/{name}." in log]
        report(status == 0 and len(ignored) == len(files) and "DEVELOPMENT" not in log and "killed" not in log,
               f"a release ignores what was not signed {' '.join(firmware)}", f"status {status}, {ignored}, {output[-200:]!r}, {log[-600:]}")
    bundle = ["--qemu=-fw_cfg", f"--qemu=name=opt/holon/bundle,file={OUT / 'holon.bundle'}"]
    status, _, log = run(["--release"] + bundle + ["--expect", "# $"], timeout=60)
    report(status == 125 and "keys: the signature over it is not good" in log, "a release refuses a development bundle",
           f"status {status}: {log[-300:]}")


def main():
    with tempfile.TemporaryDirectory(prefix="holon-trust-test-") as work:
        test_flips(work)
        test_image(work)
        test_replays(work)
        test_release(work)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
