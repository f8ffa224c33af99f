"""What a C function makes of the outputs of a network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pysmorch.export.c import literals
from pysmorch.export.c.code import Code
from pysmorch.export.forms import ClassesForm, Link, ValuesForm

KERNELS = {"softmax": "softmax", "sigmoid": "logistic", "exp": "exponentials", "": "numbers"}
"""What turns outputs into predictions."""


class Classes(NamedTuple):
    """Names of classes.

    Attributes
    ----------
    name : str
        Of their array.
    texts : list of str
        One for each class.
    """

    name: str
    texts: list[str]


class Given(NamedTuple):
    """What a function gives.

    Attributes
    ----------
    parameter : str
        The array that it writes.
    said : str
        What it is, for a comment.
    lines : list of str
        Statements that make it of `outputs`, and return.
    names : list of str
        Of the columns of a CSV file: what is returned, where it is a class, then the entries of the array.
    classes : Classes or None
        Those that may be returned; None where none is.
    """

    parameter: str
    said: str
    lines: list[str]
    names: list[str]
    classes: Classes | None


def linked(code: Code, link: Link, name: str, count: int, width: int) -> str:
    """Return the line that makes predictions in float64 of `outputs`."""
    kernel = KERNELS[link]
    code.kernel(kernel)
    sizes = f"{count // width}, {width}" if link == "softmax" else str(count)
    return f"{kernel}(outputs, {name}, {sizes});"


def given(code: Code, form: ClassesForm | ValuesForm, prefix: str) -> Given:
    """Return what the function of an estimator gives.

    Parameters
    ----------
    code : Code
        To which constants and functions are added.
    form : ClassesForm or ValuesForm
        What outputs mean.
    prefix : str
        Of all names.

    Returns
    -------
    Given
        Probabilities and the index of a class, or numbers.
    """
    return _classes(code, form, prefix) if isinstance(form, ClassesForm) else _values(code, form)


def _classes(code: Code, form: ClassesForm, prefix: str) -> Given:
    names = [str(one) for one in form.classes.tolist()]
    for name in names:
        literals.refuse_text(f"the class {name[:40]!r}", name)
    count = len(names)
    lines = [linked(code, form.link, "probabilities", count, count)]
    listed = [f"probability {name}" for name in names]
    if form.multilabel:
        said = "Writes the probability of each label, which a row has where it is above 0.5; returns 0"
        return Given(f"double probabilities[{count}]", said, [*lines, "return 0;"], listed, None)
    said = "Writes the probability of each class, and returns the index of the one that is predicted"
    if form.rule is None:
        code.kernel("largest")
        decided = f"largest(probabilities, {count})"
    elif isinstance(form.rule, float):
        decided = f"probabilities[1] >= {literals.number(np.float64(form.rule))}"
    else:
        code.kernel("least_cost")
        decided = f"least_cost(probabilities, {code.array('costs', np.asarray(form.rule, np.float64))}, {count})"
    lines.append(f"return {decided};")
    classes = Classes(f"{prefix}_class_names", names)
    return Given(f"double probabilities[{count}]", said, lines, ["prediction", *listed], classes)


def _values(code: Code, form: ValuesForm) -> Given:
    count = form.num_outputs
    units = [np.broadcast_to(values, count).copy() for values in (form.scale, form.mean)]
    scale, mean = code.array("target_scale", units[0]), code.array("target_mean", units[1])
    name = "values" if form.ranks is not None else "prediction"
    lines = [f"double values[{count}];"] if form.ranks is not None else []
    lines += [
        linked(code, form.link, name, count, count),
        f"for (int i = 0; i < {count}; i++) {name}[i] = {name}[i] * {scale}[i] + {mean}[i];",
    ]
    if form.ranks is not None:
        code.kernel("sort")
        ranks = code.array("ranks", form.ranks.astype(np.int64))
        lines += [f"sort(values, {count});", f"for (int i = 0; i < {count}; i++) prediction[i] = values[{ranks}[i]];"]
    names = ["prediction"] if count == 1 else [f"prediction {i + 1}" for i in range(count)]
    return Given(f"double prediction[{count}]", "Writes the prediction; returns 0", [*lines, "return 0;"], names, None)
