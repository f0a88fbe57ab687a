#!/usr/bin/env python3
"""The coverage of flags, commands and options: what linux/flags/*.tbl says of each, made into a program, a page and checks.

flags.py names FOLDER            every name that the headers define for the families of FOLDER and that no row has; fails if any
flags.py program FOLDER > C      the program that tries each name; it prints "FAMILY NAME = OUTCOME" a line
flags.py compare FOLDER A B      A: the program's output on Linux, B: on Holon; checks each row against what was seen

A table holds families. A family begins with "family NAME: CALL..." and says, a line each:
  headers FILE...        headers to be read together (may stand several times: others, read apart)
  names REGEX            what a name of the family looks like
  not REGEX...: WHY      names that match and are no flag (a mask, a limit, a structure's field)
  try                    the lines of C below it, indented, try a name: FLAG is its number
  effect                 'try' sees what a name does, not only whether it is taken and what it gives back
Then a row a name, with lines of C of its own below it where it has its own way to be tried:
  NAME same              what the program prints is the same on both systems
  NAME kept: WHY         the same, but the value is only kept: what Linux does by it, which no try sees, is not done here
  NAME refused           both refuse it, with the same error
  NAME differs: WHY      the systems differ, and how
  NAME untried: WHY      it cannot be tried, and why
A line "flagless CALL..." names calls that take no flags, commands or options of their own.
"""
import dataclasses
import pathlib
import re
import subprocess
import sys

STATES = ("same", "kept", "refused", "differs", "untried")
# The headers that the tables were made from: of newer ones (linux/version.h), names without a row are told, not an error.
HEADERS_VERSION = 0x060100
CLANG = ["clang", "-D_GNU_SOURCE", "-w", "-x", "c", "-"]


@dataclasses.dataclass
class Row:
    name: str
    state: str
    remark: str
    code: list


@dataclasses.dataclass
class Family:
    name: str
    calls: list
    headers: list
    names: str = ""
    excluded: dict = dataclasses.field(default_factory=dict)
    code: list = dataclasses.field(default_factory=list)
    effect: bool = False
    rows: dict = dataclasses.field(default_factory=dict)

    def is_excluded(self, name):
        return any(re.fullmatch(pattern, name) for pattern in self.excluded)

    def effect_seen(self, row):
        """Whether what the row's name does is compared, and not only whether it is taken and what it gives back."""
        return row.state == "same" and bool(row.code or self.effect)


def read(folder):
    """The families of a folder's tables, and the calls without flags."""
    families, flagless = [], []
    for path in sorted(pathlib.Path(folder).glob("*.tbl")):
        family, code = None, None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            def fail(why, path=path, number=number):
                sys.exit(f"{path}:{number}: {why}")
            if not line.strip() or line.startswith("#"):
                continue
            if line.startswith("\t\t"):
                if code is None:
                    fail("C below no row")
                code.append(line[2:])
                continue
            code = None
            word, _, rest = line.strip().partition(" ")
            if word == "family":
                name, colon, calls = rest.partition(":")
                if not colon or any(known.name == name for known in families):
                    fail("a family without calls, or twice")
                family = Family(name, calls.split(), [])
                families.append(family)
            elif word == "flagless":
                flagless += rest.split()
            elif family is None:
                fail("a line before the first family")
            elif word == "headers":
                family.headers.append(rest.split())
            elif word == "names":
                family.names = rest
            elif word == "not":
                patterns, colon, why = rest.partition(":")
                if not colon:
                    fail("why is it no flag?")
                family.excluded.update({pattern: why.strip() for pattern in patterns.split()})
            elif word == "try":
                code = family.code
            elif word == "effect":
                family.effect = True
            else:
                state, _, remark = rest.partition(":")
                if state not in STATES or word in family.rows or family.is_excluded(word):
                    fail(f"{word}: an unknown state, or a second row")
                if (state in ("kept", "differs", "untried")) != bool(remark.strip()):
                    fail(f"{word}: 'kept', 'differs' and 'untried' say why, others do not")
                row = family.rows[word] = Row(word, state, remark.strip(), [])
                code = row.code
    return families, flagless


def run_clang(arguments, source):
    return subprocess.run(CLANG[:1] + arguments + CLANG[1:], input=source, capture_output=True, text=True)


def defined(headers, pattern):
    """The names that match and that the headers define, with their values: constants alone."""
    source = "#include <stddef.h>\n" + "".join(f"#include <{header}>\n" for header in headers)
    text = run_clang(["-E", "-dD", "-P"], source)
    if text.returncode:
        sys.exit(f"{' '.join(headers)}: {text.stderr}")
    names = set(re.findall(r"^#define (\w+) ", text.stdout, re.M))
    for body in re.findall(r"\benum\b[^{;]*\{([^}]*)\}", re.sub(r"^#.*$", "", text.stdout, flags=re.M)):
        names.update(re.findall(r"(?:^|,)\s*(\w+)", body))
    names = sorted(name for name in names if re.fullmatch(pattern, name))
    while names:
        lines = [f"long long value_{name} = (long long)({name});" for name in names]
        result = run_clang(["-S", "-emit-llvm", "-ferror-limit=0", "-o", "-"], source + "\n".join(lines) + "\n")
        first = len(headers) + 2
        bad = {int(line) - first for line in re.findall(r"^<stdin>:(\d+):\d+: error", result.stderr, re.M)}
        if not bad:
            if result.returncode:
                sys.exit(result.stderr)
            values = re.findall(r"^@value_(\w+) = .*global i64 (-?\d+)", result.stdout, re.M)
            return {name: int(value) for name, value in values}
        names = [name for index, name in enumerate(names) if index not in bad]
    return {}


def find_values(families):
    """Of each family by its name: what its headers define. A set of headers is read once for all of its families."""
    patterns = {}
    for family in families:
        for headers in family.headers:
            patterns.setdefault(tuple(headers), []).append(family.names)
    found = {headers: defined(headers, "|".join(f"(?:{pattern})" for pattern in wanted)) for headers, wanted in patterns.items()}
    return {family.name: {name: value for headers in family.headers for name, value in found[tuple(headers)].items()
                          if re.fullmatch(family.names, name)} for family in families}


def headers_are_newer():
    return defined(["linux/version.h"], "LINUX_VERSION_CODE")["LINUX_VERSION_CODE"] >> 8 > HEADERS_VERSION >> 8


def names(folder):
    bad = False
    newer = headers_are_newer()
    families = read(folder)[0]
    found = find_values(families)
    for family in families:
        values = found[family.name]
        unknown = [name for name in values if name not in family.rows and not family.is_excluded(name)]
        gone = [name for name in family.rows if name not in values]
        gone += [pattern for pattern in family.excluded if not any(re.fullmatch(pattern, name) for name in values)]
        if unknown and newer:
            print(f"# {family.name}: newer headers define {' '.join(unknown)}")
            unknown = []
        if unknown or gone:
            bad = True
            print(f"not ok flags-{family.name} - in no row: {' '.join(unknown)}; in no header: {' '.join(gone)}")
        else:
            print(f"ok flags-{family.name}")
    return bad


def program(folder):
    print("/* Made from the tables in linux/flags. */\n#include \"try.h\"\n")

    def function(name, code):
        print(f"static void {name}(long FLAG)\n{{\n\t(void)FLAG;")
        print("\n".join("\t" + line for line in code) + "\n}\n")

    entries = []
    families = read(folder)[0]
    found = find_values(families)
    for family in families:
        values = found[family.name]
        common = re.sub(r"\W", "_", f"try_{family.name}")
        if any(not row.code and row.state != "untried" for row in family.rows.values()):
            function(common, family.code)
        for row in family.rows.values():
            if row.state == "untried":
                continue
            if row.name not in values:
                sys.exit(f"{family.name}: no header defines {row.name}")
            if row.code:
                function(f"{common}_{row.name}", row.code)
            entries.append(f'\t{{"{family.name} {row.name}", {common + "_" + row.name if row.code else common}, {values[row.name]}L}},')
    print("const struct attempt attempts[] = {\n" + "\n".join(entries) + "\n};")
    print("const unsigned attempt_count = sizeof(attempts) / sizeof(attempts[0]);")


def outcomes(path):
    seen = {}
    for line in pathlib.Path(path).read_text(errors="replace").splitlines():
        match = re.fullmatch(r"(\S+) (\w+) = (.*?)\s*", line)
        if match:
            seen[match[1], match[2]] = match[3]
    return seen


def judge(family, row, linux, holon):
    """What is wrong with the row, given both outcomes; None: nothing."""
    told = f"Linux: {linux}; Holon: {holon}"
    if linux is None or holon is None:
        return "was not tried: " + told
    if row.state == "differs":
        return None if linux != holon else f"is the same now ({linux})"
    if linux != holon:
        return told
    refused = re.fullmatch(r"(E[A-Z0-9]+ ?)+", linux) is not None
    if row.state == "refused" and not refused:
        return "is taken: " + linux
    if row.state in ("same", "kept") and refused and not row.code:
        return "is refused by both: " + linux
    return None


def compare(folder, linux_path, holon_path):
    linux, holon = outcomes(linux_path), outcomes(holon_path)
    bad = False
    for family in read(folder)[0]:
        wrong = []
        for row in family.rows.values():
            key = (family.name, row.name)
            why = None if row.state == "untried" else judge(family, row, linux.get(key), holon.get(key))
            if why:
                wrong.append(f"{row.name} {why}")
        bad = bad or bool(wrong)
        print(f"not ok flags/{family.name} - " + "\n#   ".join(wrong) if wrong else f"ok flags/{family.name}")
    return bad


def state_of(family, row):
    return "effect" if family.effect_seen(row) else row.state


TITLES = (("effect", "The effect is the same"), ("same", "Taken as on Linux"), ("refused", "Refused as on Linux"))


def doc(families):
    """The page's part about flags: counts, then a paragraph a family."""
    rows = [(family, row) for family in families for row in family.rows.values()]
    count = {state: sum(state_of(family, row) == state for family, row in rows)
             for state in ("effect", "same", "kept", "refused", "differs", "untried")}
    print("\n## Flags, commands and options\n")
    print("Made from `linux/flags/*.tbl`. `make test` finds every name that the C library's and Linux' headers (6.1) define for a "
          "family, each of which must have a row, tries each on both systems, as root on tmpfs, and compares with the row.\n")
    print(f"{len(rows)} names: of {count['effect']} the effect is compared and the same, {count['same']} are taken as on Linux (their effect is not "
          f"looked at), of {count['kept']} the value is only kept, {count['refused']} are refused as on Linux, {count['differs']} differ, {count['untried']} cannot be tried.")
    for family in families:
        print(f"\n### {family.name}\n\nOf {', '.join(family.calls)}.\n")
        for state, title in TITLES:
            members = [row.name for row in family.rows.values() if state_of(family, row) == state]
            if members:
                print(f"- {title}: {', '.join(members)}.")
        for row in family.rows.values():
            if row.remark:
                what = {"kept": "is only kept", "differs": "differs", "untried": "is not tried"}[row.state]
                print(f"- **{row.name}** {what}: {row.remark}.")


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "names":
        return names(arguments[1])
    if len(arguments) == 2 and arguments[0] == "program":
        return program(arguments[1])
    if len(arguments) == 4 and arguments[0] == "compare":
        return compare(*arguments[1:])
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
