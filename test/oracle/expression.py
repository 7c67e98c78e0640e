"""Expressions of the Heddle spec language (LANGUAGE.md, section 3): parser, types and float64 meaning."""
from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, Iterable, Optional

import numpy as np

Array = np.ndarray
Names = tuple[str, ...]


class SpecError(Exception):
    """An error in a spec: where (JSON path), what, and a caret into the expression if there is one."""

    def __init__(self, path: str, message: str, text: str = "", at: int = 0, end: int = 0):
        where = f"{path}:{at + 1}" if text else path
        caret = f"\n    {text}\n    {' ' * at}{'^' * max(1, end - at)}" if text else ""
        super().__init__(f"{where}: error: {message}{caret}")


# ---------------------------------------------------------------- syntax

@dataclass(frozen=True)
class Node:
    """kind: number | name | read | call | unary | binary | cond | all (the ':' subscript)."""
    kind: str
    op: str
    args: tuple["Node", ...]
    at: int
    end: int
    value: Any = None


TOKEN = re.compile(r"\s*(?:(0x[0-9a-fA-F]+|\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+)"
                   r"|([A-Za-z_]\w*)|(//|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!?:&|^(),\[\]]))")
LEVEL = {"||": 1, "&&": 2, "<": 3, "<=": 3, ">": 3, ">=": 3, "==": 3, "!=": 3, "|": 4, "^": 5, "&": 6,
         "<<": 7, ">>": 7, "+": 8, "-": 8, "*": 9, "/": 9, "//": 9, "%": 9}
COMPARE, UNARY = 3, 10


class Parser:
    """Precedence climbing over one expression; all positions are columns of `text`."""

    def __init__(self, text: str, path: str):
        self.text, self.path, self.pos, self.tokens = text, path, 0, []
        at = 0
        while text[at:].strip():
            m = TOKEN.match(text, at)
            if not m:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise SpecError(path, f"'{text[at]}' is no part of an expression", text, at, at + 1)
            kind = "number" if m[1] else "name" if m[2] else "op"
            self.tokens.append((kind, m[1] or m[2] or m[3], m.start(m.lastindex), m.end()))
            at = m.end()
        self.tokens.append(("end", "", len(text), len(text)))

    def fail(self, message: str) -> SpecError:
        _, word, at, end = self.tokens[self.pos]
        return SpecError(self.path, message + (f", found '{word}'" if word else ", found the end"), self.text, at, end)

    def accept(self, *ops: str) -> Optional[str]:
        kind, word, _, _ = self.tokens[self.pos]
        if kind == "op" and word in ops:
            self.pos += 1
            return word
        return None

    def expect(self, op: str) -> int:
        if not self.accept(op):
            raise self.fail(f"expected '{op}'")
        return self.tokens[self.pos - 1][3]

    def whole(self) -> Node:
        node = self.cond()
        if self.tokens[self.pos][0] != "end":
            raise self.fail("expected an operator or the end")
        return node

    def cond(self) -> Node:
        test = self.binary(1)
        if not self.accept("?"):
            return test
        yes = self.cond()
        self.expect(":")
        no = self.cond()
        return Node("cond", "?:", (test, yes, no), test.at, no.end)

    def binary(self, level: int) -> Node:
        left = self.unary()
        while True:
            kind, op, at, end = self.tokens[self.pos]
            bind = LEVEL.get(op, 0) if kind == "op" else 0
            if bind < level:
                return left
            self.pos += 1
            right = self.binary(bind + 1)
            if bind == COMPARE and LEVEL.get(self.tokens[self.pos][1]) == COMPARE:
                raise self.fail("comparisons do not chain; write a < b && b < c")
            left = Node("binary", op, (left, right), left.at, right.end)

    def unary(self) -> Node:
        at = self.tokens[self.pos][2]
        op = self.accept("-", "!")
        if op:
            arg = self.unary()
            return Node("unary", op, (arg,), at, arg.end)
        return self.primary()

    def primary(self) -> Node:
        kind, word, at, end = self.tokens[self.pos]
        if kind == "number":
            self.pos += 1
            value = int(word, 0) if re.fullmatch(r"0x[0-9a-fA-F]+|\d+", word) else float(word)
            return Node("number", word, (), at, end, value)
        if self.accept("("):
            node = self.cond()
            self.expect(")")
            return node
        if kind != "name":
            raise self.fail("expected a value")
        self.pos += 1
        if self.accept("["):
            args = self.items("]", whole_axis=True)
            return Node("read", word, args, at, self.tokens[self.pos - 1][3])
        if self.accept("("):
            args = self.items(")", whole_axis=False)
            return Node("call", word, args, at, self.tokens[self.pos - 1][3])
        return Node("name", word, (), at, end)

    def items(self, close: str, whole_axis: bool) -> tuple[Node, ...]:
        args: list[Node] = []
        if whole_axis and self.accept(close):                   # t[]: a tensor without axes
            return ()
        while True:
            _, _, at, end = self.tokens[self.pos]
            args.append(Node("all", ":", (), at, end) if whole_axis and self.accept(":") else self.cond())
            if not self.accept(","):
                self.expect(close)
                return tuple(args)


@dataclass(frozen=True)
class Expr:
    """A parsed expression and where it stands, for messages."""
    node: Node
    text: str
    path: str

    def fail(self, node: Node, message: str) -> SpecError:
        return SpecError(self.path, message, self.text, node.at, node.end)


def parse(value: Any, path: str) -> Expr:
    """An expression key holds a string, or a JSON number or boolean."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, (int, float)):
        value = repr(value)
    if not isinstance(value, str):
        raise SpecError(path, f"expected an expression, found {json.dumps(value)[:40]}")
    if len(value) > 4096:
        raise SpecError(path, "an expression holds at most 4096 characters")
    node = Parser(value, path).whole()
    if sum(1 for _ in walk(node)) > 256:
        raise SpecError(path, "an expression holds at most 256 operands and operators")
    return Expr(node, value, path)


def walk(node: Node) -> Iterable[Node]:
    yield node
    for arg in node.args:
        yield from walk(arg)


# ---------------------------------------------------------------- meaning

def erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[float])(x) if x.size else x


def to_int(x: Array) -> Array:
    return np.nan_to_num(np.clip(x, -2.0 ** 62, 2.0 ** 62), nan=0.0).astype(np.int64)


FLOAT_FUNCTIONS = {
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log2": np.log2, "sqrt": np.sqrt, "tanh": np.tanh, "sin": np.sin,
    "cos": np.cos, "erf": erf, "rsqrt": lambda x: 1.0 / np.sqrt(x), "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "floor": lambda x: to_int(np.floor(x)), "ceil": lambda x: to_int(np.ceil(x))}
NUMBER_FUNCTIONS = {"abs": np.abs, "relu": lambda x: np.maximum(x, 0)}     # keep the type of their argument
FUNCTIONS = sorted([*FLOAT_FUNCTIONS, *NUMBER_FUNCTIONS, "min", "max", "pow", "dot", "window"])
CONSTANTS = {"true": np.True_, "false": np.False_, "inf": np.float64(np.inf), "pi": np.float64(np.pi)}
MACROS = {"causal": parse("kv_idx <= pos", "causal")}
TYPES = {"b": "bool", "i": "integer", "f": "float"}


def type_of(x: Array) -> str:
    return TYPES[np.asarray(x).dtype.kind]


def lift(x: Array, names: Names, to: Names, tail: int = 0) -> Array:
    """An array over `names` (+ tail axes) as one over `to`, axes of size 1 where `to` has more names."""
    x = np.asarray(x)
    order = [names.index(n) for n in to if n in names]
    x = x.transpose(order + list(range(len(names), len(names) + tail)))
    shape, k = [], 0
    for n in to:
        shape.append(x.shape[k] if n in names else 1)
        k += n in names
    return x.reshape(tuple(shape) + x.shape[k:])


@dataclass
class Scope:
    """What names mean inside one step.

    constants: dims and params; sizes: index name -> range; values: name -> (index names, array);
    vectors: likewise with one more axis, for dot(); lets: name -> expression, evaluated where used."""
    tensors: dict[str, Array]
    constants: dict[str, Array]
    sizes: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, str] = field(default_factory=dict)                  # index name -> its range as written
    values: dict[str, tuple[Names, Array]] = field(default_factory=dict)
    vectors: dict[str, tuple[Names, Array]] = field(default_factory=dict)
    lets: dict[str, Expr] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)                         # lets being evaluated
    real: type = np.float64                                               # the type every float has

    def __call__(self, e: Expr, names: Names, want: str = "") -> Array:
        """Value of `e` as an array with one axis (of full size or 1) per name; want: bool, integer or float."""
        with np.errstate(all="ignore"):
            x = self.node(e, e.node, names)
        if want == "float" and type_of(x) == "integer":
            x = x.astype(self.real)
        if want and type_of(x) != want:
            raise e.fail(e.node, f"expected {want}, found {type_of(x)}")
        return x

    def typed(self, x: Array) -> Array:
        """A float in the precision of this evaluation; integers and bools as they are."""
        return x.astype(self.real) if x.dtype.kind == "f" else x

    def full(self, e: Expr, names: Names, want: str = "") -> Array:
        return np.broadcast_to(self(e, names, want), tuple(self.sizes[n] for n in names))

    def node(self, e: Expr, n: Node, names: Names) -> Array:
        if n.kind == "number":
            return np.asarray(np.int64(n.value) if isinstance(n.value, int) else self.real(n.value)).reshape((1,) * len(names))
        if n.kind == "name":
            return self.name(e, n, names)
        if n.kind == "read":
            return self.read(e, n, names)
        if n.kind == "call":
            return self.call(e, n, names)
        args = [self.node(e, a, names) for a in n.args]
        kinds = [type_of(a) for a in args]
        if n.kind == "cond":
            if kinds[0] != "bool":
                raise e.fail(n.args[0], f"the condition of '?:' must be bool, found {kinds[0]}")
            if (kinds[1] == "bool") != (kinds[2] == "bool"):
                raise e.fail(n, f"the branches of '?:' are {kinds[1]} and {kinds[2]}")
            return np.where(*args)
        if n.kind == "unary":
            if (n.op == "!") != (kinds[0] == "bool"):
                raise e.fail(n, f"'{n.op}' does not take {kinds[0]}")
            return ~args[0] if n.op == "!" else -args[0]
        return self.binary(e, n, args, kinds)

    def name(self, e: Expr, n: Node, names: Names) -> Array:
        word = n.op
        if word in self.lets:
            if word in self.open:
                raise e.fail(n, f"'{word}' is defined by itself")
            self.open.append(word)
            try:
                return self(self.lets[word], names)
            finally:
                self.open.pop()
        if word in self.values:
            own, x = self.values[word]
            if not set(own) <= set(names):
                raise e.fail(n, f"'{word}' has no value here: it depends on {', '.join(sorted(set(own) - set(names)))}")
            return lift(x, own, names)
        if word in names:
            return lift(np.arange(self.sizes[word]), (word,), names)
        if word in self.sizes:
            raise e.fail(n, f"the index '{word}' has no value here; known are {', '.join(names) or 'none'}")
        for table in (self.constants, CONSTANTS):
            if word in table:
                return self.typed(np.asarray(table[word])).reshape((1,) * len(names))
        if word in MACROS:
            return self(MACROS[word], names)
        hint = "; a tensor is read with [ ]" if word in self.tensors else ""
        hint = "; it needs the indices q_idx and kv_idx, or 'offset'" if word == "pos" else hint
        raise e.fail(n, f"unknown name '{word}'{hint}")

    def subscripts(self, e: Expr, n: Node, names: Names) -> tuple[Array, list[Optional[Array]]]:
        if n.op not in self.tensors:
            raise e.fail(n, f"unknown tensor '{n.op}'; known are {', '.join(self.tensors)}")
        tensor = self.tensors[n.op]
        if len(n.args) != tensor.ndim:
            raise e.fail(n, f"'{n.op}' has {tensor.ndim} axes, found {len(n.args)} subscripts")
        subs: list[Optional[Array]] = []
        for a, size in zip(n.args, tensor.shape):
            i = None if a.kind == "all" else self.node(e, a, names)
            if i is not None and type_of(i) != "integer":
                raise e.fail(a, f"a subscript is an integer, found {type_of(i)}")
            subs.append(None if i is None else np.clip(i, 0, max(size - 1, 0)))
        return tensor, subs

    def read(self, e: Expr, n: Node, names: Names) -> Array:
        """An out-of-range subscript is clamped; a guard selects afterwards, so its value cannot be seen."""
        tensor, subs = self.subscripts(e, n, names)
        if any(s is None for s in subs):
            raise e.fail(n, "':' stands only in an argument of dot()")
        if tensor.size == 0:
            return np.zeros(np.broadcast_shapes((1,) * len(names), *(s.shape for s in subs)), tensor.dtype)
        return tensor[tuple(subs)] if subs else tensor.reshape((1,) * len(names))

    def vector(self, e: Expr, n: Node, names: Names) -> Array:
        """An argument of dot(): [names..., length]."""
        if n.kind == "name" and n.op in self.vectors:
            own, x = self.vectors[n.op]
            return lift(x, own, names, tail=1)
        if n.kind != "read" or sum(a.kind == "all" for a in n.args) != 1:
            raise e.fail(n, "an argument of dot() is query, key or a read with exactly one ':'")
        tensor, subs = self.subscripts(e, n, names)
        length = tensor.shape[[a.kind for a in n.args].index("all")]
        index = tuple(np.arange(length) if s is None else s[..., None] for s in subs)
        shape = np.broadcast_shapes((1,) * (len(names) + 1), *(np.shape(i) for i in index))
        return (tensor[index] if tensor.size else np.zeros(shape)).reshape(shape)

    def call(self, e: Expr, n: Node, names: Names) -> Array:
        f = n.op
        if f == "dot" and len(n.args) == 2:
            a, b = (self.vector(e, x, names) for x in n.args)
            if a.shape[-1] != b.shape[-1]:
                raise e.fail(n, f"dot() of lengths {a.shape[-1]} and {b.shape[-1]}")
            return (a.astype(self.real) * b).sum(-1)
        if f == "window" and len(n.args) == 2:
            left, right = (self.node(e, a, names) for a in n.args)
            far = self(parse("kv_idx - pos", "window"), names)
            return ((left < 0) | (-far <= left)) & ((right < 0) | (far <= right))
        arity = {**dict.fromkeys(FLOAT_FUNCTIONS, 1), **dict.fromkeys(NUMBER_FUNCTIONS, 1), "pow": 2, "dot": 2, "window": 2}
        if f not in FUNCTIONS:
            raise e.fail(n, f"unknown function '{f}'; known are {', '.join(FUNCTIONS)}")
        if len(n.args) != arity.get(f, max(2, len(n.args))):
            raise e.fail(n, f"{f}() takes {arity.get(f, 'two or more')} argument(s), found {len(n.args)}")
        args = [self.node(e, a, names) for a in n.args]
        for a, x in zip(n.args, args):
            if type_of(x) == "bool":
                raise e.fail(a, f"{f}() takes numbers, found bool")
        if f in FLOAT_FUNCTIONS:
            return self.typed(FLOAT_FUNCTIONS[f](args[0].astype(self.real)))
        if f in NUMBER_FUNCTIONS:
            return NUMBER_FUNCTIONS[f](args[0])
        if f == "pow":
            return np.power(args[0].astype(self.real), args[1].astype(self.real))
        out = args[0]
        for x in args[1:]:
            out = (np.maximum if f == "max" else np.minimum)(out, x)        # NaN wins, as everywhere
        return out

    def binary(self, e: Expr, n: Node, args: list[Array], kinds: list[str]) -> Array:
        (a, b), op = args, n.op
        need = "bool" if op in ("&&", "||") else "integer" if op in ("//", "%", "&", "|", "^", "<<", ">>") else ""
        if any(need and k != need for k in kinds) or (not need and op not in ("==", "!=") and "bool" in kinds):
            raise e.fail(n, f"'{op}' takes {need or 'number'}s, found {kinds[0]} and {kinds[1]}")
        if (kinds[0] == "bool") != (kinds[1] == "bool"):
            raise e.fail(n, f"'{op}' compares {kinds[0]} with {kinds[1]}")
        if op in ("//", "%"):
            safe = np.where(b == 0, 1, b)
            return np.where(b == 0, 0, a // safe if op == "//" else a % safe)
        if op in ("<<", ">>"):
            ok = (b >= 0) & (b < 64)
            n_ = np.where(ok, b, 0)
            return np.where(ok, a << n_ if op == "<<" else a >> n_, 0)
        table = {"&&": np.logical_and, "||": np.logical_or, "<": np.less, "<=": np.less_equal, ">": np.greater,
                 ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal, "|": np.bitwise_or, "^": np.bitwise_xor,
                 "&": np.bitwise_and, "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide}
        return self.typed(table[op](a, b))
