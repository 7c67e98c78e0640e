#!/usr/bin/python3
"""The loops of the products in the CPU code, read back from the objects: nothing on the stack, mostly FMAs.

    test/codegen/disassembly.py BUILD

A loop is what a backward jump closes with no other such jump inside. One of at least 12 FMAs, and at least
0.4 of its instructions, is a product's. Of each spec at least four must be found (both products, in full and in
boundary tiles), and in each: no memory operand on the stack, FMAs at least 0.5 of the instructions. In both loops over
chunks of D=64 all four products fetch the chunk behind, other lines in each turn, and no loop is longer than 400
instructions. Both instruction sets, f32 and 16-bit storage, softmax, map and linear. No timing, no noise. Last line:
`N passed, N failed`.
"""
from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OBJDUMP = "/usr/lib/llvm-22/bin/llvm-objdump"
PRODUCT, SHARE, LOOPS, LONGEST = 0.4, 0.5, 4, 400
CASES = [(spec, size, target)
         for spec, size in (("softmax/full.json", 64), ("softmax/causal.json", 64), ("softmax/causal.json", 128),
                            ("softmax/gqa.json", None), ("map/sigmoid.json", 64), ("linear/lightning.json", 64),
                            ("linear/lightning.json", 256))
         for target in ("x86-64-v3", "x86-64-v4")]


def functions(obj: pathlib.Path) -> list[list[tuple[int, str]]]:
    """The instructions of each function, with their addresses."""
    text = subprocess.run([OBJDUMP, "-d", "--no-show-raw-insn", obj], check=True, text=True, stdout=subprocess.PIPE).stdout
    bodies = re.split(r"^[0-9a-f]+ <.*>:$", text, flags=re.M)[1:]
    return [[(int(at, 16), words) for at, words in re.findall(r"^ *([0-9a-f]+):\s+(\S.*)$", body, re.M)] for body in bodies]


def innermost_loops(code: list[tuple[int, str]]) -> list[list[str]]:
    """Bodies of backward jumps that hold no other backward jump."""
    place = {at: i for i, (at, _) in enumerate(code)}
    spans = []
    for i, (at, words) in enumerate(code):
        match = re.match(r"j\w+\s+0x([0-9a-f]+)", words)
        target = int(match.group(1), 16) if match else at + 1
        if target <= at and target in place:
            spans.append((place[target], i))
    inner = [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]
    return [[words for _, words in code[a:b + 1]] for a, b in inner]


def check(tool: pathlib.Path, spec: str, size: int | None, target: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        words = [tool, "compile", ROOT / "specs" / spec, "--target", target, "--emit=obj", "-o", folder]
        subprocess.run(words + (["--size", f"D={size}"] if size else []), check=True, stdout=subprocess.DEVNULL)
        objects = [path for path in pathlib.Path(folder).glob("*.o") if target in path.name and "few_queries" not in path.name]
        assert objects, "no object of the variant"
        code = [function for path in objects for function in functions(path)]
    products = fetching = 0
    for function in code:
        # rbp is a register like others, but where the function makes it the frame's.
        framed = any(re.match(r"movq\s+%rsp, %rbp", words) for _, words in function)
        on_stack = re.compile(r"\(%r[sb]p" if framed else r"\(%rsp")
        for loop in innermost_loops(function):
            fma = sum("vfmadd" in words for words in loop)
            if fma < 12 or fma / len(loop) < PRODUCT:
                continue
            products += 1
            if fetched := [words.split()[1] for words in loop if words.startswith("prefetch")]:
                fetching += 1
                written = {words.split(", ")[-1] for words in loop if re.match(r"(add|sub|lea|imul|mov)q\s", words)}
                base = set(re.findall(r"%\w+", fetched[-1]))
                for words in loop:  # of addresses in a list, the place in that
                    if match := re.match(r"movq\s+(.*\(.*\)), (%\w+)$", words):
                        base = set(re.findall(r"%\w+", match[1])) if match[2] in base else base
                if len(set(fetched)) < len(fetched) or not written & base:
                    return f"a loop fetches the same lines again: {fetched}"
            stack = [words for words in loop if on_stack.search(words)]
            if stack:
                return f"{len(stack)} stack references in a loop of {len(loop)} instructions: {stack[0]}"
            if len(loop) > LONGEST:
                return f"a loop of {len(loop)} instructions"
            if fma / len(loop) < SHARE:
                return f"FMAs are {fma} of {len(loop)} instructions"
    if spec.startswith("linear/") and size == 64 and fetching < 8:
        return f"{fetching} loops of products fetch what comes next, expected 8"
    return "" if products >= LOOPS else f"{products} loops of products were found, expected {LOOPS}"


def main() -> int:
    tool = pathlib.Path(sys.argv[1]).resolve() / "bin" / "heddle"
    failed = 0
    for spec, size, target in CASES:
        if fault := check(tool, spec, size, target):
            failed += 1
            print(f"FAIL: {spec} D={size or 'fixed'} for {target}: {fault}")
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
