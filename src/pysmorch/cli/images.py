"""The options of the command line that are for images: how files are read, which network, and its augmentation."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pysmorch import models
from pysmorch.layers import Cutout, Flatten, Layer, RandomCrop, RandomFlip, RandomShift, mlp
from pysmorch.layers.activations import ACTIVATIONS

NETWORKS: dict[str, Callable[[Any, int], Layer]] = {
    "lenet": models.lenet,
    "resnet20": models.resnet20,
    "resnet32": models.resnet32,
    "resnet44": models.resnet44,
    "resnet56": models.resnet56,
    "mobilenet_small": models.mobilenet_small,
}
"""Besides mlp, the dense network that the estimators make by themselves."""

SETTINGS: dict[str, Any] = {"epochs": 30}
"""What these networks are trained with where the user does not say otherwise, besides the defaults of the estimators.

On 400 images of MNIST, lenet is better at the estimators' own learning rate than at lower ones; on 8000, resnet20 with shifted
images gets 99.2 % of 2000 others right.
"""

LENET_FROM = 16
"""Height and width from which the default is lenet; smaller images have little left after its poolings."""

FOR_MLP = ("hidden", "activation", "dropout")
"""Options that shape the dense network."""

AUGMENTATIONS: dict[str, Callable[[Any, Any], Layer]] = {
    "shift": lambda layer, pixels: RandomShift(layer, pixels or 2),
    "flip": lambda layer, share: RandomFlip(layer, share or 0.5),
    "crop": lambda layer, size: RandomCrop(layer, size or tuple(max(1, 7 * d // 8) for d in layer.out_dims[1:3])),
    "cutout": lambda layer, size: Cutout(layer, size or max(1, min(layer.out_dims[1:3]) // 4)),
}
"""By name: what makes the layer of a number, or of None where the user gives none."""


@dataclass(frozen=True)
class ImageOptions:
    """What the user said about images.

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
) -> ImageOptions:
    """Return the options, or say which is wrong."""
    if network is not None:
        _check_name("--network", network, ("mlp", *NETWORKS))
    if grey and colour:
        raise ValueError("--grey and --colour exclude each other")
    given = {"augment": augment, "resize": resize}
    return ImageOptions(
        network,
        tuple(_parse_augmentation(item.strip()) for item in augment.split(",")) if augment else (),
        None if resize is None else parse_size(resize),
        "grey" if grey else "colour" if colour else None,
        skip_bad,
        {name: text for name, text in given.items() if text is not None},
    )


def equip(model: Any, options: ImageOptions, shape: tuple[int, ...], given: Collection[str]) -> tuple[str, str]:
    """Give an estimator a network for images (H, W, C), and settings that suit it; returns its name, and why it is so.

    `given` are the names of the settings that the user has chosen.
    """
    shaped = [name for name in FOR_MLP if name in given]
    large = min(shape[:2]) >= LENET_FROM
    name = options.network or ("lenet" if large and not shaped else "mlp")
    if name != "mlp":
        if shaped:
            raise ValueError(f"--{shaped[0]} is for --network mlp, not {name}")
        if shape[2] > 4 and shape[0] <= 4:
            raise ValueError(
                f"--network {name} takes images (N, height, width, channels), but these have {shape[0]}x{shape[1]} pixels "
                f"and {shape[2]} channels; if the channels come first, use numpy.transpose(X, (0, 2, 3, 1))"
            )
        model.set_params(**{key: value for key, value in SETTINGS.items() if key not in given})
    if name != "mlp" or options.augment:
        model.network = _network(model, name, options)
    if options.network is not None:
        return name, ""
    if shaped:
        return name, f", because of --{shaped[0]}"
    kind = f"images of {LENET_FROM}x{LENET_FROM} pixels and more" if large else "small images"
    return name, f", the default for {kind}"


def refuse(options: ImageOptions, what: str) -> None:
    """Say that options are for images, where the source has none."""
    if options.network not in (None, "mlp"):
        raise ValueError(f"--network {options.network} is for images, but {what}")
    if options.augment:
        raise ValueError(f"--augment is for images, but {what}")


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width of a text such as 32x48, or 32 for a square."""
    sides = text.lower().split("x")
    if not all(side.isdecimal() and int(side) > 0 for side in sides) or len(sides) > 2:
        raise ValueError(f"--resize must be a height and a width such as 32x48, or 32 for both, but is {text!r}")
    return int(sides[0]), int(sides[-1])


def _network(model: Any, name: str, options: ImageOptions) -> Callable[[Layer, int], Layer]:
    def network(layer: Layer, num_outputs: int) -> Layer:
        for augmentation, number in options.augment:
            layer = AUGMENTATIONS[augmentation](layer, number)
        if name != "mlp":
            return NETWORKS[name](layer, num_outputs)
        return mlp(Flatten(layer), model.hidden, num_outputs, ACTIVATIONS[model.activation], model.dropout)

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
    share = name == "flip"
    try:
        value = float(number) if share else int(number)
    except ValueError:
        value = 0
    if not (0 < value <= 1 if share else value > 0):
        expected = "a share such as flip:0.5" if share else f"a number of pixels such as {name}:4"
        raise ValueError(f"--augment {name} takes {expected}, but {text!r} was given")
    return name, value
