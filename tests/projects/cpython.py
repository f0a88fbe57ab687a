"""Runs modules of CPython's own tests inside, one process each, and prints a line "PASS|FAIL|SKIP: MODULE/TEST" a test.

    cpython.py [--limit SECONDS] MODULE...
"""
import os
import subprocess
import sys
import xml.etree.ElementTree as tree

ENVIRONMENT = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")


def run(module, limit):
    """[(verdict, test)] of one module; that it came to its end is a test, too."""
    result = "/tmp/cpython-result.xml"
    if os.path.exists(result):
        os.unlink(result)
    line = [sys.executable, "-m", "test", "--junit-xml", result, "--timeout", str(limit), module]
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit + 30,
                              env=ENVIRONMENT, cwd="/tmp")
        status, said = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        status, said = "time was over", (late.stdout or b"").decode(errors="replace")
    found = []
    try:
        for case in tree.parse(result).iter("testcase"):
            name = case.get("name", "?").split()[0].removeprefix("test.")
            bad = case.find("failure") is not None or case.find("error") is not None or case.get("status") == "error"
            verdict = "FAIL" if bad else "SKIP" if case.find("skipped") is not None or case.get("result") != "completed" else "PASS"
            found.append((verdict, name))
    except (OSError, tree.ParseError):
        pass
    # Where a test leaves something behind that changes the environment, the status says so, on every system.
    ended = found and status in (0, 2, 3)
    found.append(("PASS" if ended else "SKIP" if "skipped" in said and status in (0, 4) else "FAIL", f"{module}/(the module)"))
    if status != 0 or not found:
        print(f"  | status {status}", *said.splitlines()[-60:], sep="\n  | ")
    return found


def main():
    arguments = sys.argv[1:]
    limit = 300
    if arguments[:1] == ["--limit"]:
        limit, arguments = int(arguments[1]), arguments[2:]
    for module in arguments:
        for verdict, test in run(module, limit):
            print(f"{verdict}: {test if test.startswith(module) else module + '/' + test}")
        sys.stdout.flush()


main()
