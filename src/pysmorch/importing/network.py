"""An ONNX file as a network whose layers can be trained further."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pysmorch import layers as ours
from pysmorch.entries import escaped
from pysmorch.export.messages import LARGEST
from pysmorch.files import ModelFileError
from pysmorch.importing import dense, elementwise, images, pooling, resizing, shapes
from pysmorch.importing.calls import OURS, Call, Scope
from pysmorch.importing.folding import FOLDED, constant, fold, shape_of
from pysmorch.importing.messages import Node, OnnxModel, ValueInfo, read_model
from pysmorch.importing.tensors import INTEGERS, Arrays
from pysmorch.importing.values import Value, as_in_graph, channels_last_axes, checked
from pysmorch.layers.randomness import Zeros, drawing_from
from pysmorch.losses import BinaryCrossEntropy, CrossEntropy, Loss, SquareLoss
from pysmorch.network import Network

OPERATORS = {
    **elementwise.OPERATORS,
    **dense.OPERATORS,
    **images.OPERATORS,
    **pooling.OPERATORS,
    **shapes.OPERATORS,
    **resizing.OPERATORS,
}
"""What makes layers of a node, by the operator."""

CONSTANTS = {"Constant": constant, "Shape": shape_of}
"""What makes constants, also of values that depend on the data."""

KNOWN = {*OPERATORS, *CONSTANTS, *FOLDED}

OLDEST_OPERATORS = 7

MOST_NAMED = 10
"""Reasons of one error."""

CHANNELS_FIRST = {*images.OPERATORS, *pooling.OPERATORS, "Resize", "Upsample", "DepthToSpace", "SpaceToDepth"}
"""Operators of images that have their channels after the batch."""

OF_INTEGERS = {
    "Cast",
    "Concat",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Shape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
}
"""Operators that only move entries or look them up; arithmetic of integers is another one than that of layers."""

THROUGH = {*elementwise.OPERATORS, "Pad", "Concat", "Slice"}
"""Operators after which an image is still one."""

LOSSES: dict[str, type[Loss]] = {"Softmax": CrossEntropy, "Sigmoid": BinaryCrossEntropy}
"""Losses that make probabilities of their input, by the operator that does so in a file."""


def from_onnx(path: str | Path, *, output: str | None = None, loss: Callable[[Any], Loss] | None = None) -> Network:
    """Return the network of an ONNX file: layers with its parameters, which can be trained further.

    Images, which ONNX files take as (N, C, H, W), are taken as (N, H, W, C), and so are sequences, (N, L, C), wherever an operator of
    images reads them; all other inputs have the shapes that the file says. The first axis of each input is the batch, of any size.

    Parameters
    ----------
    path : str or Path
        The file. Its external data, if it has any, are read from files of the same folder only.
    output : str, default=None
        The name of the output to compute; None for the first one.
    loss : callable, default=None
        A class of losses, or a function from a layer to a loss, at the end of the network. None takes `CrossEntropy` or
        `BinaryCrossEntropy` where the output ends in a softmax or a sigmoid, or another output is one of it: the network's output is
        then what goes into that, and `network.loss.predictions` makes probabilities of it. Else it is `SquareLoss`.

    Returns
    -------
    Network
        Its `origins` say which initialiser, or which node, of the file each layer comes from.

    Raises
    ------
    ModelFileError
        The file is damaged, or has operators, shapes or types that cannot be imported: all of them are named.
    OSError
        The file cannot be read.

    See Also
    --------
    Network.export : The other direction.

    Examples
    --------
    >>> import tempfile, pysmorch as ps
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 4)), [8], 3, seed=0))).export(f"{folder}/small.onnx")
    ...     network = ps.from_onnx(f"{folder}/small.onnx")
    >>> network
    Network(6 layers, CrossEntropy)
    """
    path = Path(path).expanduser()
    content = _content_of(path)
    try:
        return _network(read_model(memoryview(content)), Arrays(path.parent), output, loss)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {escaped(str(error))}") from error


def _content_of(path: Path) -> bytes:
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ModelFileError(f"{path} is not a regular file")
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > LARGEST:
            raise ModelFileError(f"{path} has {status.st_size:,} bytes, more than the {LARGEST:,} of an ONNX file")
        return file.read(status.st_size)


def _network(model: OnnxModel, arrays: Arrays, output: str | None, loss: Callable[[Any], Loss] | None) -> Network:
    version = model.versions.get("", 0)
    if version < OLDEST_OPERATORS:
        raise ModelFileError(f"its operators are of version {version}; from {OLDEST_OPERATORS} on they can be imported")
    chosen = _chosen_output(model, output)
    makers = _makers(model)
    name, made_loss = (chosen, loss) if loss is not None else _end(model, makers, chosen)
    nodes = _needed(model, makers, name)
    scope = Scope(model, arrays)
    with drawing_from(Zeros()):
        _add_inputs(scope, nodes, name)
        _add_nodes(scope, nodes, [*model.values, *model.outputs])
    if name not in scope.values:
        raise ModelFileError(f"its output {name!r} does not depend on its inputs")
    try:
        network = Network(made_loss(as_in_graph(scope.values[name])))
    except ModelFileError as error:
        raise ModelFileError(f"its output {name!r} cannot be returned: {error}") from error
    except ValueError as error:
        raise ModelFileError(
            f"its output {name!r} does not fit the loss: {error}; choose another with loss="
        ) from error
    network.origins = {
        layer_name: scope.origins[id(layer)]
        for layer_name, layer in zip(network.names, network.layers, strict=True)
        if id(layer) in scope.origins
    }
    return network


# What is needed.


def _chosen_output(model: OnnxModel, output: str | None) -> str:
    names = [one.name for one in model.outputs]
    if not names:
        raise ModelFileError("its graph has no outputs")
    if output is None:
        return names[0]
    if output not in names:
        raise ModelFileError(f"it has no output {output!r}; its outputs are {', '.join(map(repr, names[:MOST_NAMED]))}")
    return output


def _makers(model: OnnxModel) -> dict[str, int]:
    """Return which node makes each value, after checking that each is made once and before it is read."""
    makers: dict[str, int] = {}
    known = set(model.initialisers)
    for one in model.inputs:
        if one.name in makers or not one.name:
            raise ModelFileError(f"it has two inputs {one.name!r}, or one without a name")
        makers[one.name] = -1
    made_later = {name for node in model.nodes for name in node.outputs}
    for i, node in enumerate(model.nodes):
        for name in filter(None, node.inputs):
            if name not in makers and name not in known:
                why = (
                    "only a later node, or the node itself, makes: nodes have to be in the order in which they are computed, without a cycle"
                    if name in made_later
                    else "is neither an input, an initialiser nor an output of a node"
                )
                raise ModelFileError(f"the node {node.name!r} ({node.operator}) reads the value {name!r}, which {why}")
        for name in filter(None, node.outputs):
            if name in makers or name in known:
                raise ModelFileError(
                    f"the node {node.name!r} ({node.operator}) makes the value {name!r}, which is there already"
                )
            makers[name] = i
    missing = [one.name for one in model.outputs if one.name not in makers and one.name not in known]
    if missing:
        raise ModelFileError(f"its output {missing[0]!r} is made by no node")
    return makers


def _end(model: OnnxModel, makers: dict[str, int], name: str) -> tuple[str, Callable[[Any], Loss]]:
    """Return the value before a softmax or sigmoid at the end, and the loss that has it; else the output and `SquareLoss`."""
    same: dict[str, str] = {}
    for node in model.nodes:
        if node.operator == "Identity" and len(node.inputs) == len(node.outputs) == 1:
            same[node.outputs[0]] = same.get(node.inputs[0], node.inputs[0])
    ranks = {same.get(one.name, one.name): len(one.shape or ()) for one in model.outputs}
    inside = same.get(name, name)
    i = makers.get(inside, -1)
    is_ours = model.producer == OURS and name == "output"  # what its loss makes of it is an output of its own
    if i >= 0 and not is_ours and _ends_in(model, model.nodes[i], ranks):
        return model.nodes[i].inputs[0], LOSSES[model.nodes[i].operator]
    for other in model.nodes:
        if other.inputs[:1] == [inside] and _ends_in(model, other, ranks):
            return name, LOSSES[other.operator]
    return name, SquareLoss


def _ends_in(model: OnnxModel, node: Node, ranks: dict[str, int]) -> bool:
    """Whether a node makes an output of probabilities of rows as a loss does: along the last axis, of two where the file says how many."""
    if node.domain or node.operator not in LOSSES or len(node.inputs) != 1 or node.outputs[:1] == []:
        return False
    rank = ranks.get(node.outputs[0], -1)
    axis = node.attributes.get("axis", -1 if model.versions.get("", 0) >= 13 else 1)
    return rank >= 0 and (node.operator == "Sigmoid" or axis == 1 or (axis == -1 and rank in (0, 2)))


def _needed(model: OnnxModel, makers: dict[str, int], name: str) -> list[Node]:
    """Return the nodes that a value depends on, in their order."""
    needed = set()
    waiting = [name]
    while waiting:
        i = makers.get(waiting.pop(), -1)
        if i >= 0 and i not in needed:
            needed.add(i)
            waiting += filter(None, model.nodes[i].inputs)
    return [node for i, node in enumerate(model.nodes) if i in needed]


# Inputs.


def _add_inputs(scope: Scope, nodes: Sequence[Node], output: str) -> None:
    """Make a Data layer of each input that is read, and name all whose shape or type cannot be imported."""
    read = {name for node in nodes for name in node.inputs} | {output}
    wrong, of_images = [], _images(nodes)
    for one in scope.model.inputs:
        if one.name not in read or one.name in scope.model.initialisers:
            continue
        reason = _unsupported_reason(one)
        if reason:
            wrong.append(f"{one.name!r} {reason}")
            continue
        sizes = [size for size in (one.shape or [])[1:] if isinstance(size, int)]
        axes = tuple(range(len(sizes) + 1))
        if len(axes) in (3, 4, 5) and one.name in of_images:
            axes = channels_last_axes(len(axes))
        data = ours.Data(shape=(None, *(sizes[axis - 1] for axis in axes[1:])), name=one.name)
        scope.values[one.name] = Value(checked(data), axes, integer=one.kind in INTEGERS)
    if wrong:
        raise ModelFileError(
            f"its input {'; '.join(wrong[:MOST_NAMED])}; export the model with fixed sizes, of which only the first, the batch, may be free"
        )


def _unsupported_reason(one: ValueInfo) -> str | None:
    if one.kind not in (1, 10, 11, *INTEGERS):
        return f"has elements of type {one.kind}, but only numbers can be imported"
    if not one.shape:
        return "has no shape, or no axis for the batch"
    free = [f"{size!r} of axis {i}" for i, size in enumerate(one.shape) if i and isinstance(size, str)]
    return f"has free sizes besides the batch, {', '.join(free)}" if free else None


def _images(nodes: Sequence[Node]) -> set[str]:
    """Return the values that operators of images read, or operators of entries whose results they read."""
    names: set[str] = set()
    for node in reversed(nodes):
        if node.operator in CHANNELS_FIRST:
            names.update(node.inputs[:1])
        elif node.operator in THROUGH and not names.isdisjoint(node.outputs):
            names.update(node.inputs)
    return names


# Nodes.


def _add_nodes(scope: Scope, nodes: Sequence[Node], claims: Sequence[ValueInfo]) -> None:
    """Make layers of all nodes; those that cannot be imported are named at once."""
    claimed = {one.name: one for one in claims if one.shape is not None}
    unknown = [node for node in nodes if _full_name(node) not in KNOWN]
    if unknown:
        names = [repr(one.name) for one in scope.model.outputs[:MOST_NAMED]]
        others = f", or choose an output= that does not need them, of {', '.join(names)}" if len(names) > 1 else ""
        raise ModelFileError(
            f"{len(unknown)} of its operators cannot be imported: {_listed(unknown)}; leave them out of what is exported, for example what "
            f"comes before or after the network{others}"
        )
    reasons = []
    failed: set[str] = set()
    for node in nodes:
        if not failed.isdisjoint(node.inputs):
            failed.update(node.outputs)
            continue
        try:
            _add_node(scope, node, claimed)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            reasons.append(f"the node {node.name!r} ({node.operator}): {error}")
            failed.update(filter(None, node.outputs))
    if reasons:
        more = f"; and {len(reasons) - MOST_NAMED} more" if len(reasons) > MOST_NAMED else ""
        raise ModelFileError("; ".join(reasons[:MOST_NAMED]) + more)


def _full_name(node: Node) -> str:
    return f"{node.domain}:{node.operator}" if node.domain else node.operator


def _listed(nodes: Sequence[Node]) -> str:
    """Return operators, each with the names of the first nodes that have it."""
    by_operator: dict[str, list[str]] = {}
    for node in nodes:
        by_operator.setdefault(f"{node.domain}:{node.operator}" if node.domain else node.operator, []).append(
            repr(node.name)
        )
    said = [
        f"{operator} (node {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''})"
        for operator, names in by_operator.items()
    ]
    return ", ".join(said[:MOST_NAMED]) + (
        f" and {len(said) - MOST_NAMED} more operators" if len(said) > MOST_NAMED else ""
    )


def _add_node(scope: Scope, node: Node, claimed: dict[str, ValueInfo]) -> None:
    call = Call(scope, node)
    if not node.outputs:
        raise ModelFileError("it has no outputs")
    given = [i for i in range(len(node.inputs)) if call.has(i)]
    integers = [name for name in node.inputs if name in scope.values and scope.values[name].integer]
    if integers and node.operator not in OF_INTEGERS:
        raise ModelFileError(
            f"its input {integers[0]!r} holds integers; let the model cast them to floating-point numbers before"
        )
    if _full_name(node) in CONSTANTS:
        scope.keep_constant(node.outputs[0], CONSTANTS[_full_name(node)](call))
    elif all(call.is_constant(i) for i in given):
        scope.keep_constant(node.outputs[0], fold(call))
    else:
        if _full_name(node) not in OPERATORS:
            raise ModelFileError("its inputs depend on the data; they have to be initialisers")
        OPERATORS[_full_name(node)](call)
    call.check_attributes()
    for name in node.outputs:
        if name in scope.values:
            _check_claim(scope.values[name], claimed.get(name))
            layer = scope.values[name].layer
            if not isinstance(layer, ours.Data):
                scope.call_it(layer, node.name)


def _check_claim(value: Value, claim: ValueInfo | None) -> None:
    """Refuse a shape that the file says, where it is another than the one that is computed."""
    if claim is None or claim.shape is None:
        return
    fits = len(claim.shape) == value.rank and all(
        isinstance(said, str) or size is None or said == size
        for said, size in zip(claim.shape, value.shape, strict=True)
    )
    if not fits:
        raise ModelFileError(
            f"its output {claim.name!r} has shape {tuple('N' if size is None else size for size in value.shape)}, but the file says "
            f"{tuple(claim.shape)}"
        )
