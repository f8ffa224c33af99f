"""What a trained model is, for all that write it for other programs: its inputs, its layers, and what its outputs mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pysmorch import losses
from pysmorch.layers.base import Array

Link = Literal["", "softmax", "sigmoid", "exp"]
"""What turns the output of a network into what it predicts; empty where the output is that."""


class Scaling(NamedTuple):
    """Columns of numbers: scaled, and located in intervals.

    Attributes
    ----------
    mean, scale : ndarray of float64, shape (D,)
        Of each column, after the logarithm where it is taken.
    logarithm : ndarray of bool, shape (D,)
        For which columns log(1 + |x|), with the sign of x, is taken.
    low, high : ndarray of float64, shape (D,)
        Bounds of each column, which may be infinite: what lies beyond is taken to be there.
    interval_low, interval_high : ndarray of float64, shape (I,)
        The ends of all intervals.
    owner : ndarray of int64, shape (I,)
        The column of each interval.
    """

    mean: Array
    scale: Array
    logarithm: Array
    low: Array
    high: Array
    interval_low: Array
    interval_high: Array
    owner: Array

    @property
    def width(self) -> int:
        """How many features the numbers become."""
        return len(self.mean) + len(self.owner)


class NumberForm(NamedTuple):
    """A column of numbers.

    Attributes
    ----------
    name : str
        Its name.
    holds : str
        What is in it, as in `Column`.
    missing : bool
        Whether there is an indicator of what is missing.
    words : mapping of str to float
        Words in lower case that stand for numbers: false and true in many languages, where it holds booleans.
    """

    name: str
    holds: str
    missing: bool
    words: Mapping[str, float]

    @property
    def num_indicators(self) -> int:
        """How many indicators it has."""
        return int(self.missing)


class CategoryForm(NamedTuple):
    """A column of categories, which are texts without blanks around them.

    Attributes
    ----------
    name : str
        Its name.
    values : tuple of str
        The categories that are known; a text that is none of them has the index -1.
    num_own : int
        How many of them, from the first on, have an indicator.
    ordered : bool
        Whether an indicator is that of its value and all after it, not of its value alone.
    rare, missing : bool
        Whether there is an indicator of other values, and of what is missing, in this order after those of the values.
    statistics : ndarray of float64, shape (number of values + 1, S), or None
        What stands among the numbers for each value; the last row is for all other ones, and for what is missing.
    """

    name: str
    values: tuple[str, ...]
    num_own: int
    ordered: bool
    rare: bool
    missing: bool
    statistics: Array | None

    @property
    def num_indicators(self) -> int:
        """How many indicators it has."""
        return (len(self.values) if self.ordered else self.num_own) + int(self.rare) + int(self.missing)


class TableForm(NamedTuple):
    """Rows of a table: all numbers scaled, their positions in intervals, then the indicators of each column.

    Attributes
    ----------
    columns : tuple of NumberForm and CategoryForm
        Those that count.
    scaling : Scaling
        Of all numbers: those of columns, and the statistics of categories, in the order of the columns.
    markers, number_markers : tuple of str
        Texts that stand for a missing category, and for a missing number, beside an empty one.
    """

    columns: tuple[NumberForm | CategoryForm, ...]
    scaling: Scaling
    markers: tuple[str, ...]
    number_markers: tuple[str, ...]

    @property
    def width(self) -> int:
        """How many features a row becomes."""
        return self.scaling.width + sum(column.num_indicators for column in self.columns)


class ArrayForm(NamedTuple):
    """Rows of numbers: those that count scaled, their positions in intervals, then an indicator for each column in `missing`.

    Attributes
    ----------
    num_columns : int
        How many numbers a row has.
    included : ndarray of int64, shape (D,)
        The columns that are scaled.
    missing : ndarray of int64
        Those with an indicator of what is missing.
    scaling : Scaling
        Of the columns that are included.
    """

    num_columns: int
    included: Array
    missing: Array
    scaling: Scaling

    @property
    def width(self) -> int:
        """How many features a row becomes."""
        return self.scaling.width + len(self.missing)


class ImageForm(NamedTuple):
    """Images, which go into the network as they are.

    Attributes
    ----------
    shape : tuple of int
        (height, width, channels).
    """

    shape: tuple[int, ...]


InputForm = TableForm | ArrayForm | ImageForm


class ClassesForm(NamedTuple):
    """What a classifier makes of the outputs of its network.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        Integers, numbers, booleans, or texts.
    link : str
        What makes probabilities.
    multilabel : bool
        Whether each class is a label of its own, which a row has where the probability is above 0.5.
    rule : float, ndarray of shape (K, K), or None
        The probability from which the second class is predicted; or costs, of which the least is; else the likeliest class is.
    """

    classes: Array
    link: Link
    multilabel: bool
    rule: float | Array | None


class ValuesForm(NamedTuple):
    """What a regressor makes of the outputs of its network: link(x) scale + mean, sorted by ranks.

    Attributes
    ----------
    link : str
        What makes predictions.
    scale, mean : ndarray of float64, shape (K,)
        The units of the targets.
    ranks : ndarray of int64, shape (Q,), or None
        Of several quantiles, the ranks of their predictions among each other.
    flat : bool
        Whether a prediction is a number, not a row of them.
    num_outputs : int
        How many numbers are predicted.
    """

    link: Link
    scale: Array
    mean: Array
    ranks: Array | None
    flat: bool
    num_outputs: int


class ModelForm(NamedTuple):
    """A whole model.

    Attributes
    ----------
    kind : str
        The class of the estimator, or "Network".
    layers : sequence of Layer
        In topological order, without the loss.
    names : sequence of str
        Their names, for messages.
    loss : Loss
        Its input is the output of the network.
    inputs : TableForm, ArrayForm, ImageForm or None, default=None
        What it takes; None for a network by itself, which takes rows of each Data layer.
    answers : ClassesForm, ValuesForm or None, default=None
        What is made of the output; None for a network by itself.
    facts : mapping of str to object
        What else a file says of the model, as plain data.
    """

    kind: str
    layers: Sequence[Any]
    names: Sequence[str]
    loss: Any
    inputs: InputForm | None = None
    answers: ClassesForm | ValuesForm | None = None
    facts: Mapping[str, Any] = MappingProxyType({})


def link_of(loss: Any) -> Link:
    """Return what turns the output of a network into what it predicts.

    Parameters
    ----------
    loss : Loss
        Its loss; of a class of your own there is none.

    Returns
    -------
    str
        A `Link`.
    """
    if type(loss) is losses.CrossEntropy:
        return "softmax"
    if type(loss) is losses.BinaryCrossEntropy:
        return "sigmoid"
    return "exp" if type(loss) in (losses.PoissonLoss, losses.GammaLoss, losses.TweedieLoss) else ""


def check_layers(layers: Sequence[Any], names: Sequence[str], forms: Mapping[type, Any], target: str) -> None:
    """Raise ValueError where layers have no form in a kind of file, with all of these.

    Parameters
    ----------
    layers : sequence of Layer
        All of them.
    names : sequence of str
        Their names.
    forms : mapping of type to object
        The classes that have one; a subclass may compute something else.
    target : str
        What is written, for the message.
    """
    without = [
        f"{name} ({type(layer).__name__})"
        for name, layer in zip(names, layers, strict=True)
        if type(layer) not in forms
    ]
    if without:
        raise ValueError(
            f"the network cannot be written as {target}: {', '.join(without)} has no form there; layers of the library have one, "
            f"classes of your own do not{'' if target == 'ONNX' else ', nor those with weights of 8 bits'}"
        )
