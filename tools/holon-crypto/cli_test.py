#!/usr/bin/env python3
"""Tests holon-crypto as a person meets it: files, pipes, bad input of every kind, signals, full disks, terminals.

All but the large inputs and the self-test run on a build with the address and undefined-behaviour sanitizers.
"""
import fcntl
import hashlib
import os
import pathlib
import pty
import random
import re
import resource
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time

SCALE = float(os.environ.get("HOLON_TIME_SCALE", "1"))  # tools/run-tests
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FAST = ROOT / "build/host/bin/holon-crypto"
TOOL = ROOT / "build/host/sanitized/holon-crypto"
failures = 0


def check(name, passed, why=""):
    global failures
    print(f"ok {name}" if passed else f"not ok {name} - {why}", flush=True)
    failures += not passed


def run(*args, data=b"", timeout=120 * SCALE):
    return subprocess.run([TOOL, *map(str, args)], input=data, capture_output=True, timeout=timeout)


def good(*args, data=b""):
    """Runs a command that must succeed; its output."""
    result = run(*args, data=data)
    if result.returncode:
        raise AssertionError(f"{args}: status {result.returncode}: {result.stderr.decode(errors='replace')}")
    return result.stdout


def refused(name, *args, status=1, says=(), data=b""):
    """Checks that a command fails with this status and says these words, and prints nothing on stdout."""
    result = run(*args, data=data)
    text = result.stderr.decode(errors="replace")
    missing = [word for word in says if word not in text]
    check(name, result.returncode == status and not missing and not result.stdout,
          f"status {result.returncode}, stderr {text!r}, missing {missing}, {len(result.stdout)} bytes on stdout")


def group(name):
    """Turns an exception of a whole test function into one failed check."""
    def wrap(function):
        def guarded():
            try:
                function()
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                check(name, False, str(error))
        return guarded
    return wrap


SIGNERS = ["ed25519", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87", "slh-dsa-sha2-128f", "slh-dsa-shake-192f",
           "slh-dsa-sha2-256s", "hybrid-sign"]
KEMS = ["ml-kem-512", "ml-kem-768", "ml-kem-1024", "hybrid-kem"]


def make_keys():
    for name in SIGNERS + KEMS + ["x25519"]:
        good("keygen", name, "-o", f"{name}.key", "-p", f"{name}.pub")
    pathlib.Path("message").write_bytes(random.randbytes(100_000))
    pathlib.Path("passphrase").write_text("correct horse\nsecond line\n")
    pathlib.Path("wrong").write_text("incorrect horse\n")


@group("keys")
def test_keys():
    check("keygen: a secret key file has mode 0600 whatever the umask",
          stat.S_IMODE(os.stat("hybrid-sign.key").st_mode) == 0o600)
    before = pathlib.Path("ed25519.key").read_bytes()
    refused("keygen: an existing file is not replaced", "keygen", "ed25519", "-o", "ed25519.key",
            says=["ed25519.key", "--force"])
    refused("keygen: an existing public file is not replaced, and no secret is left", "keygen", "ed25519", "-o", "new.key",
            "-p", "ed25519.pub", says=["ed25519.pub"])
    check("keygen: a refusal changes nothing",
          pathlib.Path("ed25519.key").read_bytes() == before and not os.path.exists("new.key"))
    good("keygen", "ed25519", "-o", "forced.key")
    good("keygen", "ed25519", "-o", "forced.key", "--force")
    for second in ["twice", "./twice", "../" + os.path.basename(os.getcwd()) + "/twice"]:
        for force in [[], ["-f"]]:
            refused(f"keygen: one name for both halves ({second.count('/')}{force})", "keygen", "ed25519", "-o", "twice", "-p", second,
                    *force, says=["two outputs"])
    refused("keygen: both halves to standard output", "keygen", "ed25519", "-o", "-", "-p", "-", says=["two outputs"])
    check("keygen: one name for both halves leaves nothing", not os.path.exists("twice"))
    check("keygen: --force replaces", pathlib.Path("forced.key").read_bytes() != before)
    for name in SIGNERS + KEMS + ["x25519"]:
        same = good("public", "-k", f"{name}.key", "-o", "-")
        if same != pathlib.Path(f"{name}.pub").read_bytes():
            check(f"public: {name}", False, "differs from the one keygen wrote")
            return
    check("public: the public key of every secret key", True)
    text = good("inspect", "hybrid-sign.key", "hybrid-sign.pub").decode()
    ids = [line.split()[-1] for line in text.splitlines()]
    check("inspect: both halves of a pair have one id", len(ids) == 2 and ids[0] == ids[1], text)
    refused("keygen: an unknown algorithm", "keygen", "rsa", "-o", "x", status=2, says=["rsa"])
    refused("keygen: a missing directory is named", "keygen", "ed25519", "-o", "none/x", says=["none/x"])


@group("passphrases")
def test_passphrases():
    good("keygen", "hybrid-sign", "-o", "locked", "-p", "locked.pub", "--passphrase-file", "passphrase", "--memory", "2",
         "--passes", "1")
    good("sign", "-k", "locked", "--passphrase-file", "passphrase", "-o", "locked.sig", "message")
    good("verify", "-k", "locked.pub", "-s", "locked.sig", "message")
    check("passphrase: a protected key signs", True)
    check("passphrase: inspect tells its cost", b"2 MiB, 1 passes" in good("inspect", "locked"))
    refused("passphrase: a wrong one is told", "sign", "-k", "locked", "--passphrase-file", "wrong", "-o", "x", "message",
            says=["locked", "passphrase"])
    pathlib.Path("empty").write_text("\n")
    refused("passphrase: an empty one is refused", "keygen", "ed25519", "-o", "x", "--passphrase-file", "empty",
            says=["empty"])
    result = subprocess.run([TOOL, "sign", "-k", "locked", "-o", "x", "message"], stdin=subprocess.DEVNULL,
                            capture_output=True, start_new_session=True, timeout=60 * SCALE)
    check("passphrase: without a terminal the way out is named",
          result.returncode == 1 and b"--passphrase-file" in result.stderr, result.stderr.decode())
    refused("passphrase: a cost without one", "keygen", "ed25519", "-o", "x", "--memory", "4", status=2, says=["--memory"])

    # On a terminal: asked twice, not echoed.
    child, terminal = pty.fork()
    if child == 0:
        os.execv(TOOL, [str(TOOL), "keygen", "ed25519", "-o", "typed", "--passphrase", "--memory", "1", "--passes", "1"])
    seen = b""
    for _ in range(2):
        while not seen.endswith(b": "):
            seen += os.read(terminal, 1000)
        os.write(terminal, b"typed words\n")
        seen += b"|"
    try:
        while piece := os.read(terminal, 1000):
            seen += piece
    except OSError:
        pass
    status = os.waitpid(child, 0)[1]
    pathlib.Path("typed.txt").write_text("typed words\n")
    check("passphrase: typed on a terminal, without echo",
          status == 0 and b"typed" not in seen.replace(b"for typed", b"") and
          run("public", "-k", "typed", "--passphrase-file", "typed.txt", "-o", "-").returncode == 0, seen.decode())


SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
int open(const char *path, int flags, ...)
{
	va_list rest;
	va_start(rest, flags);
	int mode = va_arg(rest, int);
	va_end(rest);
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return errno = EOPNOTSUPP, -1;
	return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path, flags, mode);
}
"""


@group("interrupted prompts")
def test_interrupted_prompts():
    """Ctrl-C and Ctrl-\\ at the passphrase, on a file system with unnamed files and on one without (made by a shim)."""
    pathlib.Path("shim.c").write_text(SHIM)
    subprocess.run(["clang", "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"], check=True, timeout=60 * SCALE)
    os.mkdir("prompt")
    for preload in ["", os.path.abspath("shim.so")]:
        files = "with" if not preload else "without"
        result = subprocess.run([FAST, "keygen", "ed25519", "-o", "prompt/a", "-p", "prompt/b"], timeout=60 * SCALE,
                                env={**os.environ, "LD_PRELOAD": preload})
        check(f"keygen: a file system {files} unnamed files", result.returncode == 0 and sorted(os.listdir("prompt")) == ["a", "b"])
        for name in os.listdir("prompt"):
            os.remove(f"prompt/{name}")
        for key, number in [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)]:
            master, slave = pty.openpty()
            process = subprocess.Popen([FAST, "keygen", "ed25519", "-o", "prompt/a", "-p", "prompt/b", "--passphrase"],
                                       stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "LD_PRELOAD": preload},
                                       preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                                           resource.setrlimit(resource.RLIMIT_CORE, (0, 0))))
            seen = b""
            while not seen.endswith(b": "):
                seen += os.read(master, 1000)
            silent = not termios.tcgetattr(slave)[3] & termios.ECHO
            os.write(master, b"half" + key)
            status = process.wait(timeout=30 * SCALE)
            left, echo = os.listdir("prompt"), bool(termios.tcgetattr(slave)[3] & termios.ECHO)
            check(f"passphrase: {number.name} at the prompt, {files} unnamed files: echo is back, nothing is left",
                  silent and echo and not left and status == -number, f"silent {silent}, echo {echo}, left {left}, status {status}")
            os.close(master)
            os.close(slave)


@group("signatures")
def test_signatures():
    for name in SIGNERS:
        good("sign", "-k", f"{name}.key", "-o", f"{name}.sig", "message")
        good("verify", "-k", f"{name}.pub", "-s", f"{name}.sig", "message")
        refused(f"verify: {name}: another message", "verify", "-k", f"{name}.pub", "-s", f"{name}.sig", "passphrase",
                says=[f"{name}.sig", "NOT a valid signature", "passphrase"])
    good("sign", "-k", "hybrid-sign.key", "message")
    check("sign: the default output is FILE.sig", os.path.exists("message.sig"))
    message = pathlib.Path("message").read_bytes()
    signature = good("sign", "-k", "ml-dsa-65.key", "--deterministic", data=message)
    pathlib.Path("piped.sig").write_bytes(signature)
    good("verify", "-k", "ml-dsa-65.pub", "-s", "piped.sig", "-", data=message)
    good("verify", "-k", "ml-dsa-65.pub", "-s", "-", "message", data=signature)
    check("sign, verify: through pipes", True)
    check("sign: --deterministic repeats itself, hedged signing does not",
          good("sign", "-k", "ml-dsa-65.key", "--deterministic", data=message) == signature and
          good("sign", "-k", "ml-dsa-65.key", data=message) != signature)
    for name in ["ml-dsa-44", "slh-dsa-sha2-128f"]:
        for hash_name in ["sha256", "sha3-512", "shake128"]:
            good("sign", "-k", f"{name}.key", "--prehash", hash_name, "-c", "c", "-o", "prehash.sig", "-f", "message")
            good("verify", "-k", f"{name}.pub", "--prehash", hash_name, "-c", "c", "-s", "prehash.sig", "message")
    check("sign, verify: pre-hashed, with a context", True)
    refused("verify: a pre-hashed signature without --prehash", "verify", "-k", "slh-dsa-sha2-128f.pub", "-c", "c", "-s",
            "prehash.sig", "message", says=["prehash.sig", "--prehash"])
    refused("verify: another context", "verify", "-k", "slh-dsa-sha2-128f.pub", "--prehash", "shake128", "-c", "d", "-s",
            "prehash.sig", "message", says=["NOT a valid signature", "context"])
    refused("verify: a key of the same algorithm that did not sign", "verify", "-k", "locked.pub", "-s", "hybrid-sign.sig",
            "message", says=["hybrid-sign.sig", "another key", "locked.pub"])
    refused("verify: a key of another algorithm", "verify", "-k", "ml-dsa-65.pub", "-s", "hybrid-sign.sig", "message",
            says=["hybrid-sign.sig", "ml-dsa-65"])
    refused("verify: a secret key given as the public one", "verify", "-k", "ml-dsa-65.key", "-s", "ml-dsa-65.sig",
            "message", says=["ml-dsa-65.key", "secret"])
    refused("sign: a public key given as the secret one", "sign", "-k", "ml-dsa-65.pub", "-o", "x", "message",
            says=["ml-dsa-65.pub", "public"])
    refused("sign: a key that cannot sign", "sign", "-k", "ml-kem-768.key", "-o", "x", "message",
            says=["ml-kem-768.key", "cannot sign"])
    refused("sign: a context too long", "sign", "-k", "ml-dsa-65.key", "-c", "x" * 256, "-o", "x", "message", status=2,
            says=["256", "255"])
    refused("sign: a missing file is named", "sign", "-k", "ml-dsa-65.key", "-o", "x", "missing", says=["missing: No such"])
    refused("sign: a directory is none", "sign", "-k", "ml-dsa-65.key", "-o", "x", ".", says=["directory"])
    good("sign", "-k", "ed25519.key", "--raw", "-o", "raw.sig", "message")
    good("verify", "-k", "ed25519.pub", "--raw", "-s", "raw.sig", "message")
    check("sign --raw: the bare bytes", os.path.getsize("raw.sig") == 64)
    refused("verify --raw: a wrong size", "verify", "-k", "ed25519.pub", "--raw", "-s", "ed25519.sig", "message",
            says=["ed25519.sig", "64"])


@group("key encapsulation")
def test_kems():
    for name in KEMS:
        good("encapsulate", "-k", f"{name}.pub", "-o", f"{name}.ct", "--shared", f"{name}.s1")
        good("decapsulate", "-k", f"{name}.key", "--shared", f"{name}.s2", f"{name}.ct")
        check(f"encapsulate, decapsulate: {name}",
              pathlib.Path(f"{name}.s1").read_bytes() == pathlib.Path(f"{name}.s2").read_bytes() and
              os.path.getsize(f"{name}.s1") == 32 and stat.S_IMODE(os.stat(f"{name}.s2").st_mode) == 0o600)
    refused("decapsulate: a ciphertext of another size", "decapsulate", "-k", "ml-kem-768.key", "--shared", "x",
            "ml-kem-512.ct", says=["ml-kem-512.ct", "768", "1088"])
    check("decapsulate: a refusal leaves no secret", not os.path.exists("x"))
    good("keygen", "x25519", "-o", "peer.key", "-p", "peer.pub")
    good("agree", "-k", "x25519.key", "--peer", "peer.pub", "--shared", "agree1")
    good("agree", "-k", "peer.key", "--peer", "x25519.pub", "--shared", "agree2")
    check("agree: both sides", pathlib.Path("agree1").read_bytes() == pathlib.Path("agree2").read_bytes())


@group("boxes")
def test_boxes():
    for size in [0, 1, 65535, 65536, 65537, 1_000_000]:
        content = random.randbytes(size)
        box = good("seal", "-k", "hybrid-kem.pub", "-c", "c", data=content)
        if good("open", "-k", "hybrid-kem.key", "-c", "c", data=box) != content:
            check("seal, open", False, f"{size} bytes")
            return
    check("seal, open: through pipes, at the chunk boundaries", True)
    good("seal", "-k", "hybrid-kem.pub", "-o", "box", "message")
    box = pathlib.Path("box").read_bytes()
    for name, bad, words in [
            ("cut off in the header", box[:1000], ["cut", "header"]),
            ("cut off in the content", box[:-5], ["cut off", "65536"]),
            ("cut off between chunks", box[:1161 + 65552], ["cut off", "byte 0"]),
            ("longer than it was", box + b"x", ["damaged", "65536"]),
            ("damaged", box[:70000] + bytes([box[70000] ^ 1]) + box[70001:], ["damaged"]),
            ("not a box", b"hello" * 1000, ["not a sealed box"])]:
        pathlib.Path("bad").write_bytes(bad)
        refused(f"open: a box that is {name}", "open", "-k", "hybrid-kem.key", "-o", "opened", "bad", says=["bad", *words])
        check(f"open: a box that is {name} leaves no output", not os.path.exists("opened"))
    good("keygen", "hybrid-kem", "-o", "other.key", "-p", "other.pub")
    refused("open: another key", "open", "-k", "other.key", "-o", "opened", "box", says=["box", "other.key"])
    refused("open: another context", "open", "-k", "hybrid-kem.key", "-c", "x", "-o", "opened", "box", says=["context"])
    refused("seal: a key that boxes are not for", "seal", "-k", "ml-kem-768.pub", "-o", "x", "message",
            says=["ml-kem-768.pub", "hybrid-kem"])
    good("open", "-k", "hybrid-kem.key", "-o", "opened", "box")
    check("open: to a file of mode 0600", stat.S_IMODE(os.stat("opened").st_mode) == 0o600 and
          pathlib.Path("opened").read_bytes() == pathlib.Path("message").read_bytes())


@group("hashes")
def test_hashes():
    content = pathlib.Path("message").read_bytes()
    for name in ["sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"]:
        expected = hashlib.new(name.replace("-", "_") if name.startswith("sha3") else name, content).hexdigest()
        lines = good("hash", name, "message", "passphrase").decode().splitlines()
        if lines[0] != f"{expected}  message" or len(lines) != 2:
            check(f"hash: {name}", False, lines[0])
            return
    check("hash: SHA-2 and SHA-3 of files", True)
    check("hash: shake256 at a length, from a pipe",
          good("hash", "shake256", "--length", "77", data=content).decode().split()[0] ==
          hashlib.shake_256(content).hexdigest(77))
    check("hash: blake3 of nothing", good("hash", "blake3").decode().startswith("af1349b9f5f9a1a6a0404dea36dcc949"))
    refused("hash: --length where there is none", "hash", "sha256", "--length", "9", "message", status=2, says=["sha256"])
    refused("hash: an unknown function", "hash", "md5", "message", status=2, says=["md5"])


@group("large input")
def test_large():
    size = 300 << 20
    with open("large", "wb") as file:
        file.truncate(size)
        file.seek(size // 2)
        file.write(random.randbytes(1 << 20))
    limit = 64 << 20

    def limited(*args):
        import resource
        result = subprocess.run([FAST, *args], capture_output=True, timeout=300 * SCALE,
                                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        if result.returncode:
            raise AssertionError(f"{args}: {result.stderr.decode()}")

    limited("seal", "-k", "hybrid-kem.pub", "-o", "large.box", "large")
    limited("open", "-k", "hybrid-kem.key", "-o", "large.out", "large.box")
    same = subprocess.run(["cmp", "large", "large.out"], capture_output=True, timeout=120 * SCALE).returncode == 0
    os.remove("large.box")
    os.remove("large.out")
    check("seal, open: 300 MiB in 64 MiB of address space", same)
    for name in ["hybrid-sign", "ml-dsa-65"]:
        limited("sign", "-k", f"{name}.key", "-o", "large.sig", "-f", "large")
        limited("verify", "-k", f"{name}.pub", "-s", "large.sig", "large")
    limited("hash", "blake3", "large")
    check("sign, verify, hash: 300 MiB in 64 MiB of address space", True)
    os.remove("large")


@group("mutations")
def test_mutations():
    """The tool never dies of its input, and never takes a damaged file for a good one."""
    random.seed(int.from_bytes(os.urandom(8), "big"))
    cases = {
        "ml-dsa-65.pub": ["verify", "-k", "bad", "-s", "ml-dsa-65.sig", "message"],
        "hybrid-sign.sig": ["verify", "-k", "hybrid-sign.pub", "-s", "bad", "message"],
        "slh-dsa-sha2-128f.sig": ["verify", "-k", "slh-dsa-sha2-128f.pub", "-s", "bad", "message"],
        "hybrid-kem.key": ["open", "-k", "bad", "-o", "mutated", "box"],
        "box": ["open", "-k", "hybrid-kem.key", "-o", "mutated", "bad"],
        "locked": ["sign", "-k", "bad", "--passphrase-file", "passphrase", "-o", "mutated", "message"],
        "ml-kem-768.pub": ["encapsulate", "-k", "bad", "-o", "mutated", "--shared", "mutated2"],
        "hybrid-kem.pub": ["seal", "-k", "bad", "-o", "mutated", "message"],
    }
    runs = 40 if not os.environ.get("HOLON_SOAK") else 2000
    for source, command in cases.items():
        content = pathlib.Path(source).read_bytes()
        for _ in range(runs):
            bad = bytearray(content)
            kind = random.randrange(4)
            if kind == 0:
                bad = bad[:random.randrange(len(bad))]
            elif kind == 1:
                bad += random.randbytes(1 + random.randrange(40))
            else:
                for _ in range(1 + random.randrange(3)):
                    bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
            if bad == content:
                continue
            pathlib.Path("bad").write_bytes(bad)
            result = run(*command)
            if result.returncode != 1 or b"bad" not in result.stderr or os.path.exists("mutated"):
                check(f"mutated {source}", False, f"status {result.returncode}: {result.stderr.decode()}")
                return
    check(f"mutated keys, signatures and boxes: {runs * len(cases)} runs, each refused by name, no output left", True)


@group("signals")
def test_signals():
    os.mkdir("signals")
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]:
        for force in [[], ["-f"]]:
            if force:
                pathlib.Path("signals/out").write_text("old")
            process = subprocess.Popen([TOOL, "seal", "-k", "hybrid-kem.pub", "-o", "signals/out", *force],
                                       stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            process.stdin.write(bytes(1_000_000))
            process.stdin.flush()
            time.sleep(0.2)
            process.send_signal(number)
            status = process.wait(timeout=30 * SCALE)
            process.stderr.close()
            try:
                process.stdin.close()
            except BrokenPipeError:
                pass
            left = os.listdir("signals")
            expected = ["out"] if force else []
            if left != expected or status != -number or force and pathlib.Path("signals/out").read_text() != "old":
                check("signals", False, f"signal {number}: left {left}, status {status}")
                return
        os.remove("signals/out")
    check("a signal midway leaves nothing, and an old file as it was", True)


@group("outputs")
def test_outputs():
    refused("output: a full device is an error", "seal", "-k", "hybrid-kem.pub", "-o", "/dev/full", "message",
            says=["/dev/full", "No space"])
    with open("/dev/full", "wb") as full:
        result = subprocess.run([TOOL, "hash", "sha256", "message"], stdout=full, stderr=subprocess.PIPE, timeout=60 * SCALE)
    check("output: a full standard output is an error", result.returncode == 1 and b"No space" in result.stderr)
    process = subprocess.Popen([TOOL, "open", "-k", "hybrid-kem.key", "box"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()
    process.stderr.close()
    check("output: a closed pipe is a failure", process.wait(timeout=60 * SCALE) != 0)
    os.symlink("target", "link")
    refused("output: a dangling link is not written through", "seal", "-k", "hybrid-kem.pub", "-o", "link", "message",
            says=["link"])
    for command in [[], ["nonsense"], ["sign"], ["seal", "-k"], ["hash", "sha256", "--shared", "x"], ["verify", "--bogus"],
                    ["keygen", "ed25519"], ["hash"]]:
        result = run(*command)
        if result.returncode != 2 or not result.stderr:
            check("wrong command lines", False, f"{command}: status {result.returncode}")
            return
    check("wrong command lines have status 2 and a message", True)
    check("--help names every command", all(word.encode() in good("--help") for word in
          ["keygen", "sign", "verify", "encapsulate", "decapsulate", "seal", "open", "hash", "speed", "selftest"]))


@group("progress")
def test_progress():
    terminal, stderr = pty.openpty()
    process = subprocess.Popen([TOOL, "hash", "sha256"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
    os.close(stderr)
    for _ in range(25):
        process.stdin.write(bytes(1 << 18))
        process.stdin.flush()
        time.sleep(0.05)
    process.stdin.close()
    process.wait(timeout=60 * SCALE)
    seen = b""
    while select.select([terminal], [], [], 0.2)[0]:
        try:
            piece = os.read(terminal, 1000)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    check("progress: shown on a terminal during long work", b"hashing standard input: " in seen and b"MiB" in seen, repr(seen))
    check("progress: none elsewhere", run("hash", "sha256", "message").stderr == b"")


@group("standard descriptors")
def test_descriptors():
    key = pathlib.Path("ed25519.key").read_bytes()
    for name, *args in [("key and message", "sign", "-k", "-", "-o", "twice.sig"),
                        ("key and message, by another name", "sign", "-k", "/dev/stdin", "-o", "twice.sig", "-"),
                        ("two files", "inspect", "-", "-")]:
        result = run(*args, data=key)
        check(f"standard input twice: {name}", result.returncode == 2 and b"one thing only" in result.stderr
              and not os.path.exists("twice.sig"), repr(result.stderr))
    for closed, args in [(0, ["sign", "-k", "ed25519.key", "-o", "closed.sig"]), (0, ["hash", "sha256"]),
                         (1, ["hash", "sha256", "message"]), (1, ["seal", "-k", "hybrid-kem.pub", "message"])]:
        result = subprocess.run(["sh", "-c", f'exec "$@" {closed}{"<" if closed == 0 else ">"}&-', "sh", FAST, *args],
                                capture_output=True, timeout=60 * SCALE)
        check(f"closed descriptor {closed}: {args[0]} fails", result.returncode == 1 and not os.path.exists("closed.sig"),
              f"status {result.returncode}: {result.stderr!r}")
    terminal, end = pty.openpty()
    result = subprocess.run([TOOL, "seal", "-k", "hybrid-kem.pub", "message"], stdin=subprocess.DEVNULL, stdout=end,
                            stderr=subprocess.PIPE, timeout=60 * SCALE)
    check("a terminal gets no binary output", result.returncode == 2 and b"terminal" in result.stderr
          and not select.select([terminal], [], [], 0)[0], repr(result.stderr))
    os.close(end)
    os.close(terminal)


@group("keys in use")
def test_keys_in_use():
    for name in ("use.key", "use.pub"):
        shutil.copy("hybrid-sign" + name[3:], name)
    before = pathlib.Path("use.key").read_bytes()
    os.symlink("use.key", "use.link")
    for name, out in [("itself", "use.key"), ("by a link", "use.link")]:
        refused(f"the key in use is not overwritten: {name}", "sign", "-f", "-k", "use.key", "-o", out, "message",
                says=["reads it"])
        refused(f"the key in use is not overwritten by its public half: {name}", "public", "-f", "-k", "use.key", "-o", out,
                says=["reads it"])
    check("and is as it was", pathlib.Path("use.key").read_bytes() == before)
    shutil.copy("message", "found")
    good("sign", "-k", "use.key", "found")
    check("verify finds FILE.sig", b"valid" in good("verify", "-k", "use.pub", "found"))
    refused("verify without a signature says so", "verify", "-k", "use.pub", "message.none", says=["message.none"])
    check("--version", good("--version").startswith(b"holon-crypto 1"))


def what_counts(text):
    """A key's text without its spaces, and without what is written around it, be it one dash more."""
    key = re.search(r"-----BEGIN HOLON [\s\S]*-----END HOLON [^-]*-----", text)
    return "".join(key[0].split()) if key else None


@group("keys as text")
def test_text():
    good("keygen", "hybrid-kem", "--text", "-o", "text.key", "-p", "text.pub")
    text = pathlib.Path("text.pub").read_text()
    lines = text.splitlines()
    check("keygen --text: base64 between two lines", lines[0] == "-----BEGIN HOLON PUBLIC KEY-----" and
          lines[-1] == "-----END HOLON PUBLIC KEY-----" and all(len(line) <= 64 for line in lines[1:-1]) and text.isascii())
    secret = pathlib.Path("text.key").read_text()
    check("a secret key as text says so", secret.startswith("-----BEGIN HOLON SECRET KEY-----") and
          stat.S_IMODE(os.stat("text.key").st_mode) == 0o600)
    good("public", "-k", "text.key", "-o", "text.binary")
    check("public --text: the same key", good("public", "-k", "text.key", "--text").decode() == text and
          b"HolonKey" == pathlib.Path("text.binary").read_bytes()[:8])
    box = good("seal", "-k", "text.pub", data=b"by text")
    check("both forms of a key work", good("open", "-k", "text.key", data=box) == b"by text" and
          good("inspect", "text.pub").split(b":", 1)[1] == good("inspect", "text.binary").split(b":", 1)[1])
    pathlib.Path("mail").write_text("Hello,\n\n" + text.replace("\n", "  \r\n") + "\nyours, B.\n")
    check("a key is found in a mail", good("open", "-k", "text.key", data=good("seal", "-k", "mail", data=b"x")) == b"x")
    good("keygen", "ed25519", "--text", "-o", "text.locked", "--passphrase-file", "passphrase", "--memory", 8)
    check("a protected key as text", "PROTECTED SECRET KEY" in pathlib.Path("text.locked").read_text())
    good("public", "-k", "text.locked", "--passphrase-file", "passphrase", "-o", "text.locked.pub")
    taken = 0
    for number in range(120):
        broken = list(text)
        place = random.randrange(1, len(text) - 1)
        broken[place:place + random.choice((0, 1, 1))] = [random.choice("Aa0+/=-x\0")]
        if "".join(broken) == text:
            continue
        pathlib.Path("broken").write_text("".join(broken))
        result = run("seal", "-k", "broken", "-o", "broken.box", "-f", "message")
        if result.returncode == 99:
            taken += 1000
        taken += result.returncode == 0 and what_counts("".join(broken)) != what_counts(text)
    check("a damaged text is refused", taken == 0, f"{taken} taken")
    taken = 0
    for number in range(0, len(text) - 1, 97):
        pathlib.Path("broken").write_text(text[:number])
        taken += run("seal", "-k", "broken", "-o", "broken.box", "-f", "message").returncode != 1
    check("so is one that is cut off", taken == 0, f"{taken} taken")
    pathlib.Path("broken").write_text(text.replace("PUBLIC", "SECRET"))
    refused("or says that it is another kind", "seal", "-k", "broken", "-o", "x", "message", says=["broken", "text"])


@group("boxes for several, and for a passphrase")
def test_shared_boxes():
    for name in "abc":
        good("keygen", "hybrid-kem", "-o", f"{name}.key", "-p", f"{name}.pub")
    content = random.randbytes(200_001)
    pathlib.Path("content").write_bytes(content)
    good("seal", "-k", "a.pub", "-k", "b.pub", "-c", "for us", "-o", "shared.box", "content")
    box = pathlib.Path("shared.box").read_bytes()
    check("seal for two: each opens it", all(good("open", "-k", f"{name}.key", "-c", "for us", data=box) == content
                                             for name in "ab"))
    refused("nobody else does", "open", "-k", "c.key", "-c", "for us", "-o", "x", "shared.box", says=["c.key", "another key"])
    refused("nor with another context", "open", "-k", "a.key", "-o", "x", "shared.box", says=["context"])
    refused("a box for keys wants one", "open", "-o", "x", "shared.box", status=2, says=["-k"])
    refused("sign takes one key", "sign", "-k", "a.key", "-k", "b.key", "message", status=2, says=["one key"])
    refused("33 keys are too many", "seal", *["-k", "a.pub"] * 33, "-o", "x", "message", status=2, says=["32"])
    good("seal", *["-k", "c.pub"] * 31, "-k", "a.pub", "-o", "many.box", "content")
    check("32 are not, and the last one opens", good("open", "-k", "a.key", "many.box") == content)
    header = 11 + 2 * 1168 + 32
    taken = 0
    for place in list(range(0, header, 83)) + [9, 10, header - 1, header, len(box) - 1]:
        broken = bytearray(box)
        broken[place] ^= 1 << random.randrange(8)
        result = run("open", "-k", "b.key", "-c", "for us", data=bytes(broken))
        taken += result.returncode != 1
    check("a bit changed anywhere is found", taken == 0, f"{taken} taken")
    swapped = bytearray(box[:11] + box[11 + 1168:11 + 2 * 1168] + box[11:11 + 1168] + box[11 + 2 * 1168:])
    refused("openers that changed places, too", "open", "-k", "a.key", "-c", "for us", data=bytes(swapped), says=["damaged"])
    one = bytearray(box[:11 + 1168] + box[11 + 2 * 1168:])
    one[10] = 1
    refused("and one that was taken out", "open", "-k", "a.key", "-c", "for us", data=bytes(one), says=["damaged"])
    for size in (0, 5, 11, 12, header - 1, header, header + 10):
        taken += run("open", "-k", "a.key", "-c", "for us", data=box[:size]).returncode != 1
    check("a box cut off anywhere is refused", taken == 0)

    good("seal", "--passphrase-file", "passphrase", "--memory", 8, "-o", "phrase.box", "content")
    check("seal with a passphrase", good("open", "--passphrase-file", "passphrase", "phrase.box") == content)
    refused("another one does not open it", "open", "--passphrase-file", "wrong", "-o", "x", "phrase.box", says=["passphrase"])
    refused("and leaves nothing" if not os.path.exists("x") else "but leaves something", "open", "-k", "a.key", "-o", "x",
            "phrase.box", status=2, says=["leave out -k"])
    refused("keys and a passphrase do not mix", "seal", "-k", "a.pub", "--passphrase-file", "passphrase", "-o", "x", "content",
            status=2, says=["not for both"])
    refused("a cost needs a passphrase", "seal", "-k", "a.pub", "--memory", 8, "-o", "x", "content", status=2, says=["--memory"])
    box = pathlib.Path("phrase.box").read_bytes()
    greedy = box[:11] + (1 << 21).to_bytes(4, "little") + box[15:]
    refused("a box may not ask for any cost", "open", "--passphrase-file", "passphrase", data=greedy, says=["cost"])
    for place in list(range(11 + 12, 11 + 12 + 16 + 48 + 32, 7)):
        broken = bytearray(box)
        broken[place] ^= 16
        taken += run("open", "--passphrase-file", "passphrase", data=bytes(broken)).returncode != 1
    check("a changed bit is found there, too", taken == 0)


@group("self-test")
def test_selftest():
    global TOOL
    TOOL = FAST
    output = good("selftest").decode()
    check(f"selftest: {output.count('ok ')} checks pass", "not ok" not in output and output.count("ok ") > 25, output[-300:])
    check("speed: prints a time", b" us" in good("speed", "x25519"))


def main():
    os.umask(0o000)
    # A failed command ends without freeing what it read; everything else the sanitizers find is a failure.
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99"
    os.environ["UBSAN_OPTIONS"] = "print_stacktrace=1"
    with tempfile.TemporaryDirectory(prefix="holon-crypto-test.", dir=ROOT / "build") as directory:
        os.chdir(directory)
        make_keys()
        for test in [test_keys, test_passphrases, test_interrupted_prompts, test_signatures, test_kems, test_boxes, test_hashes, test_mutations,
                     test_signals, test_outputs, test_descriptors, test_keys_in_use, test_text, test_shared_boxes, test_progress, test_large, test_selftest]:
            test()
        leftovers = [name for name in os.listdir(".") if name.startswith(".holon-crypto")]
        check("no temporary files are left", not leftovers, str(leftovers))
        os.chdir(ROOT)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
