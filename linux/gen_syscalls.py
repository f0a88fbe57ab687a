#!/usr/bin/env python3
"""Makes the personality's dispatch table, or the page about it, from linux/syscalls.tbl and the tables of flags.

gen_syscalls.py asm TABLE > OUTPUT
gen_syscalls.py doc TABLE FLAGS-FOLDER > OUTPUT
"""
import sys

sys.dont_write_bytecode = True
import flags  # noqa: E402

COUNT = 463
# How the common lock is held while a call runs: MODE_SHARED and MODE_ALONE of linux/layout.inc; 0: not at all.
MODES = {"unlocked": 0, "shared": 1, "-": 2}


def read(path):
    rows = {}
    for number, line in enumerate(open(path), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        fields = line.split(None, 4)
        if len(fields) < 4 or fields[2] not in ("full", "partly", "absent") or fields[3] not in MODES:
            sys.exit(f"{path}:{number}: malformed line")
        call = int(fields[0])
        if call in rows or not 0 <= call < COUNT:
            sys.exit(f"{path}:{number}: number {call} twice or out of range")
        missing = fields[4] if len(fields) > 4 else ""
        if fields[2] == "partly" and not missing:
            sys.exit(f"{path}:{number}: {fields[1]} is partly there but nothing is said to be missing")
        rows[call] = (fields[1], fields[2], MODES[fields[3]], missing)
    return rows


def asm(rows):
    """Handlers of absent calls are not referenced at all, so that a forgotten table line shows as a missing call."""
    print("/* Made from linux/syscalls.tbl. */\n\t.section .data.rel.ro, \"aw\"\n\t.balign 8\n\t.globl linux_syscall_table\nlinux_syscall_table:")
    for call in range(COUNT):
        name, state, _, _ = rows.get(call, ("", "absent", False, ""))
        print(f"\t.quad sys_{name}" if state != "absent" else "\t.quad 0")
    print("\t.globl linux_syscall_modes\nlinux_syscall_modes:")
    for call in range(COUNT):
        print(f"\t.byte {rows.get(call, ('', '', 2, ''))[2]}")
    print('\t.section .note.GNU-stack, "", @progbits')


def doc(rows, folder):
    """A call of whose flags one differs from Linux, or is only kept, is not there in full, whatever its row says."""
    families, flagless = flags.read(folder)
    known = {row[0] for row in rows.values()}
    differing = {}
    for family in families:
        names = [row.name for row in family.rows.values() if row.state in ("differs", "kept")]
        for call in family.calls:
            if call not in known:
                sys.exit(f"{family.name}: no call {call}")
            if names:
                differing.setdefault(call, []).append(f"[{family.name}](#{family.name}): {', '.join(names)}")
    shown = {}
    for call, (name, state, _, missing) in rows.items():
        parts = [missing] * bool(missing) + ["differ, or are only kept, of " + text for text in differing.get(name, [])] * (state != "absent")
        shown[call] = (name, "partly" if state == "full" and parts else state, "; ".join(parts))
    counts = {state: sum(row[1] == state for row in shown.values()) for state in ("full", "partly", "absent")}
    print("# Linux system calls\n")
    print("Made from `linux/syscalls.tbl` and `linux/flags` by `make docs/linux-syscalls.md`; `make test` checks that it is up to date.\n")
    print(f"{counts['full']} calls are there in full, {counts['partly']} partly, {counts['absent']} not at all. "
          "An absent call answers `ENOSYS` and is logged once. A call of whose flags one is known to differ, or is only kept, is never called full.\n")
    print("| number | call | state | missing |\n|---|---|---|---|")
    for call, (name, state, missing) in sorted(shown.items()):
        print(f"| {call} | {name} | {state} | {missing} |")
    flags.doc(families)
    covered = {call for family in families for call in family.calls} | set(flagless)
    left = [name for name, state, _ in shown.values() if state != "absent" and name not in covered]
    if left:
        print(f"\n### Not tried\n\nThe flags, commands and options of {', '.join(left)} are in no table yet.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["asm"] and len(sys.argv) == 3:
        asm(read(sys.argv[2]))
    elif sys.argv[1:2] == ["doc"] and len(sys.argv) == 4:
        doc(read(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(__doc__)
