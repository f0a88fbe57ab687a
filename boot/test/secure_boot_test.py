#!/usr/bin/env python3
"""Secure Boot in OVMF: the signed loader starts; an unsigned one, one that a foreign key signed and one with a flipped bit fail
with the firmware's message. Two flips; 5 with HOLON_SOAK set."""
import os
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build" / "x86_64" / "boot"
KEYS = ROOT / "build" / "keys"
random.seed(5)
failures = 0


def report(good, name, why=""):
    global failures
    failures += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}", flush=True)


def medium(work, loader):
    path = pathlib.Path(work, "medium.iso")
    subprocess.run([ROOT / "tools/mkiso", "--stage", OUT / "stage.bin", "--bios-loader", OUT / "bios-loader.bin", "--sector-disk",
                    OUT / "sector-disk.bin", "--sector-cd", OUT / "sector-cd.bin", "--efi", loader, "--bundle", OUT / "test.bundle",
                    path], check=True)
    return path


def run(iso, certificate, steps, timeout=240):
    line = [ROOT / "tools/holon-run", f"--secure-boot={certificate}", "--iso", iso, "--timeout", str(timeout)] + steps
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def main():
    own, foreign = KEYS / "development/secure-boot.crt", KEYS / "release/secure-boot.crt"
    denied = ["--expect", "Access Denied"]
    with tempfile.TemporaryDirectory(prefix="holon-secure-boot-test-") as work:
        signed, unsigned = OUT / "signed.efi", OUT / "bootx64.efi"
        status, output = run(medium(work, signed), own, ["--", "exit", "7"])
        report(status == 7, "control: the signed loader starts", f"status {status}: {output[-400:]}")
        status, output = run(medium(work, unsigned), own, denied)
        report(status == 0, "an unsigned loader is refused by the firmware", f"status {status}: {output[-400:]}")
        status, output = run(medium(work, signed), foreign, denied)
        report(status == 0, "a loader signed by a foreign key is refused by the firmware", f"status {status}: {output[-400:]}")
        data = signed.read_bytes()
        size = unsigned.stat().st_size
        for number in range(5 if os.environ.get("HOLON_SOAK") else 1):
            changed = bytearray(data)
            changed[random.randrange(1024, size)] ^= 1 << random.randrange(8)
            path = pathlib.Path(work, "changed.efi")
            path.write_bytes(changed)
            status, output = run(medium(work, path), own, denied)
            report(status == 0, f"flip {number} in the loader is refused by the firmware", f"status {status}: {output[-400:]}")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
