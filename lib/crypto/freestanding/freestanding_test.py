#!/usr/bin/env python3
"""The loader's share: under 96 KiB, without vector registers, and right; native units' share: linked and right."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
OUT = ROOT / "build/crypto-bare"
TOOL = ROOT / "build/host/bin/holon-crypto"
LIMIT = 96 * 1024
HEADER = 44  # of signature files
failures = 0


def check(name, passed, why=""):
    global failures
    print(f"ok {name}" if passed else f"not ok {name} - {why}", flush=True)
    failures += not passed


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def section_sizes(path):
    sizes = {}
    for line in output("llvm-size", "-A", path).splitlines():
        words = line.split()
        if len(words) == 3 and words[1].isdigit():
            sizes[words[0]] = int(words[1])
    return sizes


def code_size(path):
    return sum(size for name, size in section_sizes(path).items()
               if name.startswith((".text", ".rodata", ".rdata", ".eh_frame", ".data")))


def test_size(name):
    path = OUT / name
    size = code_size(path)
    check(f"{name}: {size} bytes of code and constants, {LIMIT} allowed", 20000 < size < LIMIT, f"{size} bytes")
    text = output("llvm-objdump", "-d", "--no-show-raw-insn", path)
    vector = re.findall(r"%[xyz]mm\d+|%mm\d|\bf(?:ld|st|add|mul)\w*\s", text)
    check(f"{name}: no vector or floating-point register", not vector and text.count("\n") > 5000, str(vector[:3]))


def test_needs():
    """AArch64 objects want nothing but memory functions and the algorithms that other libraries bring."""
    objects = sorted(str(path) for path in (OUT / "aarch64").rglob("*.o"))
    wanted = {line.split()[-1] for line in output("llvm-nm", "-u", *objects).splitlines() if " U " in line}
    defined = {line.split()[-1] for line in output("llvm-nm", "--defined-only", *objects).splitlines() if " " in line}
    missing = {name for name in wanted - defined - {"memcpy", "memmove", "memset", "memcmp"}
               if not re.match(r"(ed25519|x25519|aead|argon2id)", name)}
    check(f"aarch64: {len(objects)} objects want only memory functions and the classical algorithms",
          len(objects) > 20 and not missing, str(sorted(missing)))
    for name in ["loader_share-O2", "loader_share-Os", "loader_share.efi"]:
        path = OUT / name
        objects = "uefi" if name.endswith(".efi") else "x86_64-" + name[-2:]
        writable = {}
        for part in sorted((OUT / objects / "lib/crypto").glob("*.o")):
            size = sum(size for section, size in section_sizes(part).items()
                       if section.startswith((".data", ".bss")) and not section.startswith(".data.rel.ro"))
            if size:
                writable[part.name] = size
        check(f"{name}: the library has no writable data", path.exists() and not writable, str(writable))


def verdict(program, data):
    return subprocess.run([OUT / program], input=data, capture_output=True, timeout=60 * float(os.environ.get("HOLON_TIME_SCALE", "1"))).returncode


def make_signed(directory, algorithm, message):
    """Public key and signature, as bytes of their standards, under the context the loader expects."""
    key, public, signed = (f"{directory}/{algorithm}{suffix}" for suffix in [".key", ".pub", ".sig"])
    path = pathlib.Path(directory, "message")
    path.write_bytes(message)
    subprocess.run([TOOL, "keygen", algorithm, "-o", key, "-p", public], check=True)
    subprocess.run([TOOL, "sign", "-k", key, "-c", "boot", "-o", signed, path], check=True)
    return pathlib.Path(public).read_bytes()[12:-32], pathlib.Path(signed).read_bytes()[HEADER:]


def test_runs(program, directory):
    message = os.urandom(5000)
    public, signature = make_signed(directory, "hybrid-sign", message)
    good = b"h" + public + signature + message
    bad = [bytearray(good) for _ in range(5)]
    for copy, at in zip(bad, [1, 1 + 40, 1 + len(public) + 10, 1 + len(public) + 100, len(good) - 1]):
        copy[at] ^= 1
    check(f"{program}: accepts a hybrid signature, refuses it damaged in key, either half, message",
          verdict(program, good) == 0 and all(verdict(program, bytes(copy)) == 1 for copy in bad))
    for number, name in [(0, "sha2-128s"), (5, "sha2-256f"), (7, "shake-128f"), (10, "shake-256s")]:
        for file in pathlib.Path(directory).glob("slh-dsa*"):
            file.unlink()
        public, signature = make_signed(directory, f"slh-dsa-{name}", message)
        good = b"s" + bytes([number]) + public + signature + message
        damaged = bytearray(good)
        damaged[2 + len(public) + len(signature) // 2] ^= 1
        check(f"{program}: accepts an SLH-DSA-{name} signature, refuses it damaged",
              verdict(program, good) == 0 and verdict(program, bytes(damaged)) == 1)
    for file in pathlib.Path(directory).iterdir():
        file.unlink()


def main():
    for name in ["loader_share-O2", "loader_share-Os"]:
        test_size(name)
    test_size("loader_share.efi")
    test_needs()
    if os.uname().machine == "x86_64":
        with tempfile.TemporaryDirectory() as directory:
            for name in ["loader_share-O2", "loader_share-Os"]:
                test_runs(name, directory)
        status = verdict("unit_program", b"")
        check("native unit: libsodium, BearSSL and libargon2 link without glibc and give right answers", status == 0,
              f"answer {status} is wrong")
    for target in ["aarch64", "uefi", "i686"]:
        check(f"portable sources compile for {target}", (OUT / f"{target}.stamp").exists())
    undefined = [line for line in output("llvm-nm", "-u", OUT / "unit_program").splitlines() if " U " in line]
    check("native unit: nothing is left undefined", not undefined, str(undefined))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
