#!/usr/bin/env python3
"""Capsules inside Holon. The host makes them with holon-capsule, certified by the development keys that the boot manifest's root
vouches for; checks.sh installs, runs, refuses and removes them. Then a vault keeps one, and a list of revocations, over two boots, and
a person answers at the terminal."""
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KEYS = ROOT / "build/keys/development"
BRIEF = (20, 40, 80, 160, 320, 640)  # seconds from the start: the guest takes the first that is not over when it is ready
PROGRAM = '#!/bin/sh\nif [ $# = 0 ]; then echo "hello"; exit; fi\nif [ "$1" = a ]; then echo "hello $*" | tr "\\n" " "; exit 7; fi\nexec "$@"\n'
good = True


def report(name, passed, why=""):
    global good
    print(f"ok capsule: {name}" if passed else f"not ok capsule: {name} - {why}", flush=True)
    good = good and bool(passed)


def tool(name, *arguments):
    done = subprocess.run([ROOT / "build/host/bin" / name, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} {' '.join(map(str, arguments))}: {done.stderr}")


class Maker:
    """Signers and capsules in the directory WORK."""

    def __init__(self, work):
        self.work = pathlib.Path(work)
        self.file("program", PROGRAM.encode())
        for name in ("signer", "victim", "other"):
            self.pair(name, "hybrid-sign")
        self.pair("root", "slh-dsa-sha2-192s")

    def file(self, name, data):
        (self.work / name).write_bytes(data)
        return self.work / name

    def pair(self, name, algorithm):
        tool("holon-crypto", "keygen", algorithm, "-o", self.work / f"{name}.key", "-p", self.work / f"{name}.pub")

    def certify(self, name, signer="signer", issuer=KEYS / "certifier-1.key", start="2026-01-01", end="2035-01-01", epoch=5):
        tool("holon-capsule", "certify", "-k", issuer, "--subject", self.work / f"{signer}.pub", "--name", "An Example", "--space", "org.example",
             "--ceiling", "files", "--ceiling", "network", "--ceiling", "nesting", "--ceiling", "telepathy", "--from", start, "--until", end, "--epoch", epoch,
             "-o", self.work / f"{name}.cert")
        return name

    def build(self, file, certificate="good", signer="signer", name="org.example.hello", version="1.10", payload="program", options=()):
        tool("holon-capsule", "build", "--name", name, "--version", version, "--payload", self.work / payload, "--memory", 32 << 20, "--capabilities", 2048,
             *options, "-k", self.work / f"{signer}.key", "--certificate", self.work / f"{certificate}.cert", "-o", self.work / "c" / file)

    def damage(self, file, place):
        """The good capsule with a bit flipped at PLACE of it (a fraction), where what FILE says is."""
        data = bytearray((self.work / "c" / "good").read_bytes())
        data[place(data)] ^= 1
        self.file("c/" + file, data)

    def revoke(self, file, epoch, *options, key=KEYS / "certifier-1.key"):
        tool("holon-capsule", "revoke", "-k", key, "--epoch", epoch, *options, "-o", self.work / "c" / file)


def make(work):
    maker = Maker(work)
    (maker.work / "c").mkdir()
    asks = ("--optional", "files", "--optional", "network", "--optional", "nesting", "--endpoint", "tcp:192.0.2.7:80")
    maker.certify("good")
    maker.certify("victim", signer="victim", epoch=9)
    maker.certify("expired", start="2020-01-01", end="2021-01-01")
    maker.certify("early", start="2090-01-01", end="2091-01-01")
    maker.certify("foreign", issuer=maker.work / "other.key")
    maker.build("good", options=asks)
    for certificate in ("expired", "early", "foreign"):
        maker.build(certificate, certificate=certificate)
    maker.build("victim", certificate="victim", signer="victim", name="org.example.victim")
    maker.build("name", name="org.other.hello")
    maker.build("ceiling", options=("--optional", "ledger"))
    maker.build("unknown", options=("--require", "telepathy"))
    maker.build("endpoint", options=("--optional", "network", "--endpoint", "nowhere"))
    maker.build("quota", options=("--cpu", "0"))
    maker.build("kind", payload="signer.pub")
    maker.build("older", version="1.1")
    maker.build("needs", name="org.example.needs", options=("--require", "files", "--optional", "network"))
    size = len((maker.work / "c/good").read_bytes()) - len(PROGRAM)
    maker.damage("payload", lambda data: len(data) - 1)
    maker.damage("manifest", lambda data: bytes(data).index(b"org.example.hello") + 12)
    maker.damage("certificate", lambda data: bytes(data).index(b"An Example"))
    maker.file("c/short", (maker.work / "c/good").read_bytes()[:size // 2])
    maker.file("c/empty", b"")
    with tarfile.open(maker.work / "tree.tar", "w", format=tarfile.GNU_FORMAT) as out:
        maker.file("tree-program", b"#!/bin/sh\ncat /usr/share/tree/text\n").chmod(0o755)
        out.add(maker.work / "tree-program", "usr/bin/tree-program")
        out.add(maker.file("tree-text", b"a tree of files\n"), "usr/share/tree/text")
    maker.build("tree", name="org.example.tree", payload="tree.tar", options=("--command", "tree-program"))
    tool("holon-capsule", "keys", "-k", maker.work / "root.key", "--epoch", 9, "--key", f"{maker.work}/other.pub:certifier:2020-01-01:2040-01-01",
         "-o", maker.work / "c/foreign-keys")
    maker.revoke("revocations-1", 1)
    maker.revoke("revocations-2", 2, "--certificate", maker.work / "victim.cert")
    maker.revoke("revocations-3", 3, "--least-epoch", 6)
    maker.revoke("foreign-revocations", 9, key=maker.work / "other.key")
    now = int(time.time())
    for span in BRIEF:  # of an epoch that is not withdrawn
        maker.certify(f"brief-{span}", end=now + span, epoch=9)
        maker.build(f"brief-{span}", certificate=f"brief-{span}", name="org.example.brief", options=("--optional", "nesting"))
    return maker


def boot(work, *arguments, command=None):
    line = [str(ROOT / "tools/holon-run"), "--timeout", "900", "--add", f"{work}/c:/c", "--add", f"{ROOT}/tests/capsule/checks.sh:/checks.sh",
            "--add", f"{ROOT}/tests/system/library.sh:/tests/library.sh", *arguments]
    done = subprocess.run(line + (["--", "sh", "-c", command] if command else []), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    return done.stdout.replace("\r", ""), done


def check_inside(work):
    output, done = boot(work, "--net", "user", command="sh /checks.sh")
    for line in output.splitlines():
        if line.startswith("ok system: "):
            report(line[11:], True)
        elif line.startswith("not ok system: "):
            report(*line[15:].split(" - ", 1)[:1], False, line)
    report("the checks came to their end", output.endswith("the end\n"), output[-500:] + done.stderr[-500:])


def check_vault(work):
    disk, key = pathlib.Path(work, "disk"), pathlib.Path(work, "c/key")
    with open(disk, "wb") as file:
        file.truncate(64 << 20)
    key.write_bytes(os.urandom(32))
    opened = "vault open disk v --key-file /c/key >/dev/null && "
    first, _ = boot(work, "--block", str(disk), command="vault create disk --key-file /c/key >/dev/null && " + opened
                    + "capsule install /c/victim --grant none && capsule install --session /c/good --grant none && capsule ls && capsule run org.example.victim"
                      " && vault close v && echo closed")
    report("with an open vault, a capsule is kept there", "installed     in the vault 'v'" in first, first[-800:])
    report("unless the session is asked for", "for this session" in first and "closed" in first, first[-800:])
    second, _ = boot(work, "--block", str(disk), command=opened + "capsule ls && capsule run org.example.victim && capsule revoke /c/revocations-2 && vault close v")
    report("it is there after the next boot, and the other is not", "org.example.victim" in second and "org.example.hello" not in second, second[-800:])
    report("and runs", "\nhello\n" in second, second[-800:])
    third, done = boot(work, "--block", str(disk), command=opened + "capsule run org.example.victim; echo $?; capsule remove org.example.victim; capsule ls; vault close v")
    report("a revocation is kept there as well", "certificate was revoked" in third + done.stderr and "\n126\n" in "\n" + third, third[-800:])
    report("and what is removed is gone", "removed       org.example.victim" in third and third.count("org.example.victim") == 2, third[-800:])


def check_person(work):
    """At a terminal: no to the first two, yes to the last."""
    answers = ("Grant network .*\\? \\[y/N\\] $", "n\\n", "Grant files .*\\? \\[y/N\\] $", "\\n", "Grant nesting .*\\? \\[y/N\\] $", "y\\n", "granted       nesting")
    line = ["--expect", "# $", "--type", "capsule install /c/good\\n"]
    for index, word in enumerate(answers):
        line += ["--type" if index % 2 else "--expect", word]
    output, done = boot(work, *line)
    report("a person is asked for each capability, and is obeyed", done.returncode == 0, output[-800:] + done.stderr[-500:])


def check_deb(work):
    """One command from a Debian package to a running capsule."""
    tree, package = pathlib.Path(work, "deb"), pathlib.Path(work, "small.deb")
    for name, mode, text in (("DEBIAN/control", 0o644, "Package: small\nVersion: 2.0\nArchitecture: all\nMaintainer: a test <test@localhost>\nDescription: is small\n"),
                             ("usr/bin/small", 0o755, '#!/bin/sh\necho "$(cat /usr/share/small/text) $*"\nexit 3\n'), ("usr/share/small/text", 0o644, "says\n")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
        (tree / name).chmod(mode)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(package)], check=True, capture_output=True)
    done = subprocess.run([ROOT / "tools/capsule-deb", package, "--run", "--boot=--timeout=900", "--", "so much"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, errors="replace")
    report("from a .deb to a running capsule in one command", done.returncode == 3 and "says so much" in done.stdout, done.stdout + done.stderr[-600:])


def main():
    with tempfile.TemporaryDirectory(prefix="capsule-test-") as work:
        make(work)
        check_inside(work)
        check_vault(work)
        check_person(work)
        check_deb(work)
    sys.exit(not good)


if __name__ == "__main__":
    main()
