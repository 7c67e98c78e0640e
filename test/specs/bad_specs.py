#!/usr/bin/python3
"""Every faulty spec of test/specs/bad/ gets its message, word for word, and the exit code 1.

    test/specs/bad_specs.py BUILD [--update]

NAME.expected is what `heddle check` writes to standard error; --update writes it anew, to be read by a human
before it is committed. Every message has a place. Cases that are no files (1 MiB, standard input, a BOM that
is fine) are made here. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BAD = pathlib.Path("test/specs/bad")


def check(tool: pathlib.Path, words: list[str], text: bytes | None = None) -> tuple[int, str]:
    done = subprocess.run([tool, "check", *words], cwd=ROOT, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stderr.decode(errors="replace")


def made_cases(tool: pathlib.Path) -> list[tuple[str, bool]]:
    good = (ROOT / "specs/softmax/gqa.json").read_bytes()
    cases = []
    code, said = check(tool, ["-"], good)
    cases.append(("a good spec on standard input", code == 0 and said == ""))
    code, said = check(tool, ["-"], b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n"))
    cases.append(("a good spec with a byte order mark and CRLF", code == 0 and said == ""))
    code, said = check(tool, ["-"], good.replace(b"causal\"}", b"cousal\"}"))
    cases.append(("a bad spec on standard input", code == 1 and said.startswith("<stdin>:9:74: error: unknown name 'cousal'")))
    code, said = check(tool, ["-"], good + b" " * (1 << 20))
    cases.append(("a spec over 1 MiB", code == 1 and "[too_large]" in said))
    code, said = check(tool, ["-"], b'{"a": ' + b"[" * 500000)
    cases.append(("half a megabyte of brackets", code == 1 and "[too_large]" in said))
    code, said = check(tool, ["-"], good.replace(b"gqa", b"\xff\xfe"))
    cases.append(("bytes that are no UTF-8", code == 1 and "[syntax]" in said))
    code, said = check(tool, ["nowhere.json"])
    cases.append(("a file that is not there", code == 2 and "cannot read nowhere.json" in said))
    code, said = check(tool, ["specs"])
    cases.append(("a folder", code == 2 and "cannot read specs" in said))
    return cases


def main() -> int:
    tool = pathlib.Path(sys.argv[1]).resolve() / "bin" / "heddle"
    passed = failed = 0
    codes = set()
    for path in sorted((ROOT / BAD).glob("*.json")):
        golden = path.with_suffix(".expected")
        code, said = check(tool, [str(BAD / path.name)])
        if "--update" in sys.argv:
            golden.write_text(said)
        codes.update(re.findall(r"error: .*\[(\w+)\]", said))
        placed = re.match(rf"{re.escape(str(BAD / path.name))}:\d+:\d+: error: ", said)
        if code == 1 and placed and golden.exists() and golden.read_text() == said:
            passed += 1
            continue
        failed += 1
        print(f"FAIL: {path.name}: exit {code}, said:\n{said}")
    for name, good in made_cases(tool):
        passed, failed = passed + good, failed + (not good)
        if not good:
            print(f"FAIL: {name}")
    print(f"codes met: {', '.join(sorted(codes))}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
