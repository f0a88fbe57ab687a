#!/usr/bin/env python3
"""Runs every SLH-DSA vector of ../shared/vectors through build/host/bin/slhdsa-lines, on vector and on plain code.

Without that folder, only the round trip of every parameter set and pre-hash function is checked.
"""
import gzip
import json
import pathlib
import random
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VECTORS = ROOT.parent / "shared" / "vectors"
FAMILIES = [f"SLH-DSA-{hash_}-{size}{speed}" for hash_ in ("SHA2", "SHAKE") for size in (128, 192, 256) for speed in "sf"]
HASHES = ["SHA2-224", "SHA2-256", "SHA2-384", "SHA2-512", "SHA2-512/224", "SHA2-512/256", "SHA3-224", "SHA3-256",
          "SHA3-384", "SHA3-512", "SHAKE-128", "SHAKE-256"]
PATHS = {"vector": 0xffffffff, "avx2": 1, "plain": 0}
PLAIN_SHARE = 4  # of costly vectors, one in so many is run on the other paths too

failures = 0


class Library:
    def __init__(self):
        self.process = subprocess.Popen([ROOT / "build/host/bin/slhdsa-lines"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(word) or "-" for word in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"slhdsa-lines died on {words[0]} {words[1]}")
        return answer


def check(passed, name):
    global failures
    failures += not passed
    print(("ok " if passed else "not ok ") + name, flush=True)


def load(path):
    return json.load(gzip.open(VECTORS / path))


def records(path):
    """The blank-line-separated "key: value" records of a text file."""
    record = {}
    for line in gzip.open(VECTORS / path, "rt"):
        line = line.strip()
        if line.startswith("#"):
            continue
        if line:
            key, _, value = line.partition(":")
            record[key] = value.strip()
        elif record:
            yield record
            record = {}
    if record:
        yield record


def acvp_keygen():
    prompt = load("acvp/SLH-DSA-keyGen-FIPS205/prompt.json.gz")
    results = load("acvp/SLH-DSA-keyGen-FIPS205/expectedResults.json.gz")
    answers = {(group["tgId"], test["tcId"]): test for group in results["testGroups"] for test in group["tests"]}
    for group in prompt["testGroups"]:
        for test in group["tests"]:
            answer = answers[group["tgId"], test["tcId"]]
            yield (("keygen", group["parameterSet"], test["skSeed"] + test["skPrf"] + test["pkSeed"]),
                   f"{answer['pk']} {answer['sk']}".lower())


def acvp_sigver():
    for group in load("acvp/SLH-DSA-sigVer-FIPS205.json.gz")["testGroups"]:
        for test in group["tests"]:
            mode = "internal"
            if group.get("signatureInterface") == "external":
                mode = test["hashAlg"] if group.get("preHash") == "preHash" else "pure"
            yield (("verify", group["parameterSet"], mode, test["pk"], test["message"], test.get("context", ""),
                    test["signature"]), "ok" if test["testPassed"] else "error")


def text_cases(path, set_):
    """What a file's records ask and expect. Those that name no hash are of the internal interface."""
    for record in records(path):
        if "seed" in record:
            yield ("keygen", set_, record["seed"]), f"{record['pub']} {record['priv']}"
        elif "hash" in record:
            mode = "digest:" + record["hash"].replace("SHA-", "SHA2-")
            yield ("verify", set_, mode, record["pub"], record["msg"], record.get("context", ""), record["sig"]), "ok"
        elif "valid" in record:
            yield (("verify", set_, "internal", record["pub"], record["msg"], "", record["sig"]),
                   "ok" if record["valid"] == "true" else "error")
        else:
            yield (("sign", set_, "internal", record["priv"], record["msg"], record.get("context", ""),
                    record.get("entropy", "")), record["sig"])


def run(library, name, cases):
    cases = list(cases)
    for path, mask in PATHS.items():
        library.ask("limit", mask)
        costly = cases[0][0][0] != "verify"
        chosen = cases if path == "vector" or not costly else cases[::PLAIN_SHARE]
        wrong, started = [], time.monotonic()
        for number, (request, expected) in enumerate(chosen):
            answer = library.ask(*request)
            refused = answer in ("error bad signature", "error wrong length")
            if answer != expected and not (expected == "error" and refused):
                wrong.append(f"case {number + 1} ({request[1]}) answers {answer[:60]}")
        spent = time.monotonic() - started
        check(not wrong, f"{name} {path}: {len(chosen)} of {len(cases)} cases, {spent:.1f} s" + "".join(
            f" - {len(wrong)} wrong; {wrong[0]}" if wrong else ""))
    library.ask("limit", PATHS["vector"])


def round_trips(library):
    """Each set signs and verifies; a changed message, context, signature, key or hash is refused."""
    draw = random.Random(205)
    for number, set_ in enumerate(FAMILIES):
        n = int(set_[-4:-1]) // 8
        fast = set_.endswith("f")
        pk, sk = library.ask("keygen", set_, draw.randbytes(3 * n).hex()).split()
        message, context = draw.randbytes(50).hex(), draw.randbytes(draw.randrange(256)).hex()
        fine = library.ask("public", set_, sk) == pk
        damaged = sk[:-2] + f"{int(sk[-2:], 16) ^ 1:02x}"
        fine = fine and library.ask("public", set_, damaged) == "error bad key"
        # Every pre-hash function meets a fast set of either family and a slow set.
        hashes = HASHES[number // 2 % 3::3] if fast else [HASHES[number]]
        for mode in ["pure", *hashes]:
            rnd = draw.choice(["", draw.randbytes(n).hex()])
            signature = library.ask("sign", set_, mode, sk, message, context, rnd)
            good = ["verify", set_, mode, pk, message, context, signature]
            fine = fine and library.ask(*good) == "ok"
            other = {"pure": HASHES[0]}.get(mode, "pure")
            fine = fine and library.ask(*good[:2], other, *good[3:]) == "error bad signature"
            for place in (3, 4, 5, 6):
                for _ in range(4):
                    bad = bytearray.fromhex(good[place]) or bytearray(1)
                    bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
                    fine = fine and library.ask(*good[:place], bad.hex(), *good[place + 1:]) == "error bad signature"
            for cut in (signature[:-2], signature + "00", ""):
                fine = fine and library.ask(*good[:6], cut) == "error wrong length"
            fine = fine and library.ask(*good[:3], pk[2:], *good[4:]) == "error wrong length"
            fine = fine and library.ask(*good[:5], "00" * 256, signature) == "error bad argument"
        check(fine, f"slhdsa round trips and refusals: {set_}")


def main():
    library = Library()
    round_trips(library)
    if VECTORS.is_dir():
        run(library, "slhdsa acvp keyGen", acvp_keygen())
        run(library, "slhdsa acvp sigVer", acvp_sigver())
        for path in sorted((VECTORS / "slhdsa").glob("*.txt.gz")):
            family, hash_, size = path.name.split("_")[:3]
            run(library, f"slhdsa {path.name[:-7]}", text_cases(f"slhdsa/{path.name}",
                                                               f"SLH-DSA-{hash_.upper()}-{size}"))
    else:
        print(f"note: no {VECTORS}; only round trips were checked")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
