#!/usr/bin/env python3
"""NIST's ACVP vectors for ML-KEM and ML-DSA, every case of every file, in plain C, AVX2 and whatever is fastest.

The vectors are read from ../shared/vectors/acvp, or $HOLON_VECTORS/acvp; where that folder is absent the test says so.
Each case becomes a line for mlkem_mldsa_lines; its answer is compared with the expected one, byte for byte.
"""
import gzip
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEER = ROOT / "build/host/bin/mlkem_mldsa_lines"
VECTORS = pathlib.Path(os.environ.get("HOLON_VECTORS", ROOT.parent / "shared/vectors")) / "acvp"
HASHES = ["SHA2-224", "SHA2-256", "SHA2-384", "SHA2-512", "SHA2-512/224", "SHA2-512/256",
          "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512", "SHAKE-128", "SHAKE-256"]
REJECTED = object()  # any status but success


def text(value):
    return value if value else "-"


def kem_case(mode, group, case, expected):
    """The request for a case and its expected outputs, None where only success is expected."""
    if mode == "keyGen":
        return f"kem-keygen {{}} {case['d']} {case['z']}", [expected["ek"], expected["dk"]]
    function = group["function"]
    if function == "encapsulation":
        return f"kem-encapsulate {{}} {text(case['ek'])} {case['m']}", [expected["c"], expected["k"]]
    if function == "decapsulation":
        return f"kem-decapsulate {{}} {text(case['dk'])} {text(case['c'])}", [expected["k"]]
    which = "dk" if function == "decapsulationKeyCheck" else "ek"
    return f"kem-check-{which} {{}} {text(case[which])}", [] if expected["testPassed"] else REJECTED


def dsa_case(mode, group, case, expected):
    if mode == "keyGen":
        return f"dsa-keygen {{}} {case['seed']}", [expected["pk"], expected["sk"]]
    sign = mode == "sigGen"
    if group["signatureInterface"] == "internal":
        suffix, words = ("-mu", [case["mu"]]) if group["externalMu"] else ("-internal", [case["message"]])
    elif group["preHash"] == "pure":
        suffix, words = "", [case["message"], case["context"]]
    else:
        suffix, words = "-prehash", [case["message"], case["context"]]
    words = [case["sk" if sign else "pk"]] + words + [case.get("rnd", "") if sign else case["signature"]]
    if suffix == "-prehash":
        words.append("%02x" % HASHES.index(case["hashAlg"]))
    request = f"dsa-{'sign' if sign else 'verify'}{suffix} {{}} " + " ".join(map(text, words))
    if sign:
        return request, [expected["signature"]]
    return request, [] if expected["testPassed"] else REJECTED


def load(path):
    with gzip.open(path) as file:
        data = json.load(file)
    return data[-1] if isinstance(data, list) else data


def cases(folder):
    prompt, results = load(folder / "prompt.json.gz"), load(folder / "expectedResults.json.gz")
    expected = {(g["tgId"], t["tcId"]): t for g in results["testGroups"] for t in g["tests"]}
    make = kem_case if prompt["algorithm"] == "ML-KEM" else dsa_case
    for group in prompt["testGroups"]:
        name = group["parameterSet"].rsplit("-", 1)[1]
        for case in group["tests"]:
            key = (group["tgId"], case["tcId"])
            request, outputs = make(prompt["mode"], group, case, expected[key])
            yield f"group {key[0]} case {key[1]}", request.format(name), outputs


def matches(answer, outputs):
    words = answer.split()
    if outputs is REJECTED:
        return words[0] == "error" and words[1] != "-10"
    return words == ["ok"] + [o.lower() for o in outputs]


def main():
    folders = sorted(p for p in VECTORS.glob("ML-*") if p.is_dir())
    if not folders:
        print("ok ML-KEM and ML-DSA vectors are absent: skipped (looked for ../shared/vectors/acvp)")
        return 0
    failures = 0
    for folder in folders:
        todo = list(cases(folder))
        requests = "".join(request + "\n" for _, request, _ in todo)
        for option in ("--plain", "--avx2", ""):
            command = [str(PEER)] + ([option] if option else [])
            run = subprocess.run(command, input=requests, capture_output=True, text=True)
            answers = run.stdout.splitlines()
            wrong = [name for (name, _, outputs), answer in zip(todo, answers) if not matches(answer, outputs)]
            label = f"{folder.name} {option.lstrip('-') or 'fastest'}: {len(todo) - len(wrong)} of {len(todo)} cases"
            if run.returncode or len(answers) != len(todo):
                wrong = [f"answered {len(answers)} of {len(todo)} cases, status {run.returncode} {run.stderr.strip()}"]
            failures += bool(wrong)
            print(f"not ok {label} - {', '.join(wrong[:5])}" if wrong else f"ok {label}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
