"""Small bugs, as people make them, planted into code one at a time.

>>> for mutation in mutations(ast.parse("def norm(x):\\n    return (x ** 2).sum()")):
...     print(mutation.change)
return «(x ** 2).sum() → x ** 2»
return (x ** 2).«sum → mean»()
return (x «** → *» 2).sum()
return «(x ** 2) → x».sum()
return «(x ** 2) → 2».sum()
return (x ** «2 → 3»).sum()

Function headers, decorators, annotations, texts and what is raised stay as they are.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.MatMult: ast.Mult,
    ast.Pow: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
PAIRS = (
    "max min", "amax amin", "argmax argmin", "maximum minimum", "sum mean", "any all", "sin cos",
    "floor ceil", "zeros ones", "zeros_like ones_like", "rand randn", "softmax log_softmax",
    "tril triu", "exp expm1", "log log1p", "append extend",
)  # fmt: skip
NAMES = {a: b for pair in PAIRS for a, b in (pair.split(), pair.split()[::-1])}
LIBRARIES = {"torch", "F", "nn", "math", "np"}
SYMMETRIC = {"max", "min", "maximum", "minimum", "transpose", "flip", "logaddexp"}
HARMLESS = {"item", "contiguous", "tolist"}  # what they return equals what they are called on
TOKEN = re.compile(r"\d+\.?\d*(?:e[+-]?\d+)?|\w+|\s+|\*\*|//|[<>=!]=|[^\w\s]")
GIVEN = (ast.arguments, ast.JoinedStr, ast.Raise)
UNTOUCHED = {"annotation", "returns", "decorator_list", "msg", "bases"}


@dataclass(frozen=True)
class Mutation:
    """A piece of code with one bug, and what was changed, in one line."""

    code: str
    change: str


def mutations(tree: ast.Module) -> Iterator[Mutation]:
    """All bugs for a piece of code, in the order of its text; no two of them make the same code."""
    original = ast.unparse(tree)
    seen, changes = {original}, Counter[str]()
    for parent, field, index, node in list(_places(tree)):
        for variant in _variants(node, parent):
            _put(parent, field, index, variant)
            code = ast.unparse(ast.fix_missing_locations(tree))
            if code not in seen:
                seen.add(code)
                change = _difference(original, code)
                changes[change] += 1
                again = f" ({changes[change]})" if changes[change] > 1 else ""
                yield Mutation(code, change + again)
            _put(parent, field, index, node)


def _places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Where a node stands, and the node, for all below a node that may be changed."""
    for field, value in ast.iter_fields(node):
        if field in UNTOUCHED:
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not isinstance(child, GIVEN):
                yield node, field, index, child
                yield from _places(child)


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _variants(node: Any, parent: ast.AST) -> Iterator[ast.AST]:
    """What may stand in a node's place by mistake."""
    match node:
        case ast.Constant():
            yield from _constants(node.value, parent, node)
        case ast.BinOp():
            if type(node.op) in OPERATORS:
                yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
            yield node.left
            yield node.right
        case ast.AugAssign():
            if type(node.op) in OPERATORS:
                yield ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
            yield ast.Pass()
        case ast.UnaryOp():
            yield node.operand
        case ast.BoolOp():
            yield ast.BoolOp(OPERATORS[type(node.op)](), node.values)
        case ast.Compare(ops=[op]):
            yield ast.Compare(node.left, [OPERATORS[type(op)]()], node.comparators)
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.If():
            if not isinstance(node.test, ast.UnaryOp):  # whose `not` is left out in any case
                yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
            yield ast.Pass()
        case ast.Attribute(attr=name) if name in NAMES:
            yield ast.Attribute(node.value, NAMES[name], node.ctx)
        case ast.Name(id="max" | "min" | "any" | "all"):
            yield ast.Name(NAMES[node.id], node.ctx)
        case ast.Slice():
            if node.lower and node.upper:
                yield ast.Slice(None, node.upper, node.step)
            if node.upper:
                yield ast.Slice(node.lower, None, node.step)
        case ast.comprehension(ifs=[_, *_]):
            yield ast.comprehension(node.target, node.iter, [], node.is_async)
        case ast.Call():
            yield from _calls(node, parent)
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Assign() if _can_be_left_out(node):
            yield ast.Pass()


def _constants(value: Any, parent: ast.AST, node: ast.AST) -> Iterator[ast.AST]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int():
            yield ast.Constant(value + 1)
        case float():
            yield ast.Constant(_other(value))
        case str() if isinstance(parent, ast.Dict) and node in parent.values:
            yield ast.Constant(value + "?")


def _other(number: float) -> float:
    """Another number: clearly another, but still of the kind that it was."""
    if number == 0:
        return 1.0
    return float(f"{number * (1.25 if abs(number) > 0.01 else 100):.6g}")


def _calls(node: ast.Call, parent: ast.AST) -> Iterator[ast.AST]:
    """Two arguments swapped, a keyword left out, the call itself left out."""
    plain = [a for a in node.args if not isinstance(a, ast.Starred)]
    called = ast.unparse(node.func).rpartition(".")[2]
    if len(plain) == len(node.args) >= 2 and called not in SYMMETRIC:
        first, second, *rest = node.args
        yield ast.Call(node.func, [second, first, *rest], node.keywords)
    for keyword in node.keywords:
        if keyword.arg:
            kept = [k for k in node.keywords if k is not keyword]
            yield ast.Call(node.func, node.args, kept)
    if isinstance(node.func, ast.Attribute) and not isinstance(parent, ast.Expr):
        inner, name = node.func.value, node.func.attr
        if isinstance(inner, ast.Name) and inner.id in LIBRARIES:
            if plain and name.islower():
                yield plain[0]
        elif name not in HARMLESS and not isinstance(inner, ast.Attribute | ast.Call):
            yield inner
        elif name not in HARMLESS and "super" not in ast.unparse(inner):
            yield inner


def _can_be_left_out(node: ast.Assign) -> bool:
    """Whether what an assignment sets may be there before: it changes an attribute, or itself."""
    targets = [n for target in node.targets for n in ast.walk(target)]
    names = {n.id for n in targets if isinstance(n, ast.Name)}
    used = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    return bool(names & used) or any(isinstance(n, ast.Attribute | ast.Subscript) for n in targets)


def _difference(before: str, after: str) -> str:
    """The line that differs, with what differs as «old → new»."""
    old, new = before.splitlines(), after.splitlines()
    line = next(i for i, (a, b) in enumerate(zip([*old, ""], [*new, ""])) if a != b)
    a, b = (TOKEN.findall(lines[line].strip()) for lines in (old, new))
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    middles = ("".join(t[start : len(t) - end]).strip() for t in (a, b))
    return "".join(a[:start]) + "«" + " → ".join(middles) + "»" + "".join(a[len(a) - end :])
