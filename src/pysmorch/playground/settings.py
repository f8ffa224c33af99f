"""What is chosen on the page: the data, the layers and the training, checked, because it comes from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pysmorch.entries import list_names
from pysmorch.layers import Data, Dropout, dense, weights_from
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.losses import CrossEntropy, SquareLoss
from pysmorch.network import Network
from pysmorch.optimizers import OPTIMIZERS, Optimizer
from pysmorch.playground.points import (
    CLASSIFICATION,
    LEAST_POINTS,
    MOST_POINTS,
    REGRESSION,
    Points,
    points,
)
from pysmorch.playground.uploads import Table, points_of_table

UPLOAD = "upload"
MOST_LAYERS, MOST_UNITS = 6, 12
BATCH_SIZES = (8, 16, 32, 64, 128, 256)
LEARNING_RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
DROPOUTS = (0.0, 0.1, 0.2, 0.3, 0.5)
MOST_SEED = 9999
OF_TRAINING = ("optimizer", "learning_rate", "dropout", "batch_size")
"""What may change while the weights stay; anything else begins a new network."""


@dataclass(frozen=True)
class Hidden:
    """A hidden block: how many units, and the name of its activation."""

    units: int
    activation: str


@dataclass(frozen=True)
class Settings:
    """What is trained, and how.

    Attributes
    ----------
    data : str
        A data set of `points`, or "upload" for the table of the session.
    count, noise : int, float
        Of a data set.
    features, target : tuple of str, str
        The columns of a table.
    layers : tuple of Hidden
        The hidden blocks from first to last.
    optimizer : str
        A name in `pysmorch.optimizers.OPTIMIZERS`.
    learning_rate, dropout : float
        Of the training; dropout comes after each hidden block.
    batch_size : int
        Rows of a step.
    seed : int
        Of data, weights, order and dropout.
    """

    data: str = "spiral"
    count: int = 500
    noise: float = 0.1
    features: tuple[str, ...] = ()
    target: str = ""
    layers: tuple[Hidden, ...] = (Hidden(8, "tanh"), Hidden(8, "tanh"))
    optimizer: str = "adam"
    learning_rate: float = 0.01
    dropout: float = 0.0
    batch_size: int = 32
    seed: int = 0

    def same_network(self, other: Settings) -> bool:
        """Whether only the training differs, so that the weights can stay."""
        return replace(other, **{name: getattr(self, name) for name in OF_TRAINING}) == self

    def make_points(self, table: Table | None) -> Points:
        """Return the data.

        Parameters
        ----------
        table : Table or None
            That was uploaded.

        Returns
        -------
        Points
            With labels.
        """
        if self.data != UPLOAD:
            return points(self.data, self.count, self.noise, self.seed)
        if table is None:
            raise ValueError("data: there is no file yet; choose a CSV file first")
        return points_of_table(table, self.features, self.target, self.seed)

    def make_network(self, data: Points) -> Network:
        """Return the network with its initial weights.

        Parameters
        ----------
        data : Points
            Say how many outputs there are, and which loss.

        Returns
        -------
        Network
            Not trained.
        """
        with weights_from(self.seed):
            x: Any = Data(shape=(None, 2))
            for hidden in self.layers:
                x = dense(x, hidden.units, ACTIVATIONS[hidden.activation])
                if self.dropout:
                    x = Dropout(x, self.dropout)
            x = dense(x, data.num_outputs, None)
        return Network(CrossEntropy(x) if data.classes else SquareLoss(x))

    def make_optimizer(self) -> Optimizer:
        """Return a new optimizer."""
        made: Optimizer = OPTIMIZERS[self.optimizer](learning_rate=self.learning_rate)
        return made


def choices() -> dict[str, Any]:
    """Return what there is to choose from, for the page."""
    return {
        "data": {"classification": list(CLASSIFICATION), "regression": list(REGRESSION)},
        "activations": {name: cls.__name__ for name, cls in ACTIVATIONS.items()},
        "optimizers": {name: cls.__name__ for name, cls in OPTIMIZERS.items()},
        "learning_rates": LEARNING_RATES,
        "dropouts": DROPOUTS,
        "batch_sizes": BATCH_SIZES,
        "most_layers": MOST_LAYERS,
        "most_units": MOST_UNITS,
    }


def read_settings(given: Any) -> Settings:
    """Return settings from what the page has sent.

    Parameters
    ----------
    given : object
        Decoded JSON.

    Returns
    -------
    Settings
        Checked.

    Raises
    ------
    ValueError
        Names the setting, what was found and what was expected.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"given must be an object with settings, but is a {type(given).__name__}")
    unknown = [str(name) for name in given if name not in Settings.__dataclass_fields__]
    if unknown:
        raise ValueError(f"given has unknown settings: {list_names(unknown, 3)}")
    values = {"layers": [], "features": [], **given}
    layers, features = values["layers"], values["features"]
    if not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        raise ValueError(f"layers must be a list of at most {MOST_LAYERS} hidden layers, but is {_shown(layers)}")
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        raise ValueError(f"features must be a list of columns, but is {_shown(features)}")
    defaults = Settings()
    return Settings(
        data=_among("data", values.get("data", defaults.data), [*CLASSIFICATION, *REGRESSION, UPLOAD]),
        count=_integer("count", values.get("count", defaults.count), LEAST_POINTS, MOST_POINTS),
        noise=_number("noise", values.get("noise", defaults.noise), 0, 1),
        features=tuple(features),
        target=str(values.get("target", "")),
        layers=tuple(_read_hidden(layer) for layer in layers),
        optimizer=_among("optimizer", values.get("optimizer", defaults.optimizer), list(OPTIMIZERS)),
        learning_rate=_number("learning_rate", values.get("learning_rate", defaults.learning_rate), 0, 10),
        dropout=_number("dropout", values.get("dropout", defaults.dropout), 0, 0.9),
        batch_size=_integer("batch_size", values.get("batch_size", defaults.batch_size), 1, MOST_POINTS),
        seed=_integer("seed", values.get("seed", defaults.seed), 0, MOST_SEED),
    )


def _read_hidden(layer: Any) -> Hidden:
    if not isinstance(layer, Mapping) or set(layer) != {"units", "activation"}:
        raise ValueError(f"layer must have units and activation, but is {_shown(layer)}")
    units = _integer("units of a layer", layer["units"], 1, MOST_UNITS)
    return Hidden(units, _among("activation", layer["activation"], list(ACTIVATIONS)))


def _among(what: str, value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, but is {_shown(value)}")
    return str(value)


def _integer(what: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{what} must be a whole number from {least} to {most}, but is {_shown(value)}")
    return value


def _number(what: str, value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{what} must be a number from {least:g} to {most:g}, but is {_shown(value)}")
    return float(value)


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
