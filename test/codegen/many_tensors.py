"""Prints an attend whose query, key and value are each the sum of COUNT tensors of eight axes."""
import json
import sys

count = int(sys.argv[1])


def total(name: str, row: str, column: str) -> str:
    return " + ".join(f"{name}{i}[{', '.join([row] + [column] * 7)}]" for i in range(count))


print(json.dumps({
    "heddle": 1, "name": "many", "dims": {"N": "any", "D": 2},
    "tensors": {f"{name}{i}": {"dims": ["N"] + ["D"] * 7, "type": "f32"} for name in "qkv" for i in range(count)},
    "steps": [{"attend": {"index": ["q_idx < N"], "query": total("q", "q_idx", "d"), "key": total("k", "kv_idx", "d"),
                          "value": total("v", "kv_idx", "e")}, "as": "o"}],
    "results": {"o": "f32"}, "example": {"N": 3}}))
