#!/usr/bin/env python3
"""NIST's vectors for ML-KEM, ML-DSA and SLH-DSA: every case of every file of ../shared/vectors, in plain C, AVX2 and
whatever is fastest. Moreover round trips and refusals of every SLH-DSA set and pre-hash function.

Each case becomes a request to crypto-oracle; its answer is compared byte for byte. The folder may be elsewhere
($HOLON_VECTORS); without it, only the round trips run.
"""
import gzip
import json
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "oracle"))
from oracle import HASHES, PATHS, ROOT, Oracle  # noqa: E402

VECTORS = pathlib.Path(os.environ.get("HOLON_VECTORS", ROOT.parent / "shared/vectors"))
SLHDSA_SETS = [f"{hash_}-{size}{speed}" for hash_ in ("SHA2", "SHAKE") for size in (128, 192, 256) for speed in "sf"]
REJECTED = ["error"]  # the start of any refusal
COSTLY_SHARE = 4  # of SLH-DSA signatures and keys, one in so many is made on the slower paths too

failures = 0


def check(passed, name):
    global failures
    failures += not passed
    print(("ok " if passed else "not ok ") + name, flush=True)


def verdict(passed):
    return ["ok"] if passed else REJECTED


def kem_case(mode, group, case, expected, set_):
    if mode == "keyGen":
        return (f"mlkem_keygen:{set_}", case["d"], case["z"]), ["ok", expected["ek"], expected["dk"]]
    function = group["function"]
    if function == "encapsulation":
        return (f"mlkem_encapsulate:{set_}", case["ek"], case["m"]), ["ok", expected["c"], expected["k"]]
    if function == "decapsulation":
        return (f"mlkem_decapsulate:{set_}", case["dk"], case["c"]), ["ok", expected["k"]]
    which = "dk" if function == "decapsulationKeyCheck" else "ek"
    return (f"mlkem_check_{which}:{set_}", case[which]), verdict(expected["testPassed"])


def signature_case(prefix, sign, group, case, expected, set_):
    """ML-DSA and SLH-DSA: what is signed depends on the interface; the rest is alike."""
    if group.get("signatureInterface") != "external":
        form, words = ("_mu", [case["mu"]]) if group.get("externalMu") else ("_internal", [case["message"]])
    elif group["preHash"] == "pure":
        form, words = "", [case["message"], case["context"]]
    else:
        form, words = "_prehash", [HASHES.index(case["hashAlg"]), case["message"], case["context"]]
    request = (f"{prefix}_{'sign' if sign else 'verify'}{form}:{set_}", case["sk" if sign else "pk"], *words)
    if sign:
        return request + (case.get("rnd", case.get("additionalRandomness", "")),), ["ok", expected["signature"]]
    return request + (case["signature"],), verdict(expected["testPassed"])


def acvp_case(algorithm, mode, group, case, expected):
    name = group["parameterSet"]
    if algorithm == "ML-KEM":
        return kem_case(mode, group, case, expected, name.removeprefix("ML-KEM-"))
    prefix, set_ = (("mldsa", name.removeprefix("ML-DSA-")) if algorithm == "ML-DSA" else
                    ("slhdsa", name.removeprefix("SLH-DSA-")))
    if mode != "keyGen":
        return signature_case(prefix, mode == "sigGen", group, case, expected, set_)
    seed = case["seed"] if algorithm == "ML-DSA" else case["skSeed"] + case["skPrf"] + case["pkSeed"]
    return (f"{prefix}_keygen:{set_}", seed), ["ok", expected["pk"], expected["sk"]]


def load(path):
    with gzip.open(path) as file:
        data = json.load(file)
    return data[-1] if isinstance(data, list) else data


def acvp_cases(path):
    """A folder with prompts and expected results, or one file with both."""
    prompt = load(path / "prompt.json.gz" if path.is_dir() else path)
    results = load(path / "expectedResults.json.gz") if path.is_dir() else prompt
    expected = {(group["tgId"], case["tcId"]): case for group in results["testGroups"] for case in group["tests"]}
    for group in prompt["testGroups"]:
        for case in group["tests"]:
            key = (group["tgId"], case["tcId"])
            case = {**group, **case}  # older files keep the key with the group
            yield f"group {key[0]} case {key[1]}", *acvp_case(prompt["algorithm"], prompt["mode"], group, case, expected[key])


def records(path):
    """The blank-line-separated "key: value" records of a text file."""
    record = {}
    for line in [*gzip.open(path, "rt"), ""]:
        key, colon, value = line.strip().partition(":")
        if colon and not key.startswith("#"):
            record[key] = value.strip()
        elif not key and record:
            yield record
            record = {}


def text_cases(path):
    """What a file's records ask and expect. Those that name no hash are of the internal interface."""
    family, hash_, size = path.name.split("_")[:3]
    set_ = f"{hash_.upper()}-{size}"
    for number, record in enumerate(records(path), 1):
        if "seed" in record:
            request, answer = (f"{family}_keygen:{set_}", record["seed"]), ["ok", record["pub"], record["priv"]]
        elif "hash" in record:
            request = (f"{family}_verify_prehash:{set_}", record["pub"], HASHES.index(record["hash"].replace("SHA-", "SHA2-")),
                       bytes.fromhex(record["msg"]), record.get("context", ""), record["sig"])
            answer = ["ok"]
        elif "valid" in record:
            request = (f"{family}_verify_internal:{set_}", record["pub"], record["msg"], record["sig"])
            answer = verdict(record["valid"] == "true")
        else:
            request = (f"{family}_sign_internal:{set_}", record["priv"], record["msg"], record.get("entropy", ""))
            answer = ["ok", record["sig"]]
        yield f"record {number}", request, answer


def run(oracle, name, cases):
    cases = list(cases)
    operation = cases[0][1][0]
    costly = operation.startswith("slhdsa") and "verify" not in operation
    for path in PATHS:
        oracle.limit(path)
        chosen = cases[::COSTLY_SHARE] if costly and path != "fastest" else cases
        wrong, started = [], time.monotonic()
        for label, request, expected in chosen:
            if "_prehash" in request[0] and not isinstance(request[3], bytes):  # a message, not yet a digest
                digest = oracle.must("prehash", request[2], request[3])[0]
                request = (*request[:3], digest, *request[4:])
            answer = oracle.ask(*request)
            if expected is REJECTED:
                fine = answer[0] == "error" and answer[1] != "INTERNAL"
            else:
                fine = answer == [word.lower() for word in expected]
            if not fine:
                wrong.append(f"{label} answers {' '.join(answer)[:60]}")
        spent = time.monotonic() - started
        check(not wrong, f"{name}, {path}: {len(chosen) - len(wrong)} of {len(cases)} cases, {spent:.1f} s"
              + (f" - {wrong[0]}" if wrong else ""))
    oracle.limit("fastest")


def round_trips(oracle):
    """Each SLH-DSA set signs and verifies; a changed message, context, signature, key or hash is refused."""
    draw = random.Random(205)
    bad_signature, bad_length, bad_argument = ["error", "BAD_SIGNATURE"], ["error", "BAD_LENGTH"], ["error", "BAD_ARGUMENT"]
    for number, set_ in enumerate(SLHDSA_SETS):
        n, fast = int(set_[-4:-1]) // 8, set_.endswith("f")
        pk, sk = oracle.must(f"slhdsa_keygen:{set_}", draw.randbytes(3 * n))
        message, context = draw.randbytes(50), draw.randbytes(draw.randrange(256))
        fine = oracle.must(f"slhdsa_public:{set_}", sk) == [pk]
        damaged = sk[:-2] + f"{int(sk[-2:], 16) ^ 1:02x}"
        fine = fine and oracle.ask(f"slhdsa_public:{set_}", damaged) == ["error", "BAD_KEY"]
        # Every pre-hash function meets a fast set of either family and a slow set.
        for hash_ in [None, *(range(number // 2 % 3, len(HASHES), 3) if fast else [number])]:
            form, words = "", [message, context]
            if hash_ is not None:
                form, words = "_prehash", [hash_, oracle.must("prehash", hash_, message)[0], context]
            rnd = draw.choice([b"", draw.randbytes(n)])
            signature, = oracle.must(f"slhdsa_sign{form}:{set_}", sk, *words, rnd)
            verify, good = f"slhdsa_verify{form}:{set_}", [pk, *words, signature]
            fine = fine and oracle.ask(verify, *good) == ["ok"]
            if hash_ is None:
                digest = oracle.must("prehash", 0, message)[0]
                other = oracle.ask(f"slhdsa_verify_prehash:{set_}", pk, 0, digest, context, signature)
            else:
                other = oracle.ask(f"slhdsa_verify:{set_}", pk, message, context, signature)
            fine = fine and other == bad_signature
            for place, value in enumerate(good):
                if isinstance(value, int):
                    continue
                for _ in range(4):
                    bad = bytearray(value if isinstance(value, bytes) else bytes.fromhex(value)) or bytearray(1)
                    bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
                    fine = fine and oracle.ask(verify, *good[:place], bytes(bad), *good[place + 1:]) == bad_signature
            for cut in (signature[:-2], signature + "00", ""):
                fine = fine and oracle.ask(verify, *good[:-1], cut) == bad_length
            fine = fine and oracle.ask(verify, pk[2:], *good[1:]) == bad_length
            fine = fine and oracle.ask(verify, *good[:-2], bytes(256), signature) == bad_argument
        check(fine, f"SLH-DSA-{set_}: round trips and refusals")


def main():
    oracle = Oracle()
    round_trips(oracle)
    acvp = sorted(path for path in (VECTORS / "acvp").glob("*-FIPS20*"))
    for path in acvp:
        run(oracle, path.name.split(".")[0], acvp_cases(path))
    texts = sorted((VECTORS / "slhdsa").glob("*.txt.gz"))
    for path in texts:
        run(oracle, path.name.split(".")[0], text_cases(path))
    if not acvp and not texts:
        print("ok NIST's vectors are absent: skipped (looked for ../shared/vectors)")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
