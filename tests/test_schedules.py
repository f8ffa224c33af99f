import pytest

from pysmorch import SGD, Constant, Cosine, OneCycle, Step, WarmUp
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
