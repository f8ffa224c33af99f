"""Mistakes are put into every layer and loss on purpose: each must be caught, and named where it has a name."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import check
from pysmorch.gradcheck.cases import LAYER_CASES, LOSS_CASES, NUM_DATA
from pysmorch.layers.convolution import by_group, convolve, together

IMAGE_FAMILIES = ("convolution", "pooling", "augmentation")


def one_of_each_family(cases):
    """Leave out all but one layer of each family for images: what is changed here is what a layer passes back, and that is
    checked in the same way for all. Mistakes of their own are further below.
    """
    families = [type(make()).__module__.rpartition(".")[2] for make in cases.values()]
    return {
        name: cases[name]
        for i, (name, family) in enumerate(zip(cases, families, strict=True))
        if family not in IMAGE_FAMILIES or family not in families[:i]
    }


CASES = one_of_each_family({**LAYER_CASES, **LOSS_CASES})
HANDS_BACK = [name for name in CASES if name != "Embedding"]
WITH_PARAMETERS = [name for name in CASES if name in LAYER_CASES and LAYER_CASES[name]().has_parameters]


def mutant(layer, change):
    """Let a layer pass back something else: `change(handed_back)`, for the first input."""
    cls = type(layer)

    class Mutant(cls):
        def pull_back(self, dwnstrm):
            parts = super().pull_back(dwnstrm)
            return (change(parts[0]), *parts[1:]) if isinstance(parts, tuple) else change(parts)

    layer.__class__ = Mutant
    return layer


def mutant_of_G(layer, change):
    """Let a layer find another gradient for its parameters."""
    cls = type(layer)

    class Mutant(cls):
        def pull_back(self, dwnstrm):
            part = super().pull_back(dwnstrm)
            self._G = change(self._G)
            return part

    layer.__class__ = Mutant
    return layer


def message_of(layer):
    report = check(layer)
    assert not report.passed, "the mistake was not caught"
    return " ".join(report.messages)


def one_entry_off(gradient):
    gradient = gradient.copy()
    largest = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
    gradient[largest] *= 1 + 1e-4
    return gradient


NAMED_FACTORS = [
    (lambda g: -g, "wrong sign"),
    (lambda g: 2 * g, "a factor of 2."),
    (lambda g: g / 2, "a factor of 2 is missing"),
    (lambda g: g * NUM_DATA, "a factor 1/batch is missing"),
    (lambda g: g / NUM_DATA, "divided by the batch once too often"),
    (lambda g: 0 * g, "Everything found is 0"),
    (lambda g: g * 1.0001, "Everything is 1.0001 times"),
    (one_entry_off, ""),
]


@pytest.mark.parametrize("case", HANDS_BACK)
@pytest.mark.parametrize(("change", "sentence"), NAMED_FACTORS)
def test_a_wrong_gradient_for_the_input_is_caught_and_named(case, change, sentence):
    assert sentence in message_of(mutant(CASES[case](), change))


@pytest.mark.parametrize("case", WITH_PARAMETERS)
@pytest.mark.parametrize(("change", "sentence"), NAMED_FACTORS)
def test_a_wrong_gradient_for_the_parameters_is_caught_and_named(case, change, sentence):
    assert sentence in message_of(mutant_of_G(CASES[case](), change))


@pytest.mark.parametrize("case", HANDS_BACK)
def test_one_term_that_is_a_ten_thousandth_off_is_caught(case):
    """The term is the part of the gradient that depends on what comes from above in a way of its own."""
    rng = np.random.default_rng(0)
    noise = 1 + 1e-4 * (rng.random(10_000) < 0.3)
    assert "expected" in message_of(mutant(CASES[case](), lambda g: g * np.resize(noise, g.shape)))


@pytest.mark.parametrize("case", HANDS_BACK)
def test_a_transpose_of_what_is_handed_back_is_caught(case):
    def transposed(gradient):
        return np.swapaxes(gradient, 0, -1).reshape(gradient.shape)

    layer = CASES[case]()
    if layer.in_layer.out_dims[-1] == 1:
        pytest.skip("the transpose of a column has the same entries")
    message = message_of(mutant(layer, transposed))
    if len(layer.in_layer.out_dims) == 2:
        assert "transpose" in message


@pytest.mark.parametrize("case", ["Linear", "Embedding"])
def test_a_transpose_of_the_gradient_for_the_parameters_is_caught_and_named(case):
    assert "transpose" in message_of(mutant_of_G(CASES[case](), lambda G: G.T.reshape(G.shape)))


MUTANT_SUMS = {
    "Linear": lambda layer, d: layer.in_array[:1].T @ d[:1],
    "Bias": lambda layer, d: d[-1:],
    "Scale": lambda layer, d: (d * layer.in_array)[:1],
}


@pytest.mark.parametrize("case", MUTANT_SUMS)
def test_a_missing_sum_over_the_batch_is_caught_and_named(case):
    layer = CASES[case]()
    cls = type(layer)

    class Mutant(cls):
        def pull_back(self, dwnstrm):
            part = super().pull_back(dwnstrm)
            self.G = MUTANT_SUMS[case](self, dwnstrm)
            return part

    layer.__class__ = Mutant
    assert "the sum over the batch is missing" in message_of(layer)


def test_a_missing_sum_over_repeated_entries_is_caught():
    class Mutant(ps.Embedding):
        def pull_back(self, dwnstrm):
            super().pull_back(dwnstrm)
            gradient = np.zeros_like(self.W)
            gradient[self.indices] = dwnstrm
            self.G = gradient

    layer = CASES["Embedding"]()
    layer.__class__ = Mutant
    assert "No known mistake fits" in message_of(layer)


@pytest.mark.parametrize("case", ["Normalize", "Normalize of maps", "LayerNormalize", "LayerNormalize of maps"])
def test_a_missing_sum_in_a_normalisation_is_caught(case):
    layer = CASES[case]()
    cls = type(layer)

    class Mutant(cls):
        def pull_back(self, dwnstrm):
            return dwnstrm * self.inverse_std

    layer.__class__ = Mutant
    assert "No known mistake fits" in message_of(layer)


@pytest.mark.parametrize("case", LOSS_CASES)
def test_a_loss_that_sums_where_it_says_mean_is_caught_and_named(case):
    assert "a factor 1/batch is missing" in message_of(mutant(CASES[case](), lambda g: g * NUM_DATA))


def test_a_softmax_without_its_sum_is_caught():
    class Mutant(ps.CrossEntropy):
        def sample_gradients(self, x, y):
            return np.exp(x - x.max(1, keepdims=True)) - y

    layer = LOSS_CASES["CrossEntropy"]()
    layer.__class__ = Mutant
    assert "No known mistake fits" in message_of(layer)


def test_a_mask_that_is_not_applied_is_named():
    class Mutant(ps.Relu):
        def pull_back(self, dwnstrm):
            return dwnstrm

    layer = CASES["Relu"]()
    layer.__class__ = Mutant
    assert "The mask is not applied" in message_of(layer)


def test_a_mask_from_the_wrong_array_is_named():
    class Mutant(ps.Relu):
        def pull_back(self, dwnstrm):
            return dwnstrm * (np.roll(self.in_array, 1) > 0)

    layer = CASES["Relu"]()
    layer.__class__ = Mutant
    assert "the mask was taken from the wrong array" in message_of(layer)


def test_a_mask_from_the_gradient_instead_of_the_input_is_named():
    class Mutant(ps.Relu):
        def pull_back(self, dwnstrm):
            return dwnstrm * (dwnstrm > 0)

    layer = CASES["Relu"]()
    layer.__class__ = Mutant
    assert "The mask is not applied" in message_of(layer)


@pytest.mark.parametrize("case", ["Sigmoid", "Tanh", "Gelu", "Silu", "Mish", "Selu"])
def test_a_derivative_that_is_not_applied_is_named(case):
    layer = CASES[case]()
    cls = type(layer)

    class Mutant(cls):
        def pull_back(self, dwnstrm):
            return dwnstrm.copy()

    layer.__class__ = Mutant
    assert "passed back as it came" in message_of(layer)


@pytest.mark.parametrize("case", WITH_PARAMETERS)
def test_a_gradient_that_adds_up_over_passes_is_named(case):
    layer = CASES[case]()
    cls = type(layer)

    class Mutant(cls):
        def pull_back(self, dwnstrm):
            before = getattr(self, "kept", 0)
            part = super().pull_back(dwnstrm)
            self.kept = self._G = self._G + before
            return part

    layer.__class__ = Mutant
    assert "G must be set anew in every pass" in message_of(layer)


@pytest.mark.parametrize("case", ["Linear", "Scale", "Relu", "Sigmoid", "Tanh", "Gelu", "Silu", "Mish", "Selu"])
def test_an_input_kept_from_an_earlier_pass_is_named(case):
    layer = CASES[case]()
    cls = type(layer)

    class Mutant(cls):
        def pull_back(self, dwnstrm):
            self.first = getattr(self, "first", (self.in_array, self.out_array))
            self.in_arrays, self.out_array = (self.first[0],), self.first[1]
            if isinstance(self, ps.Gelu):
                from scipy.special import ndtr

                self.distribution = ndtr(self.in_array)
            return super().pull_back(dwnstrm)

    layer.__class__ = Mutant
    assert "stale input" in message_of(layer)


def test_a_gradient_not_accumulated_over_two_uses_is_named():
    class OnlyOnce(ps.Multiply):
        def pull_back(self, dwnstrm):
            first, _ = super().pull_back(dwnstrm)
            return first, None

    x = ps.Data(np.random.default_rng(0).standard_normal((NUM_DATA, 4)))
    h = ps.Linear(x, 3)
    assert "gradients that come back from all uses must be added" in message_of(OnlyOnce(h, h))


def test_one_of_two_branches_that_hands_nothing_back_is_named():
    class Blocks(ps.Scale):
        def pull_back(self, dwnstrm):
            super().pull_back(dwnstrm)
            return None

    x = ps.Data(np.random.default_rng(0).standard_normal((NUM_DATA, 4)))
    report = check(ps.Add(ps.Tanh(x), Blocks(x)))
    assert not report.passed
    assert any(message.startswith("Blocks1:") and "0" in message for message in report.messages)


class ForgottenFlip(ps.Conv2d):
    """Convolves dwnstrm with the kernel as it is, where its mirror image belongs."""

    def pull_back(self, dwnstrm):
        super().pull_back(dwnstrm)
        return convolve(dwnstrm, self.W.swapaxes(2, 3), self.windows)


class WithoutSteps(ps.Conv2d):
    """Puts what comes back side by side, as if the windows did not lie `stride` apart."""

    def pull_back(self, dwnstrm):
        super().pull_back(dwnstrm)
        gradient = np.zeros_like(self.in_array)
        for (i, j), _ in self.windows.taps():
            part = dwnstrm @ self.W[i, j].T
            gradient[:, i : i + part.shape[1], j : j + part.shape[2]] += part
        return gradient


class OneOff(ps.Conv2d):
    """Crops the padding away one row too low."""

    def pull_back(self, dwnstrm):
        return np.roll(super().pull_back(dwnstrm), 1, axis=1)


class KernelOneOff(ps.Conv2d):
    """Looks at cells one row too low when it makes the gradient for the kernel."""

    def pull_back(self, dwnstrm):
        back = super().pull_back(dwnstrm)
        right, self.in_array = self.in_array, np.roll(self.in_array, 1, axis=1)
        super().pull_back(dwnstrm)
        self.in_array = right
        return back


class MixedGroups(ps.Conv2d):
    """Hands the gradient of each group to the channels of the next one."""

    def pull_back(self, dwnstrm):
        parts = by_group(super().pull_back(dwnstrm), self.groups)
        return together(np.roll(parts, 1, axis=0)).reshape(self.in_array.shape)


class InterleavedGroups(ps.Conv2d):
    """Takes every second filter as a group in the gradient for the kernel, and not the first half."""

    def pull_back(self, dwnstrm):
        back = super().pull_back(dwnstrm)
        order = np.arange(self.num_filters).reshape(-1, self.groups).T.ravel()
        super().pull_back(dwnstrm[..., order])
        return back


class OnePlace(ps.Conv2d):
    """Takes the gradient of the kernel from one place, where the sum over all places belongs."""

    def pull_back(self, dwnstrm):
        back = super().pull_back(dwnstrm)
        here = np.zeros_like(dwnstrm)
        here[:, 0, 0] = dwnstrm[:, 0, 0]
        super().pull_back(here)
        return back


class MeanOverPlaces(ps.Conv2d):
    """Divides the gradient of the kernel by the number of places."""

    def pull_back(self, dwnstrm):
        back = super().pull_back(dwnstrm)
        self.G = self.G / (dwnstrm.shape[1] * dwnstrm.shape[2])
        return back


class FirstRowOnly(ps.Conv2d):
    """Forgets the sum over the batch."""

    def pull_back(self, dwnstrm):
        back = super().pull_back(dwnstrm)
        super().pull_back(np.concatenate([dwnstrm[:1], np.zeros_like(dwnstrm[1:])]))
        return back


class LastCell(ps.MaxPool2d):
    """Lets the gradient of a window go to its last cell."""

    def pull_back(self, dwnstrm):
        gradient = self.windows.pad(np.zeros_like(self.in_array))
        *_, (_, last) = self.windows.taps()
        gradient[last] += dwnstrm
        return self.windows.crop(gradient)


class BorderCounts(ps.AvgPool2d):
    """Divides by the size of the window at the border too."""

    def pull_back(self, dwnstrm):
        return super().pull_back(dwnstrm * self._num_cells() / np.prod(self.size))


class ShiftedTheSameWay(ps.RandomShift):
    """Moves the gradient in the direction of the image."""

    def pull_back(self, dwnstrm):
        self.corners = 2 * self.pixels - self.corners
        return super().pull_back(dwnstrm)


@pytest.mark.parametrize(
    ("mistaken", "form", "variable", "sentence"),
    [
        (ForgottenFlip, {"num_filters": 3, "kernel_size": 3}, "input", "No known mistake fits"),
        (WithoutSteps, {"num_filters": 2, "kernel_size": 2, "stride": 2, "padding": "valid"}, "input", "No known"),
        (OneOff, {"num_filters": 2, "kernel_size": 3}, "input", "No known mistake fits"),
        (KernelOneOff, {"num_filters": 2, "kernel_size": 3}, "W", "No known mistake fits"),
        (MixedGroups, {"num_filters": 4, "kernel_size": 2, "groups": 2}, "input", "No known mistake fits"),
        (InterleavedGroups, {"num_filters": 4, "kernel_size": 2, "groups": 2}, "W", "No known mistake fits"),
        (OnePlace, {"num_filters": 2, "kernel_size": 2}, "W", "No known mistake fits"),
        (MeanOverPlaces, {"num_filters": 2, "kernel_size": 2}, "W", "Everything is 0.0625 times what it should be"),
        (FirstRowOnly, {"num_filters": 2, "kernel_size": 2}, "W", "the sum over the batch is missing"),
        (LastCell, {}, "input", "No known mistake fits"),
        (BorderCounts, {"size": 3, "stride": 1, "padding": 1}, "input", "No known mistake fits"),
        (ShiftedTheSameWay, {"pixels": 1}, "input", "No known mistake fits"),
    ],
)
def test_a_mistake_in_a_layer_for_images_is_found(mistaken, form, variable, sentence):
    with ps.weights_from(0):
        layer = mistaken(ps.Data(np.random.default_rng(0).standard_normal((3, 4, 4, 4))), **form)
    report = check(layer)
    assert {row.what for row in report if not row.passed} == {variable}
    assert sentence in " ".join(report.messages)


@pytest.mark.parametrize("case", CASES)
def test_what_is_right_gets_no_diagnosis(case):
    report = check(CASES[case]())
    assert report.passed
    assert report.messages == []
