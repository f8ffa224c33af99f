"""Operations on images that are described wrongly: the extension says so, and never reads or writes what is not its own."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pysmorch as ps
from pysmorch import Data
from pysmorch.engine.extension import extension
from pysmorch.engine.lowering import Lowering
from pysmorch.layers.graph import graph
from tests.engine.test_native import BATCH, LOSS, face

pytestmark = pytest.mark.skipif(extension() is None, reason="the native extension is not built")

IMAGES = Data(shape=(None, 5, 4, 8))
LAYERS = {
    "Conv2d": lambda: ps.Conv2d(IMAGES, 4, 3, stride=(2, 1), padding=1, groups=2),
    "Conv2d of 3 by 3": lambda: ps.Conv2d(IMAGES, 9, 3),
    "Conv2d depthwise": lambda: ps.Conv2d(IMAGES, 8, 3, groups=8),
    "ConvTranspose2d": lambda: ps.ConvTranspose2d(IMAGES, 4, 3, stride=2, padding=1),
    "MaxPool2d": lambda: ps.MaxPool2d(IMAGES, 3, stride=2, padding=1),
    "AvgPool2d": lambda: ps.AvgPool2d(IMAGES, 3, stride=1, padding="same"),
    "GlobalAvgPool2d": lambda: ps.GlobalAvgPool2d(IMAGES),
    "Upsample2d": lambda: ps.Upsample2d(IMAGES),
    "Pad2d": lambda: ps.Pad2d(IMAGES, 1),
    "GroupNormalize": lambda: ps.GroupNormalize(IMAGES, 4),
    "RandomShift": lambda: ps.RandomShift(IMAGES, 2),
    "RandomFlip": lambda: ps.RandomFlip(IMAGES),
    "RandomCrop": lambda: ps.RandomCrop(IMAGES, 3),
    "Cutout": lambda: ps.Cutout(IMAGES, 3),
}
NOT_READ = {
    **dict.fromkeys(("MaxPool2d", "AvgPool2d"), ("groups",)),
    **dict.fromkeys(("GlobalAvgPool2d", "RandomShift", "RandomFlip", "Cutout"), ("channels",)),
    "RandomCrop": ("channels", "out_channels"),
}
"""Sizes that an operation knows from its values."""
EDGES = st.sampled_from([0, 7, 8, 9, 15, 16, 17, 2**12, 2**16 + 1, 2**24 - 1, 2**24, 2**30, 2**31 - 1])
LIES = [-1.0, 0.5, np.nan, np.inf, 2.0**31, 2.0**63, None, 0.0, 2.0**20, 2.0**29]
HARMLESS = {"pad_top": [0.0], "pad_left": [0.0], "pixels": [0.0, 2.0**20], "size": [2.0**20]}
"""Images may be shifted, cut out and padded by that much."""


def lowered(layer):
    """The values and the only operation of a layer, and its parameters in an array that the extension may change."""
    described = Lowering(graph(layer), layer)
    (operation,) = described.operations
    parameters = np.zeros(1, np.float32)
    if layer.has_parameters:
        parameters = layer.W.astype(np.float32).ravel()
        operation["parameters"]["weights"] = parameters.reshape(layer.W.shape)
    for value in described.values:
        value["needs_grad"] = True
    return described.values, operation, parameters


def run(values, operation, parameters, rows=3):
    """Take a step with an operation, and predict with it."""
    columns = [prod(value["shape"]) for value in values]
    description = {"values": values, "operations": [operation], "inputs": [*range(len(values) - 1)]}
    description["loss"] = LOSS | {"value": len(values) - 1}
    data = [np.ones((rows, count), np.float32) for count in columns[:-1]]
    labels = np.zeros((rows, columns[-1]), np.float32)
    training = face(parameters=parameters, gradients=np.zeros_like(parameters), **description)
    training.train(
        **BATCH
        | {
            "data": data,
            "labels": labels,
            "order": np.arange(rows),
            "batch_size": rows,
            "rates": [0.1],
            "decays": [0.0],
        }
    )
    prediction = extension().Program32(*description.values())
    room = np.full((rows + 2, columns[-1]), 7, np.float32)
    prediction.predict(data, room[1:-1], 1)
    assert (room[[0, -1]] == 7).all()


@pytest.mark.parametrize("name", LAYERS)
def test_the_descriptions_of_layers_are_taken(name):
    run(*lowered(LAYERS[name]()))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (name, number)
        for name, make in LAYERS.items()
        for number in {"num_groups": 4, **make().geometry}
        if number not in NOT_READ.get(name, ()) and (number != "num_groups" or name == "GroupNormalize")
    ],
)
def test_a_size_that_is_wrong_is_refused(name, number):
    for lie in LIES:
        if lie in HARMLESS.get(number, ()):
            continue
        values, operation, parameters = lowered(LAYERS[name]())
        operation["numbers"][number] = lie
        if lie is None:
            del operation["numbers"][number]
        with pytest.raises((ValueError, TypeError)):
            run(values, operation, parameters)


def fit_output(numbers):
    """Set the size of the output to what the other sizes make it."""
    for axis, pad in (("height", "pad_top"), ("width", "pad_left")):
        size, stride = numbers[axis] + 2 * numbers.get(pad, 0), numbers.get("stride_" + axis, 1)
        if "kernel_" + axis in numbers:
            seen = (numbers["kernel_" + axis] - 1) * numbers["dilation_" + axis] + 1
            numbers["out_" + axis] = max((size - seen) // max(stride, 1) + 1, 1)
        elif "out_" + axis in numbers:
            numbers["out_" + axis] = size * stride
    if "out_channels" in numbers and numbers.get("groups", 0) != 1:
        numbers["out_channels"] = numbers["channels"]


@pytest.mark.parametrize("name", LAYERS)
@given(data=st.data(), changes=st.integers(1, 6), batch=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_descriptions_of_any_sizes_are_refused_or_run_within_their_own_memory(name, data, changes, batch):
    """What is read and written elsewhere is found with sanitizers; without them only what crashes or lies around the result."""
    values, operation, parameters = lowered(LAYERS[name]())
    numbers = operation["numbers"]
    sizes = [size for size in numbers if size not in ("epsilon", "rate")]
    for _ in range(changes):
        numbers[data.draw(st.sampled_from(sizes))] = float(data.draw(st.one_of(st.integers(1, 6), EDGES)))
    if "height" in numbers and data.draw(st.booleans()):
        fit_output(numbers)
    channels = numbers.get("channels", 8)
    for which, prefix in ((0, ""), (-1, "out_")):
        if prefix + "height" in numbers and data.draw(st.booleans()):
            size = numbers[prefix + "height"] * numbers[prefix + "width"] * numbers.get(prefix + "channels", channels)
            values[which]["shape"] = [int(np.clip(size, 0, 2**12))]
    if operation["parameters"] and data.draw(st.booleans()):
        size = numbers["kernel_height"] * numbers["kernel_width"] * numbers["channels"] * numbers["out_channels"]
        parameters = np.ones(int(np.clip(size / max(numbers["groups"], 1), 1, 2**16)), np.float32)
        operation["parameters"]["weights"] = parameters
    if data.draw(st.booleans()):
        operation["channels"] = int(numbers.get("out_channels", channels))
    try:
        run(values, operation, parameters, rows=batch)
    except (ValueError, TypeError, MemoryError):
        return


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("change", [-8, -1, 1, 8])
def test_values_of_another_size_than_the_images_are_refused(name, which, change):
    if name == "GroupNormalize" and change in (-8, 8):
        return  # another number of places
    values, operation, parameters = lowered(LAYERS[name]())
    values[which]["shape"] = [prod(values[which]["shape"]) + change]
    with pytest.raises(ValueError, match="fit"):
        run(values, operation, parameters)


@pytest.mark.parametrize("name", ["Conv2d", "Conv2d of 3 by 3", "Conv2d depthwise", "ConvTranspose2d"])
@pytest.mark.parametrize(
    "changes",
    [
        {"weights": None},
        {"weights": np.zeros(12, np.float32)},
        {"weights": np.zeros((3, 3, 8, 8), np.float32)},
        {"bias": np.zeros(3, np.float32)},
        {"activation": "gelu"},
        {"inputs": []},
        {"channels": 0},
    ],
    ids=str,
)
def test_filters_with_other_arrays_than_theirs_are_refused(name, changes):
    """They may be parameters, but are too few or too many."""
    values, operation, parameters = lowered(LAYERS[name]())
    parameters = np.zeros(4096, np.float32)
    start = 0
    for part in ("weights", "bias"):
        array = changes.get(part, operation["parameters"].pop(part, None))
        if array is not None:
            operation["parameters"][part] = parameters[start : (start := start + array.size)].reshape(array.shape)
    operation |= {key: value for key, value in changes.items() if key not in ("weights", "bias")}
    with pytest.raises((ValueError, TypeError)):
        run(values, operation, parameters)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("Conv2d", {"groups": 3.0}),
        ("Conv2d", {"groups": 8.0}),
        ("ConvTranspose2d", {"groups": 2.0}),
        ("GroupNormalize", {"num_groups": 3.0}),
        ("RandomFlip", {"height": 641.0, "width": 6700417.0}),  # 2**32 + 1 pixels
        ("GlobalAvgPool2d", {"height": 2.0**20, "width": 2.0**20}),
        ("Conv2d", {"height": 2.0**22, "width": 2.0**22, "channels": 2.0**20}),  # 2**64 numbers
        ("Conv2d", {"out_height": 2.0**29, "stride_height": 1.0, "pad_top": 2.0**29}),
        ("Conv2d depthwise", {"kernel_height": 2.0**29, "dilation_height": 1.0, "pad_top": 2.0**28}),
        ("MaxPool2d", {"pad_top": 5.0, "out_height": 6.0}),  # the first window lies above the image
        ("AvgPool2d", {"dilation_height": 7.0, "kernel_height": 2.0, "pad_top": 3.0}),  # between cells of the window
        ("RandomCrop", {"out_height": 6.0}),
        ("Pad2d", {"pad_top": 3.0}),
        ("Upsample2d", {"stride_height": 1.0, "stride_width": 4.0}),
    ],
    ids=str,
)
def test_sizes_that_do_not_belong_together_are_refused(name, numbers):
    values, operation, parameters = lowered(LAYERS[name]())
    operation["numbers"] |= numbers
    with pytest.raises(ValueError):
        run(values, operation, parameters)


NOTHING = {"shape": [0], "needs_grad": True, "is_index": False}


@pytest.mark.parametrize("name", ["GlobalAvgPool2d", "RandomFlip"])
def test_sizes_whose_product_is_too_large_for_a_number_are_refused(name):
    _, operation, parameters = lowered(LAYERS[name]())
    operation |= {"channels": 2**24}
    operation["numbers"] |= {"height": 2.0**20, "width": 2.0**20}
    with pytest.raises(ValueError, match="the sizes"):
        run([NOTHING, NOTHING | {"shape": [2**24]}], operation, parameters)


def test_an_enlargement_that_comes_to_the_same_size_after_2_to_the_32_is_refused():
    values, operation, parameters = lowered(ps.Upsample2d(Data(shape=(None, 2**16, 1, 1)), 1))
    operation["numbers"]["stride_height"] = 2.0**16 + 1
    with pytest.raises(ValueError, match="the sizes do not fit"):
        run(values, operation, parameters)


@pytest.mark.parametrize("layer", [ps.Conv2d, ps.ConvTranspose2d])
def test_an_image_that_a_margin_makes_larger_than_any_image_is_refused(layer):
    """A plane of 2**25 by 2**25 places with 2**14 channels would have 2**64 numbers."""
    far = 2**24 - 1
    x = layer(Data(shape=(None, 2, 2, 2**14)), 1, 3, padding=far, dilation=far)
    with pytest.raises(ValueError, match="the sizes do not fit"):
        ps.Network(ps.SquareLoss(ps.Flatten(x))).predict(np.zeros((1, 2, 2, 2**14), np.float32))


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({"inputs": [0, 1, 2]}, {}),
        ({"inputs": [3]}, {}),
        ({"inputs": [0, 3]}, {}),
        ({"inputs": [3, 0]}, {}),
        ({"states": []}, {}),
        ({"states": [np.zeros(8)]}, {}),
        ({"states": [np.zeros(8), np.zeros(7)]}, {}),
        ({"states": [np.zeros(8, np.float32)] * 2}, {}),
        ({"channels": 4}, {}),
        ({"channels": 16}, {}),
        ({"scale": 7}, {}),
        ({"bias": 9}, {}),
        ({"activation": "nothing"}, {}),
        ({}, {"epsilon": None}),
        ({}, {"momentum": None}),
    ],
    ids=str,
)
def test_normalisations_with_other_arrays_and_values_than_theirs_are_refused(changes, numbers):
    values, operation, _ = lowered(ps.Normalize(IMAGES))
    image, other = values[0], values[0] | {"shape": [80]}
    parameters = np.ones(32, np.float32)
    for part, start in (("scale", 0), ("bias", 16)):
        operation["parameters"][part] = parameters[start : start + changes.get(part, 8)]
    operation |= {"output": 4} | {key: value for key, value in changes.items() if key not in ("scale", "bias")}
    operation["numbers"] = {key: value for key, value in (operation["numbers"] | numbers).items() if value is not None}
    with pytest.raises((ValueError, TypeError)):
        run([image, image, image, other, values[1]], operation, parameters)


def test_a_concatenation_of_nothing_is_refused():
    values, operation, parameters = lowered(ps.Concat(IMAGES, IMAGES))
    with pytest.raises(ValueError, match="fit"):
        run([values[0], NOTHING], operation, parameters)


def test_images_that_are_indices_are_refused():
    for name, make in LAYERS.items():
        values, operation, parameters = lowered(make())
        values[0] |= {"is_index": True, "needs_grad": False}
        with pytest.raises(ValueError, match="indices"):
            run(values, operation, parameters)
        assert name
