#!/usr/bin/python3
"""specs/schema.json and the reader agree.

    test/specs/schema_agrees.py BUILD

What the reader takes the schema takes: all specs of specs/. What the schema refuses the reader refuses: all of test/specs/bad/ that is JSON; of
those the schema must see at least the kinds of fault that need no meaning. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Faults of form: a schema that misses one of them has lost its use.
MUST_SEE = """array dim_float dim_negative dim_reserved dim_too_large dims_not_an_object declaration_without_range empty_expression
example_negative format_2 mask_object name_is_a_path name_with_capital no_format no_name no_results no_steps no_tensors
normalize_key normalize_without_map normalize_word param_no_default param_type recur_reverse_text recur_rule results_empty
compute_with_without_over select_two_over source_key statistic_reduction step_no_as step_two_kinds step_unknown_key
step_unknown_kind steps_empty tensor_integer_without_range tensor_nine_axes tensor_no_type tensor_type tensor_unknown_key
unknown_top_key""".split()


def refused(validator: jsonschema.Draft7Validator, spec: object) -> bool:
    return not validator.is_valid(spec)


def main() -> int:
    tool = pathlib.Path(sys.argv[1]).resolve() / "bin" / "heddle"
    schema = json.loads((ROOT / "specs/schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    passed, faults = 0, []
    good = [p for p in (ROOT / "specs").glob("*/*.json")]
    for path in sorted(good):
        error = next(iter(validator.iter_errors(json.loads(path.read_text()))), None)
        done = subprocess.run([tool, "check", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        kinds = {line.rsplit("[", 1)[1].rstrip("]") for line in done.stderr.splitlines() if ": error: " in line and line.endswith("]")}
        if error:
            faults.append(f"{path.name}: the schema refuses a good spec: {error.message[:200]}")
        elif kinds - {"later", "size"}:  # size: a depth that is left open
            faults.append(f"{path.name}: the reader refuses a good spec: {done.stderr[:300]}")
        else:
            passed += 1
    seen = 0
    for path in sorted((ROOT / "test/specs/bad").glob("*.json")):
        try:
            is_refused = refused(validator, json.loads(path.read_text(encoding="utf-8-sig")))
        except ValueError:
            continue  # no JSON: nothing for a schema
        code = subprocess.run([tool, "check", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        seen += is_refused
        if is_refused and code != 1:
            faults.append(f"{path.name}: the schema refuses it, the reader does not")
        elif path.stem in MUST_SEE and not is_refused:
            faults.append(f"{path.name}: the schema does not see the fault")
        else:
            passed += 1
    for fault in faults:
        print(f"FAIL: {fault}")
    print(f"{len(good)} good specs; the schema sees {seen} of the faulty ones")
    print(f"{passed} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
