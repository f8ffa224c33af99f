"""What a preset stands for, in one table; docs/presets.md has the same with measured figures."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from pysmorch.losses import CrossEntropy

PresetName = Literal["fast", "balanced", "best"]


class Preset(NamedTuple):
    """Values of what a user leaves to the preset.

    Attributes
    ----------
    members : int
        How many networks are trained and averaged.
    members_of_few : int
        The same where there are fewer than `FEW` rows: there a network takes little time, and varies more.
    members_of_many : int
        The same from `MANY_ROWS` rows or `MANY_COLUMNS` columns on: there a network takes long, and gains little by others.
    epochs_of_several : int
        How many times each of several networks of a table uses the rows: half as many as a single one cost half as much, and the mean
        of the networks is hardly worse.
    weight_decays_of_few : tuple of float
        How strongly weights are pulled towards 0 where there are fewer than `FEW` rows of a table, in one network after the other. Few
        rows do not tell how strong it should be, and networks that differ in it are better together.
    decay_times_rows : float
        Pilots try a weight decay of this divided by the number of rows beside `WEIGHT_DECAY` (`pysmorch.estimators.pilots` says where); 0
        for no pilots. The more rows there are, the less a network has to be pulled away from what they say.
    calibrate : bool
        Whether held-out rows calibrate probabilities also where there are many rows.
    bagging : bool
        Whether each network holds out rows of its own also where there are many rows, so that all rows train some network.
    """

    members: int
    members_of_few: int
    members_of_many: int
    epochs_of_several: int
    weight_decays_of_few: tuple[float, ...]
    decay_times_rows: float
    calibrate: bool
    bagging: bool


WEIGHT_DECAY = 0.1
"""Of images, of networks of the user's, and of tables where nothing else is said."""

EPOCHS = 50
"""Of a single network, and of images; of several networks at most."""

LEAST_STEPS = 400
"""Several networks of few rows have more epochs than others, since a network needs some steps to learn."""

OF_FEW, TIMES_ROWS = (WEIGHT_DECAY, 0.6), 10_000.0

PRESETS: dict[str, Preset] = {
    "fast": Preset(1, 1, 1, EPOCHS, (WEIGHT_DECAY,), 0.0, calibrate=False, bagging=False),
    "balanced": Preset(4, 4, 1, 22, OF_FEW, TIMES_ROWS, calibrate=True, bagging=True),
    "best": Preset(8, 16, 8, EPOCHS, OF_FEW, TIMES_ROWS, calibrate=True, bagging=True),
}
"""The presets; the names are those of `PresetName`."""

FEW = 2000
"""Tables with fewer rows are small."""

MANY_ROWS = 200_000
MANY_COLUMNS = 2000
"""Tables with at least this many rows or columns are large."""

FOLDS = 8
"""Into so many parts at most the rows are cut where each network holds out one of them."""


def preset_of(estimator: Any) -> Preset:
    """Return the values of an estimator's preset; those of "fast" for a network of the user's, which may be of any size.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters.

    Returns
    -------
    Preset
        Its values.
    """
    return PRESETS["fast" if estimator.network is not None else estimator.preset]


def members_of(estimator: Any, num_rows: int, num_columns: int, of_images: bool) -> int:
    """Return how many networks an estimator trains.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters.
    num_rows : int
        How many rows there are.
    num_columns : int
        How many columns they have.
    of_images : bool
        Whether the rows are images, for which a preset trains one network.

    Returns
    -------
    int
        Its parameter `members`, or that of its preset, but not more than there are rows.

    Raises
    ------
    ValueError
        There are fewer rows than the user wants networks.
    """
    if estimator.members is None:
        preset = preset_of(estimator)
        if of_images:
            return 1
        if num_rows >= MANY_ROWS or num_columns >= MANY_COLUMNS:
            return min(preset.members_of_many, num_rows)
        return min(preset.members_of_few if num_rows < FEW else preset.members, num_rows)
    if estimator.members > num_rows:
        raise ValueError(
            f"members={estimator.members} needs at least as many rows, but there are {num_rows}; say a smaller number"
        )
    return int(estimator.members)


def epochs_of(estimator: Any, steps_of_several: int | None = None) -> int:
    """Return how many times an estimator uses its rows at most.

    Parameters
    ----------
    estimator : NetworkEstimator
        With checked parameters.
    steps_of_several : int, default=None
        How many steps an epoch has where several networks of a table are trained; None for others.

    Returns
    -------
    int
        Its parameter `epochs`, or that of its preset.
    """
    if estimator.epochs is not None:
        return int(estimator.epochs)
    if steps_of_several is None:
        return EPOCHS
    return min(EPOCHS, max(preset_of(estimator).epochs_of_several, -(-LEAST_STEPS // steps_of_several)))


def weight_decay_of(estimator: Any, num_rows: int, number: int) -> Any:
    """Return the weight decay of a network of an ensemble: that of the optimizer, or of the preset where there are few rows.

    Parameters
    ----------
    estimator : NetworkEstimator
        With its encoder and its optimizer, which has the decay of the parameters, or that which pilots chose.
    num_rows : int
        How many rows there are.
    number : int
        That of the network, from 1.

    Returns
    -------
    float or Schedule
        What its optimizer takes.
    """
    few = num_rows < FEW and len(estimator.encoder_.shape) == 1
    if estimator.weight_decay is not None or not few:
        return estimator.optimizer_.weight_decay
    decays = preset_of(estimator).weight_decays_of_few
    return decays[(number - 1) % len(decays)]


def check_preset(estimator: Any) -> None:
    """Refuse a preset, numbers of networks and epochs, and a limit of time that cannot be used.

    Parameters
    ----------
    estimator : NetworkEstimator
        With parameters of any kind.

    Raises
    ------
    ValueError
        Names the parameter, its value and what is expected.
    """
    if estimator.preset not in get_args(PresetName):
        names = ", ".join(f'"{name}"' for name in PRESETS)
        raise ValueError(f"preset must be one of {names}, but is {estimator.preset!r}")
    for name in ("members", "epochs"):
        count = getattr(estimator, name)
        if count is not None and (isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1):
            raise ValueError(f"{name} must be a positive integer, or None for that of the preset, but is {count!r}")
    limit = estimator.time_limit
    if limit is not None and (
        isinstance(limit, bool) or not isinstance(limit, (int, float, np.number)) or not 0 < limit < np.inf
    ):
        raise ValueError(f"time_limit must be a positive number of seconds, or None for no limit, but is {limit!r}")


def calibrates_by_preset(estimator: Any) -> bool:
    """Whether an estimator that leaves `calibrate` to its preset calibrates by held-out rows, if there are any.

    Parameters
    ----------
    estimator : Classifier
        With its network.

    Returns
    -------
    bool
        Only for probabilities of the cross-entropy.
    """
    return preset_of(estimator).calibrate and isinstance(estimator.network_.loss, CrossEntropy)
