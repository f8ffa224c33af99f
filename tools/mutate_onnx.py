"""Import ONNX files that were changed at random: `tools/mutate_onnx.py --count 20000 --seed 0`.

The files are networks of this library, each layer that has a form in its export, and the cases of single operators of the onnx package,
where that is installed. Each gets one to four changes of its bytes, of the size or the number of one of its fields, or of a part of it, which is left out, doubled or put elsewhere.
`from_onnx` has to refuse it with a ModelFileError, or to return a network, which predicts numbers or refuses the rows with a ValueError.
No more than 2 GB of addresses may be used.
"""

from __future__ import annotations

import contextlib
import random
import resource
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from campaign import parser_of, run

import pysmorch as ps
from pysmorch.export import network_to_onnx
from pysmorch.gradcheck.cases import LAYER_CASES
from pysmorch.importing.network import OPERATORS

ADDRESSES = 2 * 10**9
"""Bytes that the process may reserve."""

LARGEST_ROW = 2**20
"""Of a network that is run: one with larger rows is right, and only takes long."""

NUMBERS = (0, 1, 2, 7, 63, 127, 128, 255, 2**14, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def originals() -> list[bytes]:
    """Return the files that are changed."""
    networks = [ps.Network(ps.SquareLoss(make())) for make in LAYER_CASES.values()]
    with ps.weights_from(0):
        networks.append(ps.Network(ps.CrossEntropy(ps.models.lenet(ps.Data(shape=(None, 8, 8, 1)), 3))))
    return [network_to_onnx(one.layers, one.names, one.loss) for one in networks] + list(cases_of_onnx())


def cases_of_onnx() -> Iterator[bytes]:
    """Yield a file for each operator that can be imported, from the tests of the onnx package where that is installed."""
    with contextlib.suppress(ImportError):
        from onnx import numpy_helper
        from onnx.backend.test.loader import load_model_tests

        for case in load_model_tests(kind="node"):
            model, arrays = case.model, case.data_sets[0][0]
            if len(model.graph.node) == 1 and model.graph.node[0].op_type in OPERATORS:
                for one, array in zip(list(model.graph.input)[1:], arrays[1:], strict=False):
                    if isinstance(array, (np.ndarray, np.generic)):
                        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), one.name))
                yield model.SerializeToString()


def varint(value: int) -> bytes:
    """Return an integer as protocol buffers have it."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def read_varint(content: bytes, at: int) -> tuple[int, int]:
    """Return an integer and where it ends."""
    value = shift = 0
    while at < len(content) and shift < 70:
        value |= (content[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if content[at - 1] < 128:
            break
    return value, at


def fields(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield key, where a field begins, where its content begins, and where that ends."""
    at = 0
    while at < len(content):
        start = at
        key, at = read_varint(content, at)
        if key & 7 == 2:
            size, at = read_varint(content, at)
        elif key & 7 == 0:
            size = read_varint(content, at)[1] - at
        else:
            size = {1: 8, 5: 4}.get(key & 7, len(content))
        if at + size > len(content):
            return
        yield key, start, at, at + size
        at += size


def changed(rng: random.Random, content: bytes, depth: int = 0) -> bytes:
    """Return a message with one change, which is in a message within it more often than not."""
    found = list(fields(content))
    if not found or rng.random() < 0.05:
        return bytes_changed(rng, content)
    key, start, begin, end = rng.choice(found)
    before, inner, after = content[:start], content[begin:end], content[end:]
    if key & 7 == 2:
        if depth < 6 and rng.random() < 0.75:
            inner = changed(rng, inner, depth + 1)
        kind = rng.randrange(12) if rng.random() < 0.3 else 12
        if kind == 0:
            return before + after
        if kind == 1:
            return before + 2 * content[start:end] + after
        if kind == 2:
            return before + varint(key) + varint(rng.choice(NUMBERS)) + inner + after
        if kind == 3:
            _, other, _, last = rng.choice(found)
            return before + content[other:last] + after
        if kind == 4:
            return content[start:end] + before + after
        if kind == 5:
            inner = inner[: rng.randrange(len(inner) + 1)]
        return before + varint(key) + varint(len(inner)) + inner + after
    if key & 7 == 0:
        return before + varint(key) + varint(rng.choice((*NUMBERS, rng.randrange(40)))) + after
    return before + varint(key) + rng.randbytes(end - begin) + after


def bytes_changed(rng: random.Random, content: bytes) -> bytes:
    """Return bytes of which some are others, missing, or more."""
    changed_bytes = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(changed_bytes) + 1)
        kind = rng.randrange(3)
        if kind == 0 and at < len(changed_bytes):
            changed_bytes[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 1:
            del changed_bytes[at : at + rng.randint(1, 9)]
        else:
            changed_bytes[at:at] = rng.randbytes(rng.randint(1, 9))
    return bytes(changed_bytes)


def import_(path: Path) -> str:
    """Import a file and run what comes out; return "refused" or "imported"."""
    try:
        network = ps.from_onnx(path)
    except ps.ModelFileError as error:
        if len(str(error)) > 10_000:
            raise AssertionError("the message has more than 10,000 letters") from error
        return "refused"
    shapes = [data.out_dims[1:] for data in network.inputs]
    sizes = [float(np.prod([size or 0 for size in layer.out_dims[1:]])) for layer in network.layers]
    if sum(sizes) < LARGEST_ROW:
        rows = [np.zeros((2, *(size or 0 for size in shape)), np.float32) for shape in shapes]
        with contextlib.suppress(ValueError):
            network.predict(tuple(rows) if len(rows) > 1 else rows[0])
    return "imported"


def main() -> int:
    """Run, and print how many files were refused and imported; the exit code is 1 where anything else happened."""
    options = parser_of(__doc__, 1000).parse_args()
    warnings.simplefilter("ignore")
    files = originals()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")

        def case(rng: random.Random, _: int) -> str:
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
            content = rng.choice(files)
            for _ in range(rng.randint(1, 4)):
                content = changed(rng, content)
            path.write_bytes(content)
            return import_(path)

        return run(f"changed ONNX files of {len(files)} networks", ("imported", "refused"), case, options)


if __name__ == "__main__":
    sys.exit(main())
