"""What every encoder says of its kind of input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

from pysmorch.encoders.explained import Explained
from pysmorch.encoders.exported import Exported
from pysmorch.encoders.relearned import TargetFeatures
from pysmorch.files.header import ModelFileError
from pysmorch.layers import Layer
from pysmorch.layers.base import Array
from pysmorch.sources.source import Source


class Augmentation(NamedTuple):
    """Random changes of inputs while training.

    Attributes
    ----------
    make : callable
        A function of (layer, amount or None for the default) that returns a layer.
    amount : "pixels" or "probability"
        What the amount is: an integer from 1, or a number above 0 and up to 1.
    """

    make: Callable[[Any, Any], Layer]
    amount: Literal["pixels", "probability"]


class Encoder(Explained, Exported):
    """One kind of input: which inputs it encodes, what it was fitted to, and the input layer of its network.

    A subclass defines `understands`, `check`, `learn`, `encode`, `input_layer`, `shape`, `num_features`, `describe`, `select`,
    `is_in`, `to_parts` and `from_parts`, and has its line in `KINDS`.

    Attributes
    ----------
    what : str
        What the input consists of, in messages.
    entry : str
        Name of its entry in the header of a model file, and the beginning of the names of its arrays.
    misfit : str
        What is said of a model file whose network takes something else.
    networks : dict of str to callable
        Functions of (input layer, number of outputs) that make networks for this input, by the names of the command line;
        the dense network, "mlp", is for every input.
    augmentations : dict of str to Augmentation
        What the command line offers for this input, by name.
    makes_arrays : bool
        Whether encoded rows take memory of their own, so that many of them are encoded block by block.
    takes_files : bool
        Whether rows may be in files that are larger than the memory.
    """

    what: ClassVar[str]
    entry: ClassVar[str]
    misfit: ClassVar[str]
    networks: ClassVar[Mapping[str, Callable[[Any, int], Layer]]] = {}
    augmentations: ClassVar[Mapping[str, Augmentation]] = {}
    makes_arrays: ClassVar[bool] = True
    takes_files: ClassVar[bool] = False

    # Rows.

    @classmethod
    def understands(cls, X: Any) -> bool:
        """Whether an input is of this kind.

        Parameters
        ----------
        X : array-like or data frame
            Whatever is given to `fit`.

        Returns
        -------
        bool
            Nothing is checked yet but the kind.
        """
        raise NotImplementedError

    def choose(self, columns: Mapping[str, str] | None, missing: Sequence[str] | None) -> None:
        """Take what the user says about columns, before `learn`.

        Parameters
        ----------
        columns : dict of str to str or None
            What columns hold, by their names.
        missing : sequence of str or None
            Texts that stand for missing values.

        Raises
        ------
        ValueError
            The input has no columns with names.
        """
        if columns or missing is not None:
            raise ValueError("columns and missing are about the columns of a data frame, but X is none")

    def check(self, X: Any, estimator: Any, reset: bool) -> Any:
        """Return rows as `learn` and `encode` take them, after checks by scikit-learn's contract.

        Parameters
        ----------
        X : array-like or data frame
            Whatever is given to `fit` or `predict`.
        estimator : estimator
            It gets `n_features_in_` and `feature_names_in_`, or has those that X must fit.
        reset : bool
            Whether a training begins, which sets these.

        Returns
        -------
        object with a length
            Rows without infinities, and in images without NaN; some of them are rows[slice or ndarray of indices].

        Raises
        ------
        ValueError
            X does not fit, has no rows, or holds what cannot be used.
        TypeError
            X is of another kind.
        """
        raise NotImplementedError

    @classmethod
    def numbers_of(cls, X: Any) -> tuple[Array, list[str], Callable[[Array], Any]]:
        """Return an input as an array, for plots.

        Parameters
        ----------
        X : array-like or data frame
            An input of this kind, all of whose features are numbers.

        Returns
        -------
        values : ndarray of float64
            The features.
        names : list of str
            Their names.
        like : callable
            Makes an input like X of an array of other values.
        """
        values = np.asarray(X, np.float64)
        return values, [f"feature {i + 1}" for i in range(values.shape[-1] if values.ndim else 0)], lambda array: array

    def learn(self, rows: Any, weights: Array | None, targets: Array) -> None:
        """Learn how rows are encoded.

        Parameters
        ----------
        rows : object
            Rows from `check`.
        weights : ndarray of shape (N,) or None
            One weight per row; rows with weight 2 count like two rows.
        targets : ndarray of int, shape (N,), or of float, shape (N, K)
            Class indices, or numbers.
        """
        raise NotImplementedError

    def keep_together(self, groups: Array | None) -> None:
        """Let rows of one group be in one fold where the rows of the next `learn` or `learn_rows` are divided into any.

        Parameters
        ----------
        groups : ndarray of int, shape (N,), or None
            The group of each row; None where none of them belong together.
        """

    def expect_more(self) -> None:
        """Leave no column out for what the rows of `learn` lack, since other rows will be trained on too."""

    def learn_rows(self, rows: Any, weights: Array | None, targets: Array) -> None:
        """Learn what `encode` needs of rows that are trained on once more; what was learned before stays.

        Parameters
        ----------
        rows, weights, targets : as for `learn`
            The rows of a further training.
        """

    def target_features(self, rows: Any, trained_before: bool) -> TargetFeatures | None:
        """Return those features of encoded rows that were learned from their targets.

        Parameters
        ----------
        rows : object
            The rows of the last `learn` or `learn_rows`.
        trained_before : bool
            Whether it was `learn_rows`.

        Returns
        -------
        TargetFeatures or None
            None where there are none.
        """
        return None

    def unbound(self) -> None:
        """Take numbers outside the range of the rows learned from as they are, since other rows will be trained on too."""

    def encode(self, rows: Any) -> Array:
        """Return rows as the input layer takes them.

        Parameters
        ----------
        rows : object
            Rows from `check`.

        Returns
        -------
        ndarray of shape (N, *shape)
            Finite numbers.
        """
        raise NotImplementedError

    def lazily(self, rows: Any) -> Callable[[Any], Array]:
        """Return what encodes some of the rows, by a slice or their indices, time and again.

        Parameters
        ----------
        rows : object
            Rows from `check`.

        Returns
        -------
        callable
            Its arrays are those of `encode`.
        """
        return lambda some: self.encode(rows[some])

    # The network.

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one encoded row."""
        raise NotImplementedError

    @property
    def width(self) -> int:
        """How many numbers one encoded row has."""
        return math.prod(self.shape)

    @property
    def owners(self) -> tuple[Array, tuple[int, ...]]:
        """For each number of an encoded row, flattened, the index of what it comes from, and the shape in which these are shown."""
        return np.arange(self.width), self.shape

    @property
    def of_table(self) -> bool:
        """Whether the features of a row come from columns that each have a meaning and a scale of their own."""
        return False

    @property
    def num_scaled(self) -> int:
        """How many of the first features of a row of a table are scaled numbers; the others are intervals and indicators."""
        return 0

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """Runs of the last features of a row of a table, pairs (length, count) as `Linear` takes them."""
        return ()

    def warn_of_unknown(self, rows: Any, argument: str) -> None:
        """Warn of values in other rows than those of the training that the encoder does not know."""

    @property
    def num_features(self) -> int:
        """How many features one row has before it is encoded: `n_features_in_`."""
        raise NotImplementedError

    def input_layer(self) -> Layer:
        """Return a new layer that takes encoded rows; its output has features of about variance 1."""
        raise NotImplementedError

    @classmethod
    def default_network(cls, shape: Sequence[int]) -> tuple[str, str]:
        """Return the name of the network that suits inputs of a size, and the size in words.

        Parameters
        ----------
        shape : sequence of int
            Shape of one row.

        Returns
        -------
        name : str
            "mlp" or one of `networks`.
        size : str
            For which inputs that is the default.
        """
        return "mlp", cls.what

    @classmethod
    def check_network(cls, name: str, shape: Sequence[int]) -> None:
        """Raise ValueError where a network cannot take inputs of a shape.

        Parameters
        ----------
        name : str
            One of `networks`.
        shape : sequence of int
            Shape of one row.
        """

    # Files and folders of data.

    @classmethod
    def check_features(cls, features: Any) -> None:
        """Refuse features of a source that no training can use, before rows are split.

        Parameters
        ----------
        features : ndarray or pyarrow.Table
            All rows of a source.

        Raises
        ------
        ValueError
            Names the entry or the column.
        """
        raise NotImplementedError

    def select(self, source: Source, by_position: bool) -> Any:
        """Return the features of a source as `check` takes them.

        Parameters
        ----------
        source : Source
            It may have columns that the training did not have, such as the target.
        by_position : bool
            Whether columns had no names in training, so that their order counts.

        Returns
        -------
        ndarray or pyarrow.Table
            As many features as in training, in the same order.

        Raises
        ------
        ValueError
            The source does not fit; says what was found and what is expected.
        """
        raise NotImplementedError

    def reading(self, resize: tuple[int, int] | None, resized: bool) -> tuple[tuple[int, int] | None, str | None]:
        """Return the size and the colours that image files are brought to when they are read.

        Parameters
        ----------
        resize : tuple of int or None
            (height, width) from `--resize`.
        resized : bool
            Whether those of the training were resized.

        Returns
        -------
        resize : tuple of int or None
            None leaves the size as it is.
        colours : str or None
            "grey" or "colour"; None leaves them as they are.
        """
        return resize, None

    def describe(self) -> list[str]:
        """Return lines that say what was learned about the input."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.num_features} {'columns' if self.entry == 'columns' else 'features'}, {self.width} numbers a row>"

    # Model files.

    @classmethod
    def is_in(cls, header: dict[str, Any]) -> bool:
        """Whether the header of an estimator's file has an encoder of this kind.

        Parameters
        ----------
        header : dict
            Not checked yet.

        Returns
        -------
        bool
            The first of `KINDS` for which it is True reads the encoder.
        """
        raise NotImplementedError

    def to_parts(self) -> tuple[Any, dict[str, Array]]:
        """Return what was learned as plain data for `entry`, and arrays by name."""
        raise NotImplementedError

    @classmethod
    def from_parts(cls, header: dict[str, Any], tensors: dict[str, Array]) -> Self:
        """Return the encoder of `to_parts`.

        Parameters
        ----------
        header : dict
            The header with the entry of this kind, not checked yet.
        tensors : dict of str to ndarray
            The arrays of this entry.

        Returns
        -------
        Encoder
            Fitted.

        Raises
        ------
        ModelFileError
            Where anything is missing or does not fit.
        """
        raise NotImplementedError

    def check_fits(self, inputs: Sequence[Any], num_features: int) -> None:
        """Refuse an encoder from a file that does not fit the rest of it.

        Parameters
        ----------
        inputs : sequence of Data
            The Data layers of the network.
        num_features : int
            `n_features_in_` of the file.

        Raises
        ------
        ModelFileError
            Says what does not fit.
        """
        if [tuple(data.out_dims[1:]) for data in inputs] != [self.shape]:
            raise ModelFileError(self.misfit)
        if self.num_features != num_features:
            raise ModelFileError("its columns are not as many as its features")
