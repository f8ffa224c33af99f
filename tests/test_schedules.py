import numpy as np
import pytest

import pysmorch as ps
from pysmorch import SGD, Constant, Cosine, CosineCycles, FlatCosine, OneCycle, Step, WarmUp
from pysmorch.schedules import as_schedule


def test_a_constant_rate_does_not_change():
    assert {Constant(0.3).rate(epoch, 5) for epoch in (0, 2.5, 5)} == {0.3}


def test_step_drops_exactly_at_the_epochs_it_names():
    schedule = Step(1.0, every=3, factor=0.1)
    assert schedule.rate(2.99, 9) == 1.0
    assert schedule.rate(3, 9) == pytest.approx(0.1)
    assert schedule.rate(6, 9) == pytest.approx(0.01)


def test_cosine_goes_from_its_rate_to_its_final_one_and_is_half_way_in_the_middle():
    schedule = Cosine(0.4, final=0.2)
    assert schedule.rate(0, 10) == pytest.approx(0.4)
    assert schedule.rate(5, 10) == pytest.approx(0.3)
    assert schedule.rate(10, 10) == pytest.approx(0.2)


def test_a_flat_cosine_keeps_its_rate_for_half_of_the_training_and_ends_at_zero():
    rates = [FlatCosine(0.2).rate(epoch, 8) for epoch in (0, 2, 4, 6, 8)]
    assert rates == pytest.approx([0.2, 0.2, 0.2, 0.1, 0.0])
    assert FlatCosine(1.0, flat=0).rate(5, 10) == pytest.approx(0.5)


def test_cosine_cycles_double_in_length_and_reach_zero_between_them():
    schedule = CosineCycles(0.04)
    assert [schedule.rate(epoch, 15) for epoch in (0, 1, 3, 7, 15)] == pytest.approx([0] * 5)
    # The peaks: log2(1 + 15 t) is 0.5, 1.5, 2.5 and 3.5.
    for t, rounded in zip(
        [(2**c - 1) / 15 for c in (0.5, 1.5, 2.5, 3.5)], (0.0276, 0.1219, 0.3105, 0.6876), strict=True
    ):
        assert round(t, 4) == pytest.approx(rounded, abs=1e-4)
        assert schedule.rate(t, 1) == pytest.approx(0.04)
    assert CosineCycles(1.0, cycles=1).rate(2**0.5 - 1, 1) == pytest.approx(1.0)


def test_one_cycle_rises_to_its_peak_and_falls_to_almost_nothing():
    schedule = OneCycle(1.0, rise=0.25)
    rates = [schedule.rate(epoch, 100) for epoch in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert rates.index(max(rates)) == 25
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 / 250000)
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)


def test_warm_up_gives_the_rest_of_the_training_to_the_schedule_behind_it():
    schedule = WarmUp(Cosine(1.0), epochs=2, start=0.5)
    assert schedule.rate(0, 12) == pytest.approx(0.5)
    assert schedule.rate(1, 12) == pytest.approx(0.75)
    assert schedule.rate(2, 12) == pytest.approx(1.0)
    assert schedule.rate(7, 12) == pytest.approx(Cosine(1.0).rate(5, 10))


def test_a_training_shorter_than_its_warm_up_only_rises():
    assert WarmUp(Cosine(1.0), epochs=5).rate(1, 2) < 0.5


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), "fast", None, True])
def test_a_learning_rate_that_is_no_rate_is_refused(rate):
    with pytest.raises(ValueError, match="learning_rate must be"):
        as_schedule(rate)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Step(0.1, every=0), "every must be"),
        (lambda: OneCycle(0.1, rise=1.0), "rise must be"),
        (lambda: WarmUp(Cosine(0.1), epochs=0), "epochs must be"),
        (lambda: FlatCosine(0.1, flat=1), "flat must be"),
        (lambda: CosineCycles(0.1, cycles=0), "cycles must be"),
        (lambda: CosineCycles(0.1, cycles=1.5), "cycles must be"),
    ],
)
def test_schedules_refuse_lengths_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_warm_up_needs_a_schedule_to_lead_to():
    with pytest.raises(TypeError, match="then must be a schedule"):
        WarmUp(0.1)


def test_any_object_with_a_rate_is_a_schedule():
    class Halving:
        def rate(self, epoch, num_epochs):
            return 0.5**epoch

    assert SGD(Halving()).schedule.rate(2, 10) == 0.25


class Recorded:
    """A schedule that keeps the moments at which it was asked."""

    def __init__(self, rates):
        self.rates, self.moments = iter(rates), []

    def rate(self, epoch, num_epochs):
        self.moments.append((epoch, num_epochs))
        return next(self.rates)


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_weight_decay_follows_its_schedule_step_by_step(engine):
    """With a learning rate of 1 and no gradient, each step multiplies the weights by one minus the decay."""
    layer = ps.Linear(ps.Data(shape=(None, 1)), 1)
    layer.W = [[1.0]]
    decay = Recorded([0.0, 0.5, 0.25, 0.2])
    optimizer = ps.AdamW(1.0, epsilon=1.0, weight_decay=decay)
    X = np.zeros((4, 1))
    ps.Network(ps.SquareLoss(layer)).fit(
        X, np.zeros((4, 1)), optimizer=optimizer, epochs=2, batch_size=2, seed=0, dtype="float64", engine=engine
    )
    assert decay.moments == [(0.0, 2), (0.5, 2), (1.0, 2), (1.5, 2)]
    assert layer.W[0, 0] == pytest.approx(0.5 * 0.75 * 0.8)


def test_a_decay_that_is_neither_a_number_nor_a_schedule_is_refused():
    with pytest.raises(ValueError, match="AdamW: weight_decay must be a number"):
        ps.AdamW(weight_decay="much")


def with_dropout(rate):
    with ps.weights_from(0):
        x = ps.Dropout(ps.dense(ps.Data(shape=(None, 5)), 40), rate)
        x = ps.Dropout(ps.dense(ps.Dropout(x, 0.2), 30), ps.Cosine(0.6), channelwise=True)
        return ps.Network(ps.CrossEntropy(ps.dense(x, 3, activation=None)))


DATA = np.random.default_rng(0).standard_normal((90, 5)), np.arange(90) % 3
"""Rows and classes."""


def trained(network, **options):
    network.fit(*DATA, **{"epochs": 3, "batch_size": 20, "seed": 1, "dtype": "float64"} | options)
    return np.concatenate([W.ravel() for W in network.parameters.values()])


def test_a_dropout_rate_follows_its_schedule_on_both_paths():
    steps = [0.0, 0.5, 0.9, 0.1, 0.3] * 3
    reference = trained(with_dropout(Recorded([0.3, *steps])), engine="reference")
    np.testing.assert_allclose(trained(with_dropout(Recorded([0.3, *steps]))), reference, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(
        trained(with_dropout(Recorded([0.3, *steps])), threads=3), trained(with_dropout(Recorded([0.3, *steps])))
    )
    assert np.abs(trained(with_dropout(0.3)) - reference).max() > 1e-3


def test_a_constant_schedule_of_dropout_is_its_number():
    np.testing.assert_array_equal(trained(with_dropout(Constant(0.3))), trained(with_dropout(0.3)))


def test_each_step_sets_the_rate_of_a_scheduled_dropout():
    for engine in ("reference", "auto"):
        network = with_dropout(FlatCosine(0.4))
        assert network.layers[4].rate == 0.4
        trained(network, engine=engine)
        assert network.layers[4].rate == pytest.approx(FlatCosine(0.4).rate(2.8, 3))


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_a_resumed_training_with_schedules_ends_with_the_same_bits(engine, tmp_path):
    options = {
        "optimizer": ps.AdamW(CosineCycles(0.01), weight_decay=FlatCosine(0.1)),
        "engine": engine,
    }
    whole = trained(with_dropout(FlatCosine(0.4)), **options)

    def stop(training):
        if training.epoch == 2:
            raise KeyboardInterrupt

    again = {"checkpoint": tmp_path / "run", "every": "1 batch"}
    options["optimizer"] = ps.AdamW(CosineCycles(0.01), weight_decay=FlatCosine(0.1))
    with pytest.raises(KeyboardInterrupt):
        trained(with_dropout(FlatCosine(0.4)), callbacks=[stop], **again, **options)
    options["optimizer"] = ps.AdamW(CosineCycles(0.01), weight_decay=FlatCosine(0.1))
    resumed = trained(with_dropout(FlatCosine(0.4)), resume=tmp_path / "run", **options)
    np.testing.assert_array_equal(resumed, whole)


def test_a_file_holds_the_schedule_of_a_dropout(tmp_path):
    network = with_dropout(FlatCosine(0.4))
    network.save(tmp_path / "model.psm")
    again = ps.load(tmp_path / "model.psm")
    assert [repr(layer) for layer in again.layers] == [repr(layer) for layer in network.layers]
    assert again.layers[4].schedule == FlatCosine(0.4)
    with pytest.raises(ValueError, match="Dropout1's rate cannot be saved"):
        with_dropout(Recorded([0.3])).save(tmp_path / "other.psm")


def test_the_dropout_of_an_mlp_may_have_a_schedule():
    network = ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 3)), [4, 5], 1, dropout=FlatCosine(0.15))))
    dropouts = [layer for layer in network.layers if isinstance(layer, ps.Dropout)]
    assert [layer.schedule for layer in dropouts] == [FlatCosine(0.15)] * 2


@pytest.mark.parametrize("rate", [Constant(1.0), Constant(-0.1), "much"])
def test_a_dropout_rate_out_of_range_is_refused(rate):
    with pytest.raises(ValueError, match="Dropout: rate must be"):
        ps.Dropout(ps.Data([[1.0]]), rate)
