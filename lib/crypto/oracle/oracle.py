"""The crypto oracle (oracle.h) as a Python object: operations in, fields or the name of an error out."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
HASHES = ["SHA2-224", "SHA2-256", "SHA2-384", "SHA2-512", "SHA2-512/224", "SHA2-512/256", "SHA3-224", "SHA3-256",
          "SHA3-384", "SHA3-512", "SHAKE-128", "SHAKE-256"]  # enum prehash
PATHS = {"plain C": 0, "AVX2": 1, "fastest": 0xffffffff}  # crypto_cpu_limit


def field(value):
    """An argument in the protocol's form: bytes, their hexadecimal digits, or a number."""
    if isinstance(value, int):
        value = value.to_bytes(8, "little")
    return (value.hex() if isinstance(value, bytes) else value.lower()) or "-"


class Oracle:
    def __init__(self):
        self.process = subprocess.Popen([ROOT / "build/host/bin/crypto-oracle"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, operation, *arguments):
        """The answer's words: ["ok", FIELD, ...] or ["error", NAME]."""
        self.process.stdin.write(" ".join([operation, *map(field, arguments)]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer or answer[0] == "usage":
            raise RuntimeError(f"crypto-oracle, asked for {operation}: {' '.join(answer) or 'died'}")
        return answer

    def must(self, operation, *arguments):
        """The fields of an answer that has to be a success."""
        answer = self.ask(operation, *arguments)
        if answer[0] != "ok":
            raise RuntimeError(f"crypto-oracle, asked for {operation}: {answer[1]}")
        return answer[1:]

    def limit(self, path):
        self.must("limit", PATHS[path])
