#!/usr/bin/env python3
"""Checks the freestanding builds of the library: what they need from outside, which registers, how large they are.

The loader's share (hybrid verification, SHAKE, BLAKE3, SLH-DSA verification) must be under 96 KiB of code and constants,
touch no vector register, and need nothing but the memory functions; so must all of the library on AArch64, but for the
classical algorithms, which its user links.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "freestanding"
MEMORY = {"memcpy", "memmove", "memset", "memcmp"}
CLASSICAL = re.compile(r"^(ed25519|x25519|aead|argon2id)")
ENTRIES = ["hybrid_verify", "hybrid_message_start", "hybrid_message_update", "hybrid_message_verify", "shake256_init",
           "shake_absorb", "shake_finalize", "shake_squeeze", "blake3_init", "blake3_update", "blake3_final",
           "slhdsa_verify", "slhdsa_verify_prehash", "mldsa_verify", "ed25519_verify", "crypto_status_text"]
MOST_CODE = 96 * 1024

failures = 0


def check(passed, name):
    global failures
    failures += not passed
    print(("ok " if passed else "not ok ") + name, flush=True)


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def undefined(*objects):
    return {line.split()[-1] for line in output("llvm-nm", "-u", *objects).splitlines() if " U " in line}


def defined(*objects):
    return {line.split()[-1] for line in output("llvm-nm", "--defined-only", *objects).splitlines() if " " in line}


def main():
    loader = sorted(str(path) for path in (BUILD / "crypto-loader").rglob("*.o"))
    missing = undefined(*loader) - defined(*loader) - MEMORY
    check(bool(loader) and not missing, f"loader: {len(loader)} objects need only memory functions"
          + (f" - also {', '.join(sorted(missing))}" if missing else ""))
    vector = set()
    for path in loader:
        if re.search(r"%[xyz]mm\d|%st\b|%mm\d", output("llvm-objdump", "-d", "--no-show-raw-insn", path)):
            vector.add(pathlib.Path(path).name)
    check(not vector, "loader: no vector or floating-point register is touched"
          + (f" - {', '.join(sorted(vector))}" if vector else ""))
    program = BUILD / "crypto-loader.elf"
    subprocess.run(["ld.lld", "--gc-sections", "--unresolved-symbols=ignore-all", "-e", ENTRIES[0], "-o", program,
                    *(f"-u{entry}" for entry in ENTRIES), *loader], check=True)
    sizes = {words[0]: int(words[1]) for words in map(str.split, output("llvm-size", "-A", program).splitlines())
             if len(words) == 3 and words[0].startswith(".") and not words[0].startswith((".debug", ".comment"))}
    total = sum(size for name, size in sizes.items() if name.startswith((".text", ".rodata", ".data", ".eh_frame")))
    check(0 < total <= MOST_CODE, f"loader: {total} bytes of code and constants, at most {MOST_CODE}")
    writable = sum(size for name, size in sizes.items() if name.startswith((".data", ".bss"))
                   and not name.startswith(".data.rel.ro"))
    check(writable == 0, f"loader: {writable} bytes of writable data")

    aarch64 = sorted(str(path) for path in (BUILD / "crypto-aarch64").rglob("*.o"))
    missing = {name for name in undefined(*aarch64) - defined(*aarch64) - MEMORY if not CLASSICAL.match(name)}
    check(bool(aarch64) and not missing, f"AArch64: {len(aarch64)} objects need only memory functions and the classical "
          "algorithms" + (f" - also {', '.join(sorted(missing))}" if missing else ""))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
