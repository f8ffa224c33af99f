"""Mistakes are put into every layer and loss on purpose: each must be caught, and named where it has a name."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import check
from pysmorch.gradcheck.cases import LAYER_CASES, LOSS_CASES, NUM_DATA

IMAGE_FAMILIES = ("convolution", "pooling", "augmentation")


def without_variants(cases):
    """One case of each layer for images: what is changed here is what a layer hands back, which has no variants."""
    kept = {}
    for name, make in cases.items():
        cls = type(make())
        is_variant = cls.__module__.endswith(IMAGE_FAMILIES) and cls in kept.values()
        kept |= {} if is_variant else {name: cls}
    return {name: cases[name] for name in kept}


CASES = without_variants({**LAYER_CASES, **LOSS_CASES})
HANDS_BACK = [name for name in CASES if name != "Embedding"]
WITH_PARAMETERS = [name for name in CASES if name in LAYER_CASES and LAYER_CASES[name]().has_parameters]


def mutant(layer, change):
    """Let a layer hand back something else: `change(handed_back)`, for the first input."""
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
        def row_gradients(self, x, y):
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
    assert "handed back as it came" in message_of(layer)


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


@pytest.mark.parametrize("case", CASES)
def test_what_is_right_gets_no_diagnosis(case):
    report = check(CASES[case]())
    assert report.passed
    assert report.messages == []
