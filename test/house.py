#!/usr/bin/python3
"""The rules of the house that a machine can hold.

    test/house.py ROOT

- layers: a file includes only its own layer and those below it;
- budgets: no source over 400 lines, no function over 80;
- no pass above the mappings asks for the kind of the target;
- no spec's or paper's name in the sources: a variant is data;
- no TODO without an issue number; every pass has a description that names its test, which exists.
"""
from __future__ import annotations

import json
import pathlib
import re
import sys

MAX_LINES, MAX_FUNCTION = 400, 80
# Who may include whom (style: one way, upward never). A folder may include itself.
ALLOWED = {
    "specs/reader": [],
    "dialect/target": [],
    "dialect": ["specs/reader", "dialect/target", "dialect/interpreter"],
    "dialect/interpreter": ["dialect", "dialect/target"],
    "passes": ["dialect", "dialect/target", "dialect/interpreter"],
    "codegen": ["specs/reader", "dialect", "dialect/target", "dialect/interpreter", "passes"],
    "runtime": [],
    "runtime/emulator": ["runtime"],
    "tools": ["specs/reader", "dialect", "dialect/target", "dialect/interpreter", "passes", "codegen", "runtime",
              "runtime/emulator"],
}
ALLOWED["bench"] = ALLOWED["tools"] + ["tools"]
BELOW_MAP = {"ChooseSchedule.cpp", "MapToCpu.cpp", "MapToGpu.cpp", "CheckTarget.cpp"}
SOURCES = ("*.cpp", "*.h", "*.c", "*.td")


def room_of(path: str) -> str | None:
    """The longest folder of ALLOWED that holds the path."""
    return max((room for room in ALLOWED if path.startswith(room + "/")), key=len, default=None)


def files(root: pathlib.Path) -> list[pathlib.Path]:
    found = []
    for room in ("specs", "dialect", "passes", "codegen", "runtime", "tools", "bench", "test/unit"):
        for pattern in SOURCES:
            found += (root / room).rglob(pattern)
    return sorted(found)


def check_layers(name: str, text: str, faults: list[str]) -> None:
    room = room_of(name)
    if room is None:
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        target = room_of(match[1]) if match else None
        if not target or target == room or target in ALLOWED[room]:
            continue
        if match[1] in ("runtime/include/heddle.h", "runtime/include/heddle_kernel.h") and room == "codegen":
            continue  # KernelAbi and what makes descriptors
        faults.append(f"{name}:{number}: {room} must not include {target} ('{match[1]}')")


def check_budgets(name: str, text: str, faults: list[str]) -> None:
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        faults.append(f"{name}: {len(lines)} lines; at most {MAX_LINES}")
    if name.endswith(".td"):
        return
    opened: list[tuple[int, str, int]] = []  # indentation, closing line, first line
    wrapped: tuple[int, int] | None = None  # a head that goes on in the next line: indentation, first line
    for number, line in enumerate(lines, 1):
        body = line.rstrip()
        indent = len(body) - len(body.lstrip())
        if opened and body == " " * opened[-1][0] + "}":
            start = opened.pop()[2]
            if number - start + 1 > MAX_FUNCTION:
                faults.append(f"{name}:{start}: a function of {number - start + 1} lines; at most {MAX_FUNCTION}")
        head = body.strip()
        plain = "[" not in head and not head.startswith(("if", "for", "while", "switch", "}", "return", "//"))
        is_end = re.search(r"\)( const| noexcept| override)*( -> [\w:<>*& ]+)? \{$", head)
        if not opened and is_end and wrapped:
            opened.append((wrapped[0], "}", wrapped[1]))
        elif not opened and indent <= 2 and is_end and plain:
            opened.append((indent, "}", number))
        if indent <= 2 and plain and "(" in head and head.endswith((",", "(")):
            wrapped = (indent, number)
        elif not head.endswith((",", "(")):
            wrapped = None


def check_words(name: str, text: str, faults: list[str]) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b", line) and not re.search(r"#\d+", line):
            faults.append(f"{name}:{number}: a TODO without an issue number")
        if name.startswith("passes/") and pathlib.Path(name).name not in BELOW_MAP:
            if re.search(r"TargetKind|target/TargetInfo\.h", line):
                faults.append(f"{name}:{number}: a pass above the mappings asks for the kind of the target")


# Names of specs that are words of the language or of the trade as well.
ORDINARY = {"causal", "chunked", "full", "gated", "linear", "pointer", "prefix", "relu", "s2", "sequence", "sigmoid", "strided", "window"}


def check_names(root: pathlib.Path, sources: dict[str, str], faults: list[str]) -> None:
    """A variant is data: no source knows a spec or a paper by name. heddle's help names the specs of its examples."""
    names = {path.stem for path in (root / "specs").glob("*/*.json")}
    for paper in json.loads((root / "test/oracle/papers.json").read_text()):
        names |= {word.lower() for word in re.findall(r"[A-Z][A-Za-z0-9-]{3,}", paper["paper"])}
    words = re.compile(rf"\b({'|'.join(sorted(names - ORDINARY))})\b", re.I)
    for name, text in sources.items():
        if name.startswith(("bench/", "test/")):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if match := words.search(line):
                faults.append(f"{name}:{number}: '{match[0]}' is the name of a spec or a paper")


def check_passes(root: pathlib.Path, faults: list[str]) -> int:
    text = (root / "passes/Passes.td").read_text()
    entries = re.findall(r'def (\w+) : Attn_Pass<"([\w-]+)">.*?description = \[\{(.*?)\}\]', text, re.S)
    for pass_name, flag, description in entries:
        match = re.search(r"test/passes/[\w-]+\.mlir", description)
        if not match or not (root / match[0]).exists():
            faults.append(f"passes/Passes.td: {pass_name}: its description names no test that exists")
        words = re.sub(r"(?<!^)(?=[A-Z])", "-", pass_name).lower()
        if words != flag:
            faults.append(f"passes/Passes.td: {pass_name} and its flag attn-{flag} are not the same words")
    return len(entries)


def main() -> int:
    root = pathlib.Path(sys.argv[1]).resolve()
    faults: list[str] = []
    checked = files(root)
    for path in checked:
        name, text = str(path.relative_to(root)), path.read_text(errors="replace")
        for check in (check_layers, check_budgets, check_words):
            check(name, text, faults)
    check_names(root, {str(path.relative_to(root)): path.read_text(errors="replace") for path in checked}, faults)
    passes = check_passes(root, faults)
    print("\n".join(faults))
    print(f"house: {len(checked)} files, {passes} passes")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
