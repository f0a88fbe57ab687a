#!/usr/bin/env python3
"""How the lines of other projects' tests are read and judged (tests/projects/run)."""
import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
loader = importlib.machinery.SourceFileLoader("run", str(HERE / "run"))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
loader.exec_module(run)
failed = 0


def check(name, good, why=""):
    global failed
    failed += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}")


def same(name, form, text, wanted):
    found = run.count(text, form)
    check(name, found == wanted, f"{found}")


class Named:
    name = "sample"


same("automake", "check", "PASS: a.sh\r\nFAIL: b\nSKIP: c\nXFAIL: d\nXPASS: e\nERROR: f - late\nno PASS: g\nPASS: \n",
     {"a.sh": "pass", "b": "fail", "c": "skip", "d": "pass", "e": "fail", "f - late": "fail"})
same("statuses-are-no-names", "check", "FAIL: a (status 124)\nPASS: b c\n", {"a": "fail", "b c": "pass"})
same("parts-and-repeats", "check", "@@ one\nPASS: a\nPASS: a\n@@ two\nFAIL: a\n@! 124\n@@ \nPASS: a\n",
     {"one/a": "pass", "one/a (2)": "pass", "two/a": "fail", "two/(status)": "fail", "a": "pass"})
same("tap", "tap", "1..4\nok 1 - a # SKIP no perl\nnot ok 2 - b # TODO known breakage\nnot ok 3 - c\nok 4 - d\n# ok 5\n",
     {"1 - a": "skip", "2 - b": "skip", "3 - c": "fail", "4 - d": "pass"})
same("redis", "redis", "[ok]: SET and GET (3 ms)\n\x1b[31m[err]: EXPIRE in tests/unit/expire.tcl\nno [ok]: x\n[ignore]: big\n",
     {"SET and GET": "pass", "EXPIRE": "fail", "big": "skip"})
same("make", "make", "features/archives ......... ok     (13 passed)\nfeatures/load ........ N/A\noptions/dash-l ........ Error running make\nFAILED (0/1 passed)\n",
     {"features/archives": "pass", "features/load": "skip", "options/dash-l": "fail"})
same("tcl", "tcl", "++++ io-1.1 PASSED\n==== io-1.2 a pipe FAILED\n==== Contents of test case:\n==== io-1.2 FAILED\n++++ io-1.3 SKIPPED: unixOnly\n",
     {"io-1.1": "pass", "io-1.2": "fail", "io-1.3": "skip"})
same("acl", "acl", "@@ misc\n[3] $ rm -f f -- ok\n[4] $ umask 027 -- failed\n", {"misc/3] $ rm -f f": "pass", "misc/4] $ umask 027": "fail"})
linux = {"a": "pass", "b": "pass", "c": "fail", "d": "pass", "(the end)": "pass"}
check("what-did-not-run-differs", run.differing(linux, {"a": "pass", "b": "skip", "c": "pass"}) == ["b", "d", "(the end)"])
for name, holon, known, wanted, word in (
        ("a-known-difference-passes", {**linux, "b": "fail"}, {("sample", "b")}, True, "ok projects/sample"),
        ("a-new-one-fails", {**linux, "d": "fail"}, {("sample", "b")}, False, "1 new: d"),
        ("another-project-s-does-not-count", {**linux, "b": "fail"}, {("other", "b")}, False, "1 new: b"),
        ("a-mended-one-is-said", linux, {("sample", "b")}, True, "b passes now")):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        good = run.judge(Named, linux, holon, known)
    check(name, good == wanted and word in said.getvalue(), said.getvalue())
with contextlib.redirect_stdout(io.StringIO()):
    good = run.judge(Named, {"a": "fail", "(the end)": "pass"}, {}, set())
check("nothing-passed-is-a-failure", not good)
with contextlib.redirect_stdout(io.StringIO()):
    good = run.judge(Named, {"a": "pass", "(the end)": "fail: time was over"}, {"a": "pass", "(the end)": "pass"}, set())
check("half-a-run-on-linux-is-no-measure", not good)
for left, right in (("5.4.1-1", "5.4.1-1+deb12u1"), ("1.2.9", "1.2.13"), ("1:2.9-1", "1:2.10-1")):
    check(f"{right}-is-newer", run.version_key(left) < run.version_key(right))
sys.exit(failed != 0)
