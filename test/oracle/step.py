"""What all steps share: keys, index names and their ranges (LANGUAGE.md, 2)."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Optional

import numpy as np

from expression import CONSTANTS, MACROS, Array, Expr, Names, Scope, SpecError, parse, walk

Outputs = dict[str, tuple[Array, list[str]]]      # output name -> value, its dims as written


def check_keys(path: str, obj: Any, allowed: Iterable[str]) -> None:
    if not isinstance(obj, dict):
        raise SpecError(path, "expected an object")
    for key in obj:
        if key not in allowed:
            raise SpecError(path, f"unknown key '{key}'; allowed are {', '.join(allowed)}")


@dataclass
class Run:
    """Values while a spec runs: constants are dims and params, tensors inputs and step outputs."""
    constants: dict[str, Array]
    tensors: dict[str, Array]
    dims: dict[str, list[str]]                    # per tensor: its axes as written, e.g. ["B", "H", "N//s"]
    real: type = np.float64                       # the type every float is computed in
    magnitude: bool = False                       # also compute the outputs' sums of |weight| |value|

    def axes(self, name: str) -> tuple[list[str], tuple[int, ...]]:
        return self.dims.get(name, []), self.tensors[name].shape if name in self.tensors else ()


def plain(text: Any) -> str:
    """A range as written, without blanks."""
    return re.sub(r"\s+", "", str(text))


class Step:
    """One step: its keys, its scope, and the index ranges found so far."""

    def __init__(self, run: Run, kind: str, body: dict, path: str, allowed: str):
        self.run, self.kind, self.body, self.path = run, kind, body, path
        check_keys(path, body, allowed.split())
        self.scope = Scope(run.tensors, run.constants, real=run.real)
        self.given: set[str] = set()
        for name, value in body.get("let", {}).items():
            self.new_name(name, path + ".let")
            self.scope.lets[name] = parse(value, f"{path}.let.{name}")

    def new_name(self, name: str, path: str) -> None:
        if not re.fullmatch(r"[A-Za-z_]\w{0,62}", name):
            raise SpecError(path, f"'{name}' is no name")
        s = self.scope
        if name in s.lets or name in s.values or name in s.sizes or name in s.constants or name in CONSTANTS or name in MACROS:
            raise SpecError(path, f"'{name}' already means something here")

    def need(self, key: str) -> Expr:
        if key not in self.body:
            raise SpecError(self.path, f"'{key}' is missing")
        return parse(self.body[key], f"{self.path}.{key}")

    def expr(self, key: str, default: Any = None) -> Optional[Expr]:
        value = self.body.get(key, default)
        return None if value is None else parse(value, f"{self.path}.{key}")

    def declare(self, key: str) -> Names:
        """The index names of a list of "NAME < RANGE", in order."""
        names: Names = ()
        for n, text in enumerate(self.body.get(key, [])):
            e = parse(text, f"{self.path}.{key}[{n}]")
            if e.node.op != "<" or e.node.args[0].kind != "name":
                raise e.fail(e.node, "an index is declared as NAME < RANGE")
            name, size = e.node.args[0].op, e.node.args[1]
            self.new_name(name, e.path)
            self.scope.sizes[name] = int(self.scope(Expr(size, e.text, e.path), (), "integer"))
            self.scope.ranges[name] = plain(e.text[size.at:])
            self.given.add(name)
            names += (name,)
        return names

    def infer(self, exprs: Iterable[Optional[Expr]]) -> list[str]:
        """A name that stands alone as a subscript has the range of that axis. Names in order of appearance."""
        order: list[str] = []
        for e in exprs:
            for n in walk(e.node) if e else ():
                for a, dim, size in zip(n.args, *self.run.axes(n.op)) if n.kind == "read" else ():
                    taken = a.op in self.run.constants or a.op in self.scope.lets or a.op in self.scope.values or a.op in CONSTANTS
                    if a.kind != "name" or taken or a.op == "pos":
                        continue
                    if a.op not in self.given and self.scope.ranges.setdefault(a.op, dim) != dim:
                        raise e.fail(a, f"the index '{a.op}' has range {self.scope.ranges[a.op]} elsewhere and {dim} here; declare it")
                    self.scope.sizes.setdefault(a.op, size)
                    if a.op not in order:
                        order.append(a.op)
        return order

    def dims(self, names: Names) -> list[str]:
        return [self.scope.ranges[n] for n in names]

    def bare(self, e: Optional[Expr], roles: dict[str, str]) -> Optional[Expr]:
        """A bare tensor name is a read whose subscripts follow from the names of the tensor's dims."""
        name = e.node.op if e else ""
        if not e or e.node.kind != "name" or name not in self.run.tensors:
            return e
        for dim in self.run.dims[name]:
            if dim not in roles:
                raise e.fail(e.node, f"the dim {dim} of '{name}' has no index by default; write {name}[...] with subscripts")
        return parse(f"{name}[{', '.join(roles[d] for d in self.run.dims[name])}]", e.path)

    def kv_heads(self) -> None:
        """h_kv = h // (H / Hkv), where both are used."""
        declared = any(str(x).split("<")[0].strip() == "h_kv" for x in self.body.get("index", []))
        if "h_kv" in self.scope.sizes and "h" in self.scope.sizes and not declared:
            heads, kv = self.scope.sizes["h"], self.scope.sizes.pop("h_kv")
            if kv and heads % kv:
                raise SpecError(self.path, f"{heads} query heads are no multiple of {kv} key heads")
            self.scope.values["h_kv"] = (("h",), np.arange(heads) // max(heads // max(kv, 1), 1))

    def known(self, e: Optional[Expr], names: Names) -> None:
        """Every index used in `e` must be one of `names`."""
        for n in walk(e.node) if e else ():
            if n.kind == "name" and n.op in self.scope.sizes and n.op not in names:
                raise e.fail(n, f"the index '{n.op}' is not one of this step's ({', '.join(names)}); declare it in 'index'")
