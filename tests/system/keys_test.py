#!/usr/bin/env python3
"""Keys that reach a child's program: Ctrl-C and Ctrl-Z in a first process without a handler, job control in a child's shell, and a
terminal of its own for a program of `subkernel exec`. One boot; each step waits for what the one before shows."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SLEEP = "sh -c \"echo u''p; exec sleep 1000\""
PROMPT = r"# (\x1b\[6n)?$"


def then_prompt(text):
    """TEXT is shown, and then a prompt: what is typed before that could go to a shell that is about to end."""
    return text + r"[\s\S]*" + PROMPT


UP, SHELL = r"\nup\r?\n", then_prompt(r"built-in commands\.")
STATUS = "echo \"st $?\"\\n"
# (what is seen last where it works, [(typed, then seen)])
STEPS = (
    ("Ctrl-C ends a first process without a handler", [(f"subkernel run -m 32M -- {SLEEP}; echo \"st $?\"\\n", UP), ("\\x03", then_prompt("st 130"))]),
    ("Ctrl-\\ does too", [(f"subkernel run -m 32M -- {SLEEP}; echo \"st $?\"\\n", UP), ("\\x1c", then_prompt("st 131"))]),
    ("Ctrl-Z stops the command and freezes its child", [(f"subkernel run -m 32M -- {SLEEP}\\n", UP), ("\\x1a", then_prompt("Stopped")),
                                                         ("subkernel ls\\n", then_prompt("frozen"))]),
    ("fg lets it go on", [("fg\\n", "subkernel run"), ("\\x03", PROMPT), (STATUS, then_prompt("st 130"))]),
    ("a child's shell has job control", [("subkernel run -m 48M -n kid\\n", SHELL), (f"{SLEEP}\\n", UP), ("\\x1a", then_prompt("Stopped")),
                                          ("kill -9 %1; sleep 1; tty\\n", then_prompt("/dev/console")), ("exit 3\\n", PROMPT),
                                          (STATUS, then_prompt("st 3"))]),
    ("a program of exec has a terminal of its own", [("subkernel run --detach -n kid -m 32M -- sleep 1000\\n", then_prompt(r"\n\d+\r?\n")),
                                                      ("subkernel exec kid sh\\n", SHELL), ("tty\\n", then_prompt("/dev/pts/0"))]),
    ("whose keys reach it", [(f"{SLEEP}\\n", UP), ("\\x03", PROMPT), ("exit 5\\n", PROMPT), (STATUS, then_prompt("st 5"))]),
    ("and which is gone with it", [("subkernel exec kid ls /dev/pts\\n", r"\n0 +ptmx")]),
)


def main():
    line = [str(ROOT / "tools/holon-run"), "--timeout", "200", "--expect", PROMPT]
    for _, steps in STEPS:
        for typed, seen in steps:
            line += ["--type", typed, "--expect", seen]
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    for name, _ in STEPS:
        if done.returncode == 0:
            print(f"ok keys: {name}")
    if done.returncode:
        print(f"not ok keys - status {done.returncode}: {done.stdout[-700:]!r} {done.stderr[:300]}")
    sys.exit(done.returncode != 0)


if __name__ == "__main__":
    main()
