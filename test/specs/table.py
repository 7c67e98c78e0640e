#!/usr/bin/python3
"""The table of specs in specs/README.md: paper by paper, what each spec computes and which road it takes.

    test/specs/table.py BUILD [--update]

Roads come from `heddle check`, papers from test/oracle/papers.json, formulas from test/oracle/formulas.py. That
every spec runs right on the CPU and as PTX is test/e2e/oracle.py's business. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test" / "oracle"))
from formulas import CASES  # noqa: E402

BEGIN, END = "<!-- made by test/specs/table.py -->", "<!-- end -->"


def road(tool: pathlib.Path, path: pathlib.Path) -> str:
    """fast, or plain and why, as the CPU's widest code takes it."""
    done = subprocess.run([tool, "check", path, "--target", "x86-64-v3", "--json"], text=True, capture_output=True, check=True)
    plain = json.loads(done.stdout)["variants"][-1]["plain"]
    spec = json.loads(path.read_text())
    glue = all(not {"attend", "recur"} & set(step) for step in spec["steps"])
    if glue:
        return "loops"
    return "fast" if not plain else "plain: " + "; ".join(reason.split(": ", 1)[1] for reason in plain)


def line(number: str, path: pathlib.Path, way: str) -> str:
    about = json.loads(path.read_text()).get("about", "")
    about = re.sub(r"^paper \d+, (?:[A-Z]\w+, )?", "", about).replace("|", "\\|")
    oracle = "formula, evaluator" if path.stem in CASES else "evaluator"
    name = f"[{path.stem}]({path.parent.name}/{path.name})"
    return f"| {number} | {name} | {about} | {way} | v3, v4 | sm_80 | {oracle} |"


def table(tool: pathlib.Path) -> list[str]:
    specs = {path.stem: path for path in sorted((ROOT / "specs").glob("*/*.json"))}
    specs.update({f"{path.parent.name}/{path.stem}": path for path in specs.values()})
    every = sorted((ROOT / "specs").glob("*/*.json"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        roads = dict(zip(every, pool.map(lambda path: road(tool, path), every)))
    lines, told = [], set()
    head = ["| paper | spec | what it computes | road | CPU | PTX | oracle |", "|---|---|---|---|---|---|---|"]
    for paper in json.loads((ROOT / "test/oracle/papers.json").read_text()):
        for name in paper["specs"]:
            told.add(specs[name])
            lines.append(line(f"{paper['number']} {paper['paper']}", specs[name], roads[specs[name]]))
    lines += [line("", path, roads[path]) for path in every if path not in told]
    fast = sum(way == "fast" for way in roads.values())
    loops = sum(way == "loops" for way in roads.values())
    return [f"{len(every)} specs: {fast} fast, {len(every) - fast - loops} plain, {loops} of glue alone.", "", *head, *lines]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    page = ROOT / "specs" / "README.md"
    text = page.read_text()
    before, rest = text.split(BEGIN)
    made = before + BEGIN + "\n" + "\n".join(table(options.build.resolve() / "bin" / "heddle")) + "\n" + END + rest.split(END)[1]
    if options.update:
        page.write_text(made)
    elif made != text:
        print("FAIL: the table of specs/README.md is not what `test/specs/table.py BUILD --update` makes")
        print("0 passed, 1 failed")
        return 1
    print(f"{made.count(chr(10) + '| ') - 1} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
