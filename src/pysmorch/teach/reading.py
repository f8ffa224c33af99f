"""Reads the source of a class where its numbers fit no mistake that is known, and says what looks wrong, carefully."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

LOSSES = ("SquareLoss", "CrossEntropy")
BY_FEATURE = ("Bias", "Scale", "Normalize")
"""Classes that treat each feature by itself, over the batch."""

_REDUCTIONS = ("sum", "mean", "max", "amax", "var", "std", "min", "norm", "logsumexp", "softmax")


def text_of(name: str, texts: Iterable[str]) -> str:
    """Return the text of the last class or function of this name in the pieces of a file; empty where there is none."""
    found = ""
    for text in texts:
        try:
            body = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
                found = ast.get_source_segment(text, node) or found
    return found


def source_of(cls: Any) -> str:
    """Return the text of a student's class or function; empty where it is not known."""
    text = getattr(cls, "source_text", None)
    if isinstance(text, str):
        return text
    try:
        return textwrap.dedent(inspect.getsource(cls))
    except Exception:  # no file, a metaclass of the student's, a class of the library in a zip archive
        return ""


class Source:
    """The syntax of a class: questions that the rules below ask of one of its methods."""

    def __init__(self, text: str, method: str) -> None:
        self.nodes: list[ast.AST] = []
        self.one_minus_somewhere = True
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        differences = (n for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub))
        self.one_minus_somewhere = any(_constant(n.left) == 1 for n in differences)
        wanted = {method, "compute" if method == "forward" else "pull_back"}
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        bodies = [n for n in functions if n.name in wanted] or [n for n in functions if n.name != "__init__"]
        called = {n.func.attr for b in bodies for n in ast.walk(b) if _is_method_call(n)}  # type: ignore[attr-defined]
        bodies += [n for n in functions if n.name in called and n not in bodies]
        self.nodes = [node for body in bodies for node in ast.walk(body)]

    def calls(self, *names: str) -> Iterator[ast.Call]:
        """Calls of functions or methods with one of these names."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and _name(node.func) in names:
                yield node

    def uses(self, *names: str) -> bool:
        """Whether a name, an attribute or a function of this name appears."""
        return any(_name(node) in names for node in self.nodes)

    def operators(self, kind: type[ast.operator]) -> Iterator[ast.BinOp]:
        """Binary operations of a kind."""
        return (node for node in self.nodes if isinstance(node, ast.BinOp) and isinstance(node.op, kind))

    def shape_index(self, index: int) -> bool:
        """Whether `shape[index]` appears."""
        return any(
            isinstance(node, ast.Subscript)
            and _name(node.value) in ("shape", "out_dims")
            and isinstance(node.slice, ast.Constant)
            and node.slice.value == index
            for node in self.nodes
        )

    def axes(self) -> set[int | None]:
        """The axes over which sums, means and the like are taken; None for all of them."""
        found: set[int | None] = set()
        for call in self.calls(*_REDUCTIONS):
            axis = next((k.value for k in call.keywords if k.arg == "axis"), None)
            positional = call.args[1:] if _of_numpy(call.func) else call.args
            axis = axis or (positional[0] if positional else None)
            value = _constant(axis)
            if axis is None or value is not None:
                found.add(value)
        return found

    def without_keepdims(self, axis: int) -> bool:
        """Whether something is reduced over an axis that then is gone."""
        for call in self.calls(*_REDUCTIONS):
            given = {k.arg: _constant(k.value) for k in call.keywords}
            position = call.args[1:] if _of_numpy(call.func) else call.args
            over = given.get("axis", _constant(position[0]) if position else None)
            if over == axis and "keepdims" not in given:
                return True
        return False

    def of_exponentials_over(self, axis: int) -> bool:
        """Whether a maximum, or a sum of exponentials, is taken over an axis."""
        for call in self.calls("max", "amax", "sum", "logsumexp", "softmax"):
            given = {k.arg: _constant(k.value) for k in call.keywords}
            position = call.args[1:] if _of_numpy(call.func) else call.args
            over = given.get("axis", _constant(position[0]) if position else None)
            inside = any("exp" in _name(n) for n in ast.walk(call))
            if over == axis and (inside or _name(call.func) != "sum"):
                return True
        return False

    def reshapes(self, *names: str) -> bool:
        """Whether one of these arrays gets another shape."""
        for call in self.calls("reshape", "ravel", "flatten", "squeeze", "expand_dims"):
            owner = call.func.value if isinstance(call.func, ast.Attribute) else call.func
            if any(_name(n) in names for argument in (owner, *call.args) for n in ast.walk(argument)):
                return True
        return any(
            isinstance(n, ast.Subscript) and _name(n.value) in names and "None" in ast.dump(n.slice) for n in self.nodes
        )

    def uses_T_of(self, name: str) -> bool:
        """Whether an array of this name, or a part of it, is transposed with `.T`."""
        transposed = (n.value for n in self.nodes if isinstance(n, ast.Attribute) and n.attr == "T")
        return any(_name(n.value if isinstance(n, ast.Subscript) else n) == name for n in transposed)

    def limits_a_logarithm(self) -> bool:
        """Whether probabilities are limited, or something small is added to them, before a logarithm."""
        inside = [n for call in self.calls("log", "log2", "log10") for n in ast.walk(call)]
        limits = [*self.calls("clip"), *(n for n in inside if isinstance(n, ast.Call) and _name(n.func) == "maximum")]
        added = [n for n in inside if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Add)]
        return bool(limits) or any(_is_small(side) for n in added for side in (n.left, n.right))

    def multiplies_by_W_as_it_is(self) -> bool:
        """Whether an entry of W is the second factor of a matrix product."""
        return any(
            isinstance(product.right, ast.Subscript) and _name(product.right.value) == "W"
            for product in self.operators(ast.MatMult)
        )

    def adds_up(self) -> bool:
        """Whether anything is added up: by a function, a matrix product, or a loop with +=."""
        added = any(isinstance(n, ast.AugAssign) and isinstance(n.op, ast.Add) for n in self.nodes)
        return added or self.uses("sum", "add", "reduce", *_PRODUCTS) or any(self.operators(ast.MatMult))

    def indexed_by(self, name: str) -> bool:
        """Whether an array is indexed with the numbers of `name`, and not with where it is 1 or true."""
        made_of_it = {name}
        for node in self.nodes:
            if isinstance(node, ast.Assign) and _is_made_of(made_of_it, node.value):
                made_of_it |= {_name(target) for target in node.targets}
        return any(_is_made_of(made_of_it, node.slice) for node in self.nodes if isinstance(node, ast.Subscript))


def _is_method_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _name(node.func.value) == "self"


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


_PRODUCTS = ("dot", "matmul", "einsum", "tensordot", "inner", "outer")

_POSITIONS = ("argmax", "nonzero", "where", "flatnonzero", "bool", "bool_")
"""What makes class numbers, or a mask, of one-hot rows."""


def _is_made_of(names: set[str], value: ast.AST) -> bool:
    nodes = list(ast.walk(value))
    if any(isinstance(n, (ast.Compare, ast.Subscript)) or _name(n) in _POSITIONS for n in nodes):
        return False
    return any(_name(n) in names for n in nodes)


def _of_numpy(function: ast.AST) -> bool:
    owner = function.value if isinstance(function, ast.Attribute) else None
    return not isinstance(function, ast.Attribute) or _name(owner) in ("np", "numpy", "linalg")  # type: ignore[arg-type]


def _is_small(node: ast.AST) -> bool:
    """Whether this is a number such as 1e-8, or has a name for such a one."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float) and 0 < node.value < 0.1
    return _name(node).lower().startswith(("eps", "tiny", "delta"))


def _constant(node: ast.AST | None) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _constant(node.operand)
        return None if inner is None else -inner
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


@dataclass(frozen=True)
class Rule:
    """What the source of some classes may show that is wrong.

    Attributes:
        classes, results: where it counts.
        shows: whether the source shows it.
        sentence: what is said then.
        of_errors: whether it counts only where a pass stops with an error.
    """

    classes: tuple[str, ...]
    results: tuple[str, ...]
    shows: Callable[[Source], bool]
    sentence: str
    of_errors: bool = False


_ANY = ("output", "G", "pass_back")
_ARITHMETIC = (*LOSSES, "Linear", "Relu", "Sigmoid", "Tanh", *BY_FEATURE)

RULES: tuple[Rule, ...] = (
    Rule(
        ("CrossEntropy",),
        ("output", "pass_back"),
        lambda s: s.indexed_by("ones_hot"),
        "The labels are one-hot rows already, not class numbers: do not index with them.",
    ),
    Rule(
        LOSSES,
        ("output", "pass_back"),
        lambda s: s.shape_index(1) and not s.shape_index(0) and not s.uses("len"),
        "It is divided by shape[1], the number of columns; the number of rows M is shape[0].",
    ),
    Rule(
        ("CrossEntropy",),
        ("output", "pass_back"),
        lambda s: s.of_exponentials_over(0),
        "A sum of exponentials or a maximum is taken over axis=0, the batch; the classes of a row are axis=1.",
    ),
    Rule(
        ("CrossEntropy", "Normalize"),
        _ANY,
        lambda s: s.without_keepdims(1) or s.without_keepdims(-1),
        "A number for each row is a list after axis=1; with keepdims=True it is a column and fits the rows.",
        of_errors=True,
    ),
    Rule(
        ("CrossEntropy",),
        ("output", "pass_back"),
        lambda s: s.limits_a_logarithm(),
        "The probabilities are limited (np.clip, or a small number that is added), which makes others of them; log(exp(a) / b) can be "
        "written as a - log(b), and needs no limit.",
    ),
    Rule(
        BY_FEATURE,
        _ANY,
        lambda s: bool({1, -1} & s.axes()),
        "A sum or mean is taken over axis=1, the features; it has to go over axis=0, the batch.",
    ),
    Rule(
        BY_FEATURE,
        _ANY,
        lambda s: None in s.axes() and 0 not in s.axes(),
        "A sum or mean is taken over all entries: axis=0, for the batch, is missing.",
    ),
    Rule(
        ("Bias", "Scale"),
        ("G",),
        lambda s: not s.adds_up(),
        "A sum over the batch (axis=0) is missing in G.",
    ),
    Rule(
        ("Linear",),
        _ANY,
        lambda s: any(s.operators(ast.Mult)) and not s.adds_up(),
        "Matrices are multiplied with @ (np.dot); * works entry by entry.",
    ),
    Rule(
        ("Sigmoid", "Tanh"),
        ("pass_back",),
        lambda s: not s.one_minus_somewhere,
        "The 1 - of the derivative is missing.",
    ),
    Rule(
        LOSSES,
        ("output", "pass_back"),
        lambda s: s.reshapes("labels", "ones_hot"),
        "The labels have the shape of the input already: they are not to be reshaped, or made a column or a list.",
        of_errors=True,
    ),
    Rule(
        ("Linear", "Conv2d"),
        ("G", "pass_back"),
        lambda s: any(s.operators(ast.MatMult)) and not s.uses("T", "transpose", "swapaxes", "einsum", "tensordot"),
        "A matrix has to be transposed in backward (W.T).",
        of_errors=True,
    ),
    Rule(
        ("Conv2d",),
        ("G", "pass_back"),
        lambda s: s.multiplies_by_W_as_it_is(),
        "W has to be transposed in backward (W[i, j].T).",
        of_errors=True,
    ),
    Rule(_ARITHMETIC, _ANY, lambda s: any(s.operators(ast.FloorDiv)), "// divides whole numbers; / is meant."),
    Rule(_ARITHMETIC, _ANY, lambda s: any(s.operators(ast.BitXor)), "^ is no power in Python; ** is."),
    Rule(
        ("Linear",),
        _ANY,
        lambda s: any(s.operators(ast.Mult)) and not any(s.operators(ast.MatMult)) and not s.uses(*_PRODUCTS),
        "Matrices are multiplied with @ (np.dot); * works entry by entry.",
        of_errors=True,
    ),
)


def probably(cls: Any, name: str, what: str, *, stopped: bool = False) -> str:
    """Return what looks wrong in the source of a class, for a result that is wrong; empty where nothing does.

    Where a pass has stopped with an error, what is often the cause counts too.
    """
    text = source_of(cls)
    source = Source(text, "forward" if what == "output" else "backward") if text else None
    if source is None or not source.nodes:
        return ""
    for rule in RULES:
        applies = name in rule.classes and what in rule.results and (stopped or not rule.of_errors)
        if applies and rule.shows(source):
            first = rule.sentence.split()[0]
            begin = first.lower() if first == "A" or first[1:].islower() else first
            return f"Probably: {begin}{rule.sentence.removeprefix(first)}"
    return ""


def made_for_the_first_batch(cls: Any) -> str:
    """Say what is made for the number of rows of the first batch, as far as the source tells."""
    text = source_of(cls)
    source = Source(text, "forward") if text else None
    if source is None:
        return ""
    if any(source.calls("repeat", "tile", "broadcast_to")):
        return "The rows are repeated as often as the first batch had some: NumPy adds a row to all rows by itself."
    if any(source.calls("zeros", "ones", "empty", "full")):
        return "An array is made for the number of rows of the first batch."
    return ""
