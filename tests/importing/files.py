"""Small ONNX files, put together from messages."""

import numpy as np

from pysmorch.export import messages
from pysmorch.export.messages import bytes_field, number_field, text_field


def node(operator, inputs, output="y", domain="", **attributes):
    """Return a node with one output, or with several."""
    outputs = [output] if isinstance(output, str) else output
    return messages.node(operator, inputs, outputs, f"{operator} 1", domain, attributes)


def rows(size=4, name="x", kind=messages.FLOAT):
    """Return an input of rows."""
    return messages.value_info(name, kind, ["N", size])


def images(name="x"):
    """Return an input of images, with their channels first."""
    return messages.value_info(name, messages.FLOAT, ["N", 2, 5, 4])


def output(name="y"):
    """Return an output without a shape."""
    return text_field(1, name)


def tensor(name="w", shape=(4, 3), kind=messages.FLOAT, **parts):
    """Return an initialiser of any type, with its numbers in any of the fields."""
    numbers = {
        "floats": 4,
        "int32s": 5,
        "int64s": 7,
        "raw": 9,
        "doubles": 10,
        "external": 13,
        "location": 14,
        "segment": 3,
    }
    content = b"".join(number_field(1, size) for size in shape) + number_field(2, kind) + text_field(8, name)
    for part, value in parts.items():
        if isinstance(value, int):
            content += number_field(numbers[part], value)
        elif isinstance(value, dict):
            content += b"".join(
                bytes_field(numbers[part], text_field(1, key) + text_field(2, text)) for key, text in value.items()
            )
        else:
            content += bytes_field(numbers[part], value)
    return content


def weights(name="w", shape=(4, 3)):
    """Return an initialiser of small numbers."""
    return messages.tensor(name, np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 10)


def integers(name, values):
    """Return an initialiser of integers."""
    return messages.tensor(name, np.array(values, np.int64))


def model(nodes, constants=(), inputs=None, outputs=None, version=17, more=b""):
    """Return a file; `more` is put at the end of its graph."""
    inputs = [rows()] if inputs is None else inputs
    graph = b"".join(
        [
            *(bytes_field(1, one) for one in nodes),
            *(bytes_field(5, one) for one in constants),
            *(bytes_field(11, one) for one in inputs),
            *(bytes_field(12, one) for one in (outputs or [output()])),
            more,
        ]
    )
    opset = bytes_field(8, text_field(1, "") + number_field(2, version))
    return number_field(1, 9) + text_field(2, "tests") + bytes_field(7, graph) + opset
