#!/usr/bin/env python3
"""holon-capsule as a person uses it: root, certifier, signer, capsule; and each way of doing it wrong."""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CAPSULE = str(ROOT / "build/host/bin/holon-capsule")
CRYPTO = str(ROOT / "build/host/bin/holon-crypto")
failures = 0


def check(good, name, why=""):
    global failures
    print(f"ok holon-capsule: {name}" if good else f"not ok holon-capsule: {name} - {why}", flush=True)
    failures += not good


def run(*args):
    return subprocess.run([CAPSULE, *args], capture_output=True, text=True)


def refused(name, words, *args, status=1):
    result = run(*args)
    good = result.returncode == status and words in result.stderr and result.stderr.count("\n") == 1
    check(good, name, f"status {result.returncode}: {result.stderr.strip()[:200]}")


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        for name, algorithm in (("root", "slh-dsa-sha2-192s"), ("root2", "slh-dsa-sha2-192s"), ("ca", "hybrid-sign"), ("signer", "hybrid-sign"),
                                ("other", "hybrid-sign")):
            subprocess.run([CRYPTO, "keygen", algorithm, "-o", f"{name}.key", "-p", f"{name}.pub"], check=True,
                           capture_output=True)
        pathlib.Path("payload").write_bytes(bytes(range(256)) * 40)
        steps = (
            ("the root signs a key list", ["keys", "-k", "root.key", "--epoch", "1", "--key",
                                            "ca.pub:certifier:2020-01-01:2040-01-01", "-o", "keys"]),
            ("the certifier certifies a signer",
             ["certify", "-k", "ca.key", "--subject", "signer.pub", "--name", "A Signer", "--space", "org.example",
              "--ceiling", "network", "--ceiling", "files", "--from", "2026-01-01", "--until", "2030-01-01", "-o", "cert"]),
            ("the signer builds a capsule",
             ["build", "--name", "org.example.hello", "--version", "1.2", "--payload", "payload", "--require", "files",
              "--optional", "network", "--command", "/bin/hello", "-k", "signer.key", "--certificate", "cert", "-o", "c"]),
            ("a draft is built", ["build", "--name", "org.example.hello", "--version", "1.2", "--payload", "payload", "-o",
                                   "draft"]),
            ("and signed later", ["sign", "draft", "-k", "signer.key", "--certificate", "cert", "-o", "c2"]),
        )
        for name, args in steps:
            result = run(*args)
            check(result.returncode == 0 and not result.stderr, name, result.stderr.strip())
        base = ["--root", "root.pub", "--keys", "keys", "--time", "2027-06-01"]
        result = run("verify", "c", *base)
        check(result.returncode == 0 and "verified" in result.stdout and "org.example.hello" in result.stdout,
              "it verifies, and what it asks for is shown", result.stderr.strip())
        check(run("verify", "c2", *base).returncode == 0, "so does the one signed later")
        result = run("inspect", "c")
        check(result.returncode == 0 and "A Signer" in result.stdout and "nothing of this was verified" in result.stdout,
              "inspect shows it and says that nothing was verified", result.stderr.strip())

        refused("after its certificate's time", "not valid at this time", "verify", "c", "--root", "root.pub", "--keys",
                "keys", "--time", "2031-01-01")
        refused("under another root", "key list keys is refused", "verify", "c", "--root", "root2.pub", "--keys", "keys")
        refused("a root that is none", "wanted is one of slh-dsa-sha2-192s", "verify", "c", "--root", "ca.pub", "--keys", "keys")
        data = bytearray(pathlib.Path("c").read_bytes())
        data[-1] ^= 1
        pathlib.Path("bad").write_bytes(data)
        refused("with another payload", "not the one that was signed", "verify", "bad", *base)
        pathlib.Path("bad").write_bytes(data[:-1])
        refused("cut short", "cut off", "verify", "bad", *base)
        pathlib.Path("empty").write_bytes(b"")
        refused("an empty file", "no capsule", "inspect", "empty")
        run("build", "--name", "org.other.hello", "--version", "1", "--payload", "payload", "-k", "signer.key",
            "--certificate", "cert", "-o", "bad")
        refused("a name of others", "outside its signer's name spaces: org.other.hello", "verify", "bad", *base)
        run("build", "--name", "org.example.x", "--version", "1", "--payload", "payload", "--require", "kernel", "-k",
            "signer.key", "--certificate", "cert", "-o", "bad")
        refused("a capability above the ceiling", "may not give: kernel", "verify", "bad", *base)
        refused("a certificate of another", "for another key", "sign", "draft", "-k", "other.key", "--certificate", "cert",
                "-o", "bad")
        refused("a bad name", "is no name", "build", "--name", "Org Example", "--version", "1", "--payload", "payload",
                "-o", "bad", status=3)
        result = run("revoke", "-k", "ca.key", "--epoch", "2", "--certificate", "cert", "-o", "revoked")
        check(result.returncode == 0, "the certifier revokes a certificate", result.stderr.strip())
        refused("a revoked certificate", "revoked", "verify", "c", *base, "--revocations", "revoked")
        run("certify", "-k", "other.key", "--subject", "signer.pub", "--name", "X", "--space", "org", "--from", "2026-01-01",
            "--until", "2030-01-01", "-o", "self")
        run("sign", "draft", "-k", "signer.key", "--certificate", "self", "-o", "bad")
        refused("a certificate by nobody", "nobody whom the root trusts", "verify", "bad", *base)
        refused("no command", "no command", "frob", status=3)
        refused("a missing option", "-k is missing", "certify", "-o", "x", "--subject", "signer.pub", status=3)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
