"""The options of the command line that choose a network and its augmentation, and how image files are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pysmorch.encoders import KINDS, Encoder
from pysmorch.layers import Flatten, Layer, mlp
from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.prediction.dense import dense_of

NETWORKS = {name: network for kind in KINDS for name, network in kind.networks.items()}
AUGMENTATIONS = {name: augmentation for kind in KINDS for name, augmentation in kind.augmentations.items()}
"""Of all kinds of input."""

SETTINGS: dict[str, Any] = {"epochs": 30}
"""The defaults of these networks, where they differ from those of the estimators.

On 400 images of MNIST, lenet is better at the estimators' own learning rate than at lower ones; on 8000, resnet20 with shifted
images gets 99.2 % of 2000 others right.
"""

FOR_MLP = ("hidden", "activation", "dropout", "embedding")
"""Options that shape the dense network."""


@dataclass(frozen=True)
class NetworkOptions:
    """The user's options for the network and the images.

    Attributes:
        network: a name, or None for the default.
        augment: names of augmentations, each with its number or None.
        resize: (height, width) for image files.
        colours: "grey" or "colour", for image files.
        skip_bad: whether image files that cannot be read are left out.
        notes: what a model file should say about the above.
    """

    network: str | None = None
    augment: tuple[tuple[str, float | None], ...] = ()
    resize: tuple[int, int] | None = None
    colours: str | None = None
    skip_bad: bool = False
    notes: dict[str, str] = field(default_factory=dict)


def parse(
    network: str | None, augment: str | None, resize: str | None, grey: bool, colour: bool, skip_bad: bool
) -> NetworkOptions:
    """Return the options, or say which is wrong."""
    if network is not None:
        _check_name("--network", network, ("mlp", *NETWORKS))
    if grey and colour:
        raise ValueError("--grey and --colour exclude each other")
    given = {"augment": augment, "resize": resize}
    return NetworkOptions(
        network,
        tuple(_parse_augmentation(item.strip()) for item in augment.split(",")) if augment else (),
        None if resize is None else parse_size(resize),
        "grey" if grey else "colour" if colour else None,
        skip_bad,
        {name: text for name, text in given.items() if text is not None},
    )


def equip(
    model: Any, options: NetworkOptions, kind: type[Encoder], shape: Sequence[int], given: Collection[str]
) -> tuple[str, str]:
    """Give an estimator the network that was chosen or suits its input, and settings that suit it.

    Parameters
    ----------
    model : NetworkEstimator
        Not fitted yet; gets parameters.
    options : NetworkOptions
        What the user said.
    kind : type of Encoder
        The kind of input, which has networks to choose from.
    shape : sequence of int
        Shape of one row.
    given : collection of str
        Names of the settings that the user has chosen.

    Returns
    -------
    name : str
        Of the network.
    reason : str
        Why it is this one.

    Raises
    ------
    ValueError
        The options do not go together, or with the input.
    """
    shaped = [name for name in FOR_MLP if name in given]
    default, size = kind.default_network(shape)
    name = options.network or ("mlp" if shaped else default)
    if name != "mlp":
        if shaped:
            raise ValueError(f"--{shaped[0]} is for --network mlp, not {name}")
        kind.check_network(name, shape)
        model.set_params(**{key: value for key, value in SETTINGS.items() if key not in given})
    if name != "mlp" or options.augment:
        model.network = _network(model, name, options)
    if options.network is not None:
        return name, ""
    return name, f", because of --{shaped[0]}" if shaped else f", the default for {size}"


def check_allowed(options: NetworkOptions, kind: type[Encoder], source: str) -> None:
    """Refuse options that are for another kind of input than a source has.

    Parameters
    ----------
    options : NetworkOptions
        What the user said.
    kind : type of Encoder
        The kind of input.
    source : str
        Name of the source.

    Raises
    ------
    ValueError
        Names the option, and for which input it is.
    """
    if options.network not in (None, "mlp", *kind.networks):
        what = next(other.what for other in KINDS if options.network in other.networks)
        raise ValueError(f"--network {options.network} is for {what}, but {source} has {kind.what}")
    for name, _ in options.augment:
        if name not in kind.augmentations:
            what = next(other.what for other in KINDS if name in other.augmentations)
            raise ValueError(f"--augment is for {what}, but {source} has {kind.what}")


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width of a text such as 32x48, or 32 for a square."""
    sides = text.lower().split("x")
    if not all(side.isdecimal() and int(side) > 0 for side in sides) or len(sides) > 2:
        raise ValueError(f"--resize must be a height and a width such as 32x48, or 32 for both, but is {text!r}")
    return int(sides[0]), int(sides[-1])


def _network(model: Any, name: str, options: NetworkOptions) -> Callable[[Layer, int], Layer]:
    def network(layer: Layer, num_outputs: int) -> Layer:
        for augmentation, number in options.augment:
            layer = AUGMENTATIONS[augmentation].make(layer, number)
        if name != "mlp":
            return NETWORKS[name](layer, num_outputs)
        dense = dense_of(model, None)
        return mlp(Flatten(layer), dense.hidden, num_outputs, ACTIVATIONS[dense.activation], model.dropout)

    return network


def _check_name(option: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"{option} must be one of {', '.join(known)}, but is {name!r}{hint}")


def _parse_augmentation(text: str) -> tuple[str, float | None]:
    """Return the name and the number of a text such as shift:2."""
    name, colon, number = text.partition(":")
    _check_name("--augment", name, AUGMENTATIONS)
    if not colon:
        return name, None
    probability = AUGMENTATIONS[name].amount == "probability"
    try:
        value = float(number) if probability else int(number)
    except ValueError:
        value = 0
    if not (0 < value <= 1 if probability else value > 0):
        expected = f"a probability such as {name}:0.5" if probability else f"a number of pixels such as {name}:4"
        raise ValueError(f"--augment {name} takes {expected}, but {text!r} was given")
    return name, value
