"""Programs drawn from the grammar of the language: several steps, every kind, typed, small odd sizes.

draw(rng) gives a spec and the features it has. What is drawn stays away from cliffs (a float that decides a
branch on a tie, numbers that overflow): a difference between two evaluations is then a fault.
"""
from __future__ import annotations

import random

FEATURES = ("map", "reduction", "scan", "select", "attend", "recur", "mask", "score", "normaliser", "statistic", "gate",
            "sources", "key indices", "dot", "gather", "run-time param")
SIZES = {"B": [1, 2], "H": [1, 2, 3], "N": [1, 3, 5, 7, 12, 33], "M": [1, 2, 5, 9, 13, 35], "D": [1, 3, 4, 8], "E": [1, 2, 5], "C": [2, 3, 6]}


class Program:
    """One spec while it grows. tensors: name -> (dims, kind), kind one of float, integer, bool."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.inputs: dict = {}
        self.known: dict[str, tuple[list[str], str]] = {}
        self.steps: list[dict] = []
        self.params: dict = {}
        self.has: set[str] = set()
        self.gathering = False
        self.size = {name: rng.choice(sizes) for name, sizes in SIZES.items()}

    def pick(self, *choices: object) -> object:
        return self.rng.choice(choices)

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    # --- tensors and reads ---
    def input(self, dims: list[str], kind: str) -> str:
        name = f"x{len(self.inputs)}"
        types = {"float": self.pick("f32", "f32", "f32", "f16", "bf16"), "integer": self.pick("i32", "i32", "i8"), "bool": "bool"}
        self.inputs[name] = {"dims": dims, "type": types[kind]}
        if kind == "integer":
            self.inputs[name]["range"] = [self.pick(-2, 0), self.pick(4, 7)]
        elif kind == "float" and self.chance(0.4):
            self.inputs[name]["range"] = [-1.0, 1.0]
        self.known[name] = (dims, kind)
        return name

    def read(self, scope: dict[str, str], kind: str, fresh: float = 0.35) -> str:
        """A read of that kind: mostly at the scope's own indices, now and then beside or through them."""
        names = [n for n, (_, k) in self.known.items() if k == kind]
        if not names or self.chance(fresh):
            dims = self.rng.sample(sorted(set(scope.values())), self.rng.randint(0, min(3, len(set(scope.values())))))
            names = [self.input(dims, kind)]
        name = self.rng.choice(names)
        return f"{name}[{', '.join(self.subscript(scope, dim) for dim in self.known[name][0])}]"

    def subscript(self, scope: dict[str, str], dim: str) -> str:
        own = [name for name, d in scope.items() if d == dim]
        if own and self.chance(0.8):
            return self.rng.choice(own)
        if own:
            return self.rng.choice([f"{dim} - 1 - {own[0]}", f"{own[0]} - 1", f"{own[0]} // 2"])
        if not self.gathering and self.chance(0.3) and any(k == "integer" for _, k in self.known.values()):
            self.has.add("gather")
            self.gathering = True                                       # through one table, not through tables of tables
            text = self.read(scope, "integer", 0)
            self.gathering = False
            return text
        return self.integer(scope, 1)

    # --- expressions ---
    def number(self, scope: dict[str, str], depth: int) -> str:
        if depth <= 0:
            return str(self.pick(self.read(scope, "float"), self.read(scope, "float"), round(self.rng.uniform(-1, 1), 2)))
        a = self.number(scope, depth - 1)
        b = self.number(scope, depth - 2)
        form = self.rng.choice(["{a} + {b}", "{a} - {b}", "{a} * {b}", "min({a}, {b})", "max({a}, {b}, 0.25)", "abs({a})", "relu({a})",
                                "tanh({a})", "sigmoid({a})", "exp(min({a}, 1))", "exp2(min({a}, 1))", "sqrt(abs({a}))",
                                "rsqrt(abs({a}) + 0.5)", "log(abs({a}) + 1)", "log2(abs({a}) + 1)", "sin({a})", "cos({a})", "erf({a})",
                                "({a}) / (abs({b}) + 1)", "{c} ? {a} : {b}", "({a}) * 0.1 * ({i})", "-({a})", "{dot}", "pow(abs({a}) + 0.1, 1.5)"])
        if "{dot}" in form:
            return self.dot(scope)
        return "(" + form.format(a=a, b=b, c=self.condition(scope, 1) if "{c}" in form else "",
                                 i=self.integer(scope, 1) if "{i}" in form else "") + ")"

    def dot(self, scope: dict[str, str]) -> str:
        self.has.add("dot")
        dim = self.rng.choice(["D", "E", "C"])
        sides = []
        for _ in range(2):
            dims = [*self.rng.sample(sorted(set(scope.values())), min(1, len(scope))), dim]
            name = self.input(dims, "float")
            sides.append(f"{name}[{', '.join(self.subscript(scope, d) if n + 1 < len(dims) else ':' for n, d in enumerate(dims))}]")
        return f"dot({sides[0]}, {sides[1]})"

    def integer(self, scope: dict[str, str], depth: int) -> str:
        leaf = str(self.rng.choice([*scope, 0, 1, 3, *SIZES]))
        if depth <= 0:
            return leaf
        a, b = self.integer(scope, depth - 1), self.integer(scope, depth - 1)
        return "(" + self.rng.choice(["{a} + {b}", "{a} - {b}", "{a} * 2", "{a} // {b}", "{a} % 3", "{a} & 3", "{a} ^ {b}", "{a} << 1",
                                      "{a} >> 1", "min({a}, {b})", "max({a}, {b})", "abs({a} - {b})", "{a}"]).format(a=a, b=b) + ")"

    def condition(self, scope: dict[str, str], depth: int) -> str:
        a, b = self.integer(scope, 1), self.integer(scope, 1)
        form = self.rng.choice(["{a} < {b}", "{a} <= {b}", "{a} % 2 == 0", "{a} != {b}", "{t}", "!({c})", "({c}) && {a} > 0",
                                "({c}) || {a} >= {b}", "{x} > 0.05"])
        inner = self.condition(scope, depth - 1) if "{c}" in form and depth > 0 else "true"
        return form.format(a=a, b=b, c=inner, t=self.read(scope, "bool") if "{t}" in form else "",
                           x=self.read(scope, "float") if "{x}" in form else "")

    # --- steps ---
    def indices(self, least: int, most: int) -> dict[str, str]:
        dims = self.rng.sample(sorted(SIZES), self.rng.randint(least, most))
        return {f"{dim.lower()}{n}": dim for n, dim in enumerate(dims)}

    def add(self, kind: str, body: dict, outputs: dict[str, tuple[list[str], str]]) -> None:
        names = {}
        for output, tensor in outputs.items():
            names[output] = f"y{len(self.known)}"
            self.known[names[output]] = tensor
        self.steps.append({kind: body, "as": names})

    @staticmethod
    def declared(scope: dict[str, str]) -> list[str]:
        return [f"{name} < {dim}" for name, dim in scope.items()]

    def compute(self) -> None:
        index = self.indices(0, 3)
        over = {f"r{n}": dim for n, dim in enumerate(self.rng.sample(sorted(SIZES), self.rng.randint(1, 2)))} if self.chance(0.6) else {}
        scope, kind = {**index, **over}, self.pick("float", "float", "float", "integer", "bool")
        value = {"float": lambda: f"{self.number(scope, 2)} + {self.read(scope, 'float')}", "integer": lambda: self.integer(scope, 2), "bool": lambda: self.condition(scope, 1)}[kind]()
        body: dict = {"index": self.declared(index), "value": value}
        if over:
            if kind == "float":                                         # equal terms would round alike, and the more so in another order
                body["value"] = f"{value} + 0.3 * sin(r0 + 0.5)"
            self.has.add("reduction")
            options = {"float": ["sum", "max", "min", "mean", "logsumexp", "prod"], "integer": ["sum", "max", "min"], "bool": ["any", "all"]}[kind]
            if len(over) == 1 and kind == "float":
                options += ["argmax", "argmin"]
            body.update({"over": self.declared(over), "with": self.rng.choice(options)})
            if self.chance(0.4):
                body["where"] = self.condition(scope, 1)
            if body["with"] in ("argmax", "argmin"):
                kind = "integer"
            if body["with"] in ("max", "min", "logsumexp") and kind == "float":
                body.pop("where", None)                                 # an empty one is infinite, and then all is
        else:
            self.has.add("map")
        self.add("compute", body, {"out": (list(index.values()), kind)})

    def scan(self) -> None:
        self.has.add("scan")
        index = self.indices(1, 3)
        along = self.rng.choice(sorted(index))
        body = {"index": self.declared(index), "along": along, "with": self.pick("sum", "sum", "max", "min"), "value": self.number(index, 2)}
        if body["with"] == "sum" and self.chance(0.4):
            body["exclusive"] = True
        if self.chance(0.4):
            body["reverse"] = True
        self.add("scan", body, {"out": (list(index.values()), "float")})

    def select(self) -> None:
        self.has.add("select")
        index, dim = self.indices(0, 2), self.rng.choice(["N", "M", "C"])
        scope = {**index, "j": dim}
        fresh = self.input([*index.values(), dim], "float")             # distinct values: no ties to break
        body: dict = {"index": self.declared(index), "over": [f"j < {dim}"], "value": f"{fresh}[{', '.join([*index, 'j'])}]"}
        if self.chance(0.5):
            body["where"] = self.condition(scope, 1)
        if self.chance(0.3):
            body["always"] = self.pick("j == 0", "j % 4 == 1")
        if self.chance(0.2):
            body["above"] = "-0.5"
        count = self.pick(None, "2", f"{dim} // 2 + 1")
        if count:
            body["count"] = count
        if self.chance(0.4):
            body["order"] = "value"
        dims = list(index.values())
        every = {"keep": ([*dims, dim], "bool"), "rank": ([*dims, dim], "integer"), "count": (dims, "integer")}
        self.add("select", body, {name: every[name] for name in self.rng.sample(sorted(every), self.rng.randint(1, 3))})

    def attend(self) -> None:
        self.has.add("attend")
        rows = {"b": "B", "h": "H", "q_idx": "N"}
        keys = {"kv_idx": "M"}
        if self.chance(0.2):
            self.has.add("key indices")
            keys = {"kv_idx": "M", "c": "C"}
        pairs = {**rows, **keys}
        body: dict = {"index": self.declared(rows), "over": self.declared(keys), "declare": ["d < D", "e < E"]}
        several = len(keys) == 1 and self.chance(0.25)
        source = self.source(rows, keys)
        if several:
            self.has.add("sources")
            other = self.source(rows, {"kv_idx": "C"})
            body["sources"] = [source, {"over": ["kv_idx < C"], **other}]
        else:
            body.update(source)
        outputs: dict = {"out": ([*rows.values(), "E"], "float")}
        normal = self.pick("softmax", "softmax", "softmax", "sink", "sigmoid", "divide", "softmax" if several or len(keys) > 1 else "nested")
        if normal != "softmax":
            self.has.add("normaliser")
        if normal == "sink":
            body["normalize"] = {"softmax": {"sink": self.number({"b": "B", "h": "H"}, 0)}}
        elif normal == "sigmoid":
            body["normalize"] = {"map": "sigmoid(score)"}
        elif normal == "divide":
            body["normalize"] = {"map": "exp(min(score, 2))", "divide": "max(sum, 0.1)"}
        elif normal == "nested":
            run = self.pick(2, 3, 4)
            group = self.pick(f"kv_idx // {run}", f"kv_idx < q_idx // {run} * {run} ? kv_idx // {run} : -1")
            body["normalize"] = {"nested": {"group": group, "leader": f"kv_idx % {run} == {self.rng.randrange(run)}"}}
        elif self.chance(0.4):
            outputs["lse"] = (list(rows.values()), "lse")                # of another accuracy: nobody reads on
        if self.chance(0.35):
            self.has.add("statistic")
            body["stats"] = {"st": {"with": self.pick("sum", "max"), "value": self.pick("weight", "weight * 2", "kv_idx % 2 == 0 ? weight : 0.0")}}
            outputs["st"] = (list(rows.values()), "float")
            if self.chance(0.5):
                body["weight"] = "weight / (abs(st) + 1)" if body["stats"]["st"]["with"] == "sum" else "weight * 0.5"
        elif self.chance(0.15):
            near = self.pick("kv_idx <= q_idx", "kv_idx % 2 == 0", self.condition(pairs, 0))
            body["weight"] = f"({near}) ? weight : weight * 0.5"
            if self.chance(0.5):
                body["stats"] = {"st": {"value": f"({near}) ? weight : 0.0"}}
                body["weight"] = f"({near}) ? 2 * weight : weight * (1 - st)"
                outputs["st"] = (list(rows.values()), "float")
        if self.chance(0.35):
            self.has.add("gate")
            body["gate"] = self.number({**rows, "e": "E"}, 1)
        if not several and self.chance(0.2):
            outputs["weights"] = (list(pairs.values()), "float")
        if "st" in outputs and body["stats"]["st"].get("with") == "max" or "lse" in outputs:
            body.pop("mask", None)                                      # a row that keeps nothing is infinite there
            for part in body.get("sources", []):
                part.pop("mask", None)
        self.add("attend", body, outputs)

    def blocks(self, pairs: dict[str, str]) -> str:
        """A mask that goes by blocks of positions, or by what tensors hold of them."""
        form = self.pick("(q_idx // 4 - kv_idx // 3) % 3 == {n}", "kv_idx // 4 == q_idx // 4", "{d}[q_idx] == {e}[kv_idx]", "{e}[kv_idx] > {n}",
                         "{d}[q_idx // 2] + {e}[kv_idx // 3] < 4", "h == 0 ? kv_idx <= q_idx : {e}[kv_idx] == {n}")
        of_query = self.input(["N"], "integer") if "{d}" in form else ""
        of_key = self.input([pairs["kv_idx"]], "integer") if "{e}" in form else ""
        for name in (of_query, of_key):
            if name and self.chance(0.5):
                self.inputs[name]["sorted"] = True
        return form.format(n=self.pick(0, 1, 2), d=of_query, e=of_key)

    def source(self, rows: dict[str, str], keys: dict[str, str]) -> dict:
        pairs = {**rows, **keys}
        part: dict = {"query": self.number({**rows, "d": "D"}, self.pick(0, 0, 1)), "key": self.number({"b": "B", "h": "H", **keys, "d": "D"}, self.pick(0, 0, 1)),
                      "value": self.number({"b": "B", "h": "H", **keys, "e": "E"}, self.pick(0, 0, 1))}
        if "kv_idx" not in part["value"] and (len(keys) > 1 or self.size["M"] > 9): # as above
            part["value"] += " + 0.1 * sin(kv_idx + 0.3)"
        if self.chance(0.5):
            self.has.add("score")
            part["score"] = self.rng.choice(["score + {x}", "2 * tanh(score)", "score * {x}", "score - 0.1 * abs(q_idx - kv_idx)"]).format(x=self.number(pairs, 1))
            if self.chance(0.3):
                self.has.add("run-time param")
                self.params["cap"] = {"type": "f32", "default": 1.5}
                part["score"] = f"cap * tanh(({part['score']}) / cap)"
        if self.chance(0.6):
            self.has.add("mask")
            kept = self.condition(pairs, 1) if self.chance(0.5) else self.blocks(pairs)
            part["mask"] = f"({kept}) || kv_idx == 0"
        return part

    def recur(self) -> None:
        self.has.add("recur")
        rows = {"b": "B", "h": "H", "t": "N"}
        rule = self.pick("add", "add", "delta", "momentum")
        d, e = {**rows, "d": "D"}, {**rows, "e": "E"}
        body: dict = {"index": self.declared(rows), "declare": ["d < D", "e < E"], "query": self.number(d, 0),
                      "key": f"0.3 * sin({self.number(d, 0)})", "value": self.number(e, 0),
                      "decay": f"sigmoid({self.number(self.pick(rows, d, {**d, 'e': 'E'}), 1)})"}
        if rule != "add":
            body.update({"rule": rule, "beta": f"sigmoid({self.number(self.pick(rows, d), 0)})"})
        if rule == "momentum":
            body.update({"momentum": f"0.5 * sigmoid({self.number(rows, 0)})", "chunk": self.pick("1", "3")})
        if self.chance(0.3):
            body["read"] = "before"
        if self.chance(0.3):
            body["reverse"] = True
        if self.chance(0.4):
            body["initial"] = self.number({"b": "B", "h": "H", "d": "D", "e": "E"}, 0)
        outputs = {"out": (["B", "H", "N", "E"], "float")}
        if self.chance(0.5):
            outputs["state"] = (["B", "H", "D", "E"], "float")
        self.add("recur", body, outputs)

    def spec(self, name: str) -> dict:
        kinds = [self.compute, self.scan, self.select, self.attend, self.recur]
        for make in self.rng.sample(kinds, self.rng.randint(1, 4)) + [self.pick(*kinds)] * self.rng.randint(0, 1):
            make()
        made = [n for n in self.known if n not in self.inputs]
        results = {n: {"float": "f32", "lse": "f32", "integer": "i32", "bool": "bool"}[self.known[n][1]]
                   for n in made if n == made[-1] or self.chance(0.6)}
        dims = {n: s if n in ("D", "E") else "any" for n, s in self.size.items()}
        return {"heddle": 1, "name": name, "dims": dims, **({"params": self.params} if self.params else {}), "tensors": self.inputs,
                "steps": self.steps, "results": results, "example": {n: s for n, s in self.size.items() if n not in ("D", "E")}}


def draw(seed: str, name: str) -> tuple[dict, set[str]]:
    program = Program(random.Random(seed))
    return program.spec(name), program.has
