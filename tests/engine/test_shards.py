"""Gradients of a batch in shards: the bits of the whole batch, in one program and in several that exchange arrays."""

import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pysmorch as ps
from pysmorch import Data, Network
from pysmorch.engine import (
    Dataset,
    NativeProgram,
    NonFiniteError,
    ReferenceProgram,
    Shard,
    StepRates,
    Totals,
    has_bf16,
    train_in_pieces,
)
from pysmorch.engine.extension import extension
from pysmorch.engine.shards import cut, gradients_of
from pysmorch.layers import weights_from
from pysmorch.layers.randomness import random_words
from pysmorch.models import lenet, residual

native_only = pytest.mark.skipif(extension() is None, reason="the native extension is not built")

OPTIMIZERS = {
    "SGD": lambda: ps.SGD(0.05, weight_decay=0.1),
    "Nesterov": lambda: ps.SGD(0.05, momentum=0.9, nesterov=True),
    "clipped": lambda: ps.SGD(0.05, momentum=0.9, clip_norm=0.1),
    "Adam": lambda: ps.Adam(0.01),
    "AdamW": lambda: ps.AdamW(0.01, weight_decay=0.1, clip_norm=1.0),
    "RMSprop": lambda: ps.RMSprop(0.01, momentum=0.5),
}
RATES = StepRates(0.02, 0.01)
rng = np.random.default_rng(0)


def separate(x):
    """Layers that no product includes, each with sums of its own."""
    scaled = ps.Scale(ps.Dropout(ps.Sigmoid(ps.Bias(ps.Linear(x, 33))), 0.3))
    return ps.Bias(ps.Linear(ps.Blend(scaled, ps.Tanh(scaled)), 3))


def normalized(x):
    blocks = residual(residual(ps.RandomFlip(ps.RandomCrop(x, (6, 6))), 4), 6, 2)
    return ps.Linear(ps.GlobalAvgPool2d(blocks), 3)


def convolutions(x):
    wide = ps.MaxPool2d(ps.Relu(ps.Bias(ps.Conv2d(ps.RandomShift(x, 1), 9, 3, padding="same"))), 2)  # Winograd, pooled
    separable = ps.Bias(ps.Conv2d(ps.Conv2d(wide, 9, 3, padding="same", groups=9), 8, 1))
    up = ps.Relu(ps.Bias(ps.ConvTranspose2d(ps.Dropout(separable, 0.2, channelwise=True), 5, 2, stride=2)))
    grouped = ps.Conv2d(ps.Cutout(up, 2), 4, 3, groups=1, stride=2)
    return ps.dense(ps.Flatten(grouped), 3, None)


def in_runs(x):
    """A product with runs of features, which have factors: it has sums of its own kind."""
    first = ps.Linear(ps.Concat(ps.dense(ps.Columns(x, 0, 5), 7), ps.Scale(ps.Columns(x, 5, 40))), 37)
    first.runs = ((9, 3), (1, 8))
    return ps.dense(ps.Relu(ps.Bias(first)), 3, None)


NETWORKS = {
    "runs": ((40,), in_runs),
    "mlp": ((11,), lambda x: ps.mlp(x, [37, 50], 3, seed=None)),
    "separate": ((11,), separate),
    "normalised rows": ((11,), lambda x: ps.dense(ps.batch_norm(ps.Linear(ps.Normalize(x), 17)), 3, None)),
    "layer norm": ((11,), lambda x: ps.dense(ps.layer_norm(ps.dense(x, 20)), 3, None)),
    "lenet": ((28, 28, 1), lambda x: lenet(x, 3)),
    "convolutions": ((12, 12, 8), convolutions),
    "residual": ((7, 7, 4), normalized),
}


def made(name, loss=ps.CrossEntropy):
    shape, make = NETWORKS[name]
    with weights_from(0):
        return Network(loss(make(Data(shape=(None, *shape)))))


def data_for(network, num_rows, seed=0):
    draw = np.random.default_rng(seed)
    X = draw.standard_normal((num_rows, *network.inputs[0].out_dims[1:]))
    y = draw.integers(0, 3, num_rows)
    return Dataset.checked(network.inputs, network.loss, X, y, draw.uniform(0.1, 2, num_rows), "X")


def program_for(name, num_rows, optimizer="Adam", dtype="float32", engine="native", threads=1, bf16=False):
    network = made(name)
    data = data_for(network, num_rows)
    if engine == "reference":
        return ReferenceProgram(network.loss, OPTIMIZERS[optimizer](), dtype, 7), data, network
    return NativeProgram(network.loss, OPTIMIZERS[optimizer](), dtype, 7, data, threads, bf16), data, network


def result(program, network, totals):
    states = [array.ravel() for layer in network.layers for array in layer.state.values()]
    optimizer = [array for _, array in sorted(program.optimizer.state.items())]
    numbers = np.array([totals.loss, totals.metric, totals.weight, totals.rows, program.num_steps])
    arrays = [program.parameters, program.gradients, *states, *optimizer, numbers]
    return np.concatenate([array.astype(np.float64) for array in arrays])


def whole(name, num_rows, batch_size, **options):
    """What training with whole batches gives."""
    program, data, network = program_for(name, num_rows, **options)
    order = np.random.default_rng(1).permutation(num_rows)
    rates = [RATES] * -(-num_rows // batch_size)
    return result(program, network, program.train(data, order, batch_size, rates, 0))


def in_pieces(name, num_rows, batch_size, pieces, **options):
    program, data, network = program_for(name, num_rows, **options)
    order = np.random.default_rng(1).permutation(num_rows)
    rates = [RATES] * -(-num_rows // batch_size)
    return result(program, network, train_in_pieces(program, data, order, batch_size, rates, 0, Totals(), pieces))


def side_by_side(name, num_rows, batch_size, count, **options):
    """Train in several programs, which pass on sums part by part and exchange the numbers of Normalize layers."""
    made_here = [program_for(name, num_rows, **options) for _ in range(count)]
    order = np.random.default_rng(1).permutation(num_rows)
    all_totals = [Totals() for _ in range(count)]
    barrier, posted = threading.Barrier(count, timeout=20), [None] * count

    def exchange_of(rank):
        def exchange(moments, own):
            posted[rank] = moments[own].copy(), own
            barrier.wait()
            for other in range(count):
                if other != rank:
                    moments[posted[other][1]] = posted[other][0]
            barrier.wait()

        return exchange

    def compute(rank, shard):
        try:
            made_here[rank][0].compute(shard, exchange_of(rank))
        except BaseException:
            barrier.abort()

    for start in range(0, num_rows, batch_size):
        rows = order[start : start + batch_size]
        bounds = cut(len(rows), count, made_here[0][0].panel_rows)
        shards = [Shard(data, rows[a:b], len(rows), a) for (a, b), (_, data, _) in zip(bounds, made_here, strict=True)]
        threads = [threading.Thread(target=compute, args=one) for one in enumerate(shards)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        programs = [program for program, _, _ in made_here]
        for part, (entries, wide) in enumerate(programs[0].sums.parts):
            for rank, program in enumerate(programs):
                if rank > 0:
                    program.sums.entries[entries] = programs[rank - 1].sums.entries[entries]
                    program.sums.wide[wide] = programs[rank - 1].sums.wide[wide]
                program.accumulate(resume=rank > 0, part=part)
        for totals, program in zip(all_totals, programs, strict=True):
            program.sums.entries[:] = programs[-1].sums.entries
            program.sums.wide[:] = programs[-1].sums.wide
            totals.add(program.apply(RATES))
    ends = [
        result(program, network, totals) for (program, _, network), totals in zip(made_here, all_totals, strict=True)
    ]
    for end in ends:
        np.testing.assert_array_equal(end, ends[0])
    return ends[0]


@native_only
@settings(max_examples=25, deadline=None)
@given(
    num_rows=st.integers(1, 150),
    batch_size=st.integers(1, 150),
    pieces=st.integers(2, 7),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    dtype=st.sampled_from(["float32", "float64"]),
    threads=st.integers(1, 2),
    name=st.sampled_from(["mlp", "separate", "normalised rows", "layer norm", "runs"]),
)
def test_any_number_of_shards_gives_the_bits_of_whole_batches(
    num_rows, batch_size, pieces, optimizer, dtype, threads, name
):
    options = {"optimizer": optimizer, "dtype": dtype}
    expected = whole(name, num_rows, batch_size, **options)
    np.testing.assert_array_equal(in_pieces(name, num_rows, batch_size, pieces, threads=threads, **options), expected)


@native_only
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["convolutions", "residual", "lenet"])
def test_images_in_shards_give_the_bits_of_whole_batches(name, dtype):
    for optimizer, pieces, threads in (("Adam", 2, 2), ("clipped", 3, 1)):
        expected = whole(name, 130, 100, optimizer=optimizer, dtype=dtype)
        found = in_pieces(name, 130, 100, pieces, optimizer=optimizer, dtype=dtype, threads=threads)
        np.testing.assert_array_equal(found, expected)


@native_only
@pytest.mark.parametrize(
    ("name", "count"), [("mlp", 7), ("runs", 3), ("separate", 3), ("convolutions", 2), ("residual", 1), ("residual", 4)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_programs_side_by_side_have_the_bits_of_one(name, count, dtype):
    # The last batch has one panel: all programs but one have no rows of it.
    expected = whole(name, 226, 220, dtype=dtype)
    np.testing.assert_array_equal(side_by_side(name, 226, 220, count, dtype=dtype), expected)


@pytest.mark.skipif(not has_bf16(), reason="this processor has no products of bfloat16")
@pytest.mark.parametrize("name", ["mlp", "separate", "convolutions", "residual"])
def test_shards_in_bfloat16_give_the_bits_of_whole_batches(name):
    expected = whole(name, 131, 100, bf16=True, optimizer="AdamW")
    np.testing.assert_array_equal(in_pieces(name, 131, 100, 3, bf16=True, optimizer="AdamW"), expected)


@pytest.mark.parametrize("name", ["mlp", "separate", "normalised rows", "residual"])
def test_the_reference_path_differs_from_whole_batches_by_rounding(name):
    options = {"engine": "reference", "dtype": "float64"}
    expected = whole(name, 70, 50, **options)
    for found in (in_pieces(name, 70, 50, 3, **options), side_by_side(name, 70, 50, 5, **options)):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


LOSSES = {
    "square": (ps.SquareLoss, lambda n: rng.standard_normal((n, 3))),
    "absolute": (ps.AbsoluteLoss, lambda n: rng.standard_normal((n, 3))),
    "huber": (ps.HuberLoss, lambda n: rng.standard_normal((n, 3))),
    "poisson": (ps.PoissonLoss, lambda n: rng.poisson(2, (n, 3))),
    "gamma": (ps.GammaLoss, lambda n: rng.uniform(1, 2, (n, 3))),
    "tweedie": (ps.TweedieLoss, lambda n: rng.poisson(2, (n, 3))),
    "binary": (ps.BinaryCrossEntropy, lambda n: rng.integers(0, 2, (n, 3))),
    "probabilities": (ps.CrossEntropy, lambda n: rng.dirichlet(np.ones(3), n)),
    "quantiles": (lambda x: ps.QuantileLoss(x, quantile=[0.1, 0.5, 0.9]), lambda n: rng.standard_normal(n)),
}


@pytest.mark.parametrize("loss", sorted(LOSSES))
@native_only
def test_fit_accumulates_to_the_same_bits_with_every_loss(loss):
    make, labels = LOSSES[loss]
    X, y, weights = rng.standard_normal((90, 11)), labels(90), rng.uniform(0.1, 2, 90)
    fitted = []
    for accumulate in (1, 3):
        network = made("mlp", make)
        history = network.fit(
            X, y, sample_weight=weights, epochs=2, batch_size=80, seed=4, accumulate=accumulate, progress=False
        )
        fitted.append([*(W.copy() for W in network.parameters.values()), history["loss"]])
    for one, several in zip(*fitted, strict=True):
        np.testing.assert_array_equal(one, several)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_fit_accumulates_with_indices_schedules_and_validation(engine):
    if engine == "native" and extension() is None:
        pytest.skip("the native extension is not built")
    X, y = rng.integers(0, 9, (90, 2)), rng.integers(0, 3, 90)
    fitted = []
    for accumulate in (1, 4):
        with weights_from(0):
            features = ps.Dropout(ps.Flatten(ps.Embedding(Data(shape=(None, 2)), 9, 5)), rate=ps.Cosine(0.5))
            network = Network(ps.CrossEntropy(ps.mlp(features, [20], 3, seed=1)))
        history = network.fit(
            X,
            y,
            optimizer=ps.AdamW(ps.Cosine(0.02), weight_decay=0.1),
            epochs=3,
            batch_size=64,
            seed=4,
            accumulate=accumulate,
            engine=engine,
            dtype="float64",
            validation_data=(X, y),
            progress=False,
        )
        fitted.append([*(W.copy() for W in network.parameters.values()), history["loss"], history["val_loss"]])
    for one, several in zip(*fitted, strict=True):
        if engine == "native":
            np.testing.assert_array_equal(one, several)
        else:
            np.testing.assert_allclose(one, several, rtol=1e-10)


def test_words_from_a_position_on_are_those_of_all_words():
    everything = random_words(3, 2, 5, 50)
    for first, count in ((0, 50), (1, 7), (4, 4), (30, 20), (50, 0)):
        np.testing.assert_array_equal(random_words(3, 2, 5, count, first), everything[first : first + count])


def test_shards_begin_at_panels_and_cover_the_batch():
    for total in (1, 31, 32, 33, 100, 257):
        for count in (1, 2, 3, 4, 7):
            bounds = cut(total, count, 32)
            assert len(bounds) == count
            assert bounds[0][0] == 0
            assert bounds[-1][1] == total
            assert all(end == first for (_, end), (first, _) in pairwise(bounds))
            assert all(first % 32 == 0 or first == total for first, _ in bounds)


@pytest.fixture(params=["native", "reference"])
def begun(request):
    """A program, its data, and where its panels end."""
    if request.param == "native" and extension() is None:
        pytest.skip("the native extension is not built")
    program, data, network = program_for("mlp", 100, engine=request.param, dtype="float64")
    return program, data, network


def test_nothing_changes_before_the_step(begun):
    program, data, _ = begun
    before = program.parameters.copy()
    gradients_of(program, Shard(data, np.arange(program.panel_rows), 100), resume=False)
    np.testing.assert_array_equal(program.parameters, before)
    assert (program.num_steps, program.optimizer.num_steps, program.sums.num_rows) == (0, 0, program.panel_rows)


def test_running_statistics_change_with_the_step_alone():
    for engine in ["reference"] + ["native"] * (extension() is not None):
        program, data, network = program_for("residual", 40, engine=engine)
        states = [array for layer in network.layers for array in layer.state.values()]
        before = [array.copy() for array in states]
        gradients_of(program, Shard(data, np.arange(40), 40), resume=False)
        assert all((one == other).all() for one, other in zip(states, before, strict=True))
        program.apply(RATES)
        assert any((one != other).any() for one, other in zip(states, before, strict=True))


def test_a_shard_that_does_not_fit_is_refused_in_words(begun):
    program, data, _ = begun
    P = program.panel_rows
    rows = np.arange(100)
    for shard, message in (
        (Shard(data, rows, 90), "the shard has the rows 0 to 100 of a batch of only 90 rows"),
        (Shard(data, rows[:P], 100, 1), f"must begin at a multiple of {P} rows of its batch, but begins at row 1"),
        (Shard(data, rows[: P + 1], 100), f"or at its end, row 100, but ends at row {P + 1}"),
        (Shard(data, rows[:0], 0), "total must be an integer of at least 1, but is 0"),
        (Shard(data, rows[:P], 100, -P), "first_row must be an integer of at least 0"),
        (Shard(data, rows[:P], 100.0), "total must be an integer"),
    ):
        with pytest.raises(ValueError, match=message):
            program.compute(shard)


def test_gaps_and_repeated_rows_are_refused(begun):
    program, data, _ = begun
    P = program.panel_rows
    rows = np.arange(100)
    with pytest.raises(ValueError, match=f"without resume the sums begin anew, but the shard begins at row {P}"):
        gradients_of(program, Shard(data, rows[P:], 100, P), resume=False)
    gradients_of(program, Shard(data, rows[:P], 100), resume=False)
    with pytest.raises(
        ValueError, match=f"the sums are of the first {P} rows of the batch, but the shard begins at row {2 * P}"
    ):
        gradients_of(program, Shard(data, rows[2 * P :], 100, 2 * P), resume=True)
    with pytest.raises(ValueError, match="in their order, without gaps"):
        gradients_of(program, Shard(data, rows[:P], 100), resume=True)


def test_a_step_without_all_gradients_is_refused(begun):
    program, data, _ = begun
    before = program.parameters.copy()
    with pytest.raises(ValueError, match="there are no gradients to apply"):
        program.apply(RATES)
    with pytest.raises(ValueError, match="no shard is computed"):
        program.accumulate(resume=False)
    gradients_of(program, Shard(data, np.arange(program.panel_rows), 100), resume=False)
    with pytest.raises(ValueError, match=f"the sums are of {program.panel_rows} rows, but the batch has 100"):
        program.apply(RATES)
    gradients_of(program, Shard(data, np.arange(100), 100), resume=False)
    program.sums.wide[0] = np.nan
    with pytest.raises(ValueError, match="the sum of the losses is nan: from such sums no step can be made"):
        program.apply(RATES)
    np.testing.assert_array_equal(program.parameters, before)
    gradients_of(program, Shard(data, np.arange(100), 100), resume=False)
    program.apply(RATES)
    with pytest.raises(ValueError, match="there are no gradients to apply"):
        program.apply(RATES)
    assert program.num_steps == 1


class Interrupted:
    """The extension's program, with a signal that raises an exception as soon as a step is made."""

    def __init__(self, program):
        self._program = program

    def __getattr__(self, name):
        return getattr(self._program, name)

    def apply_sums(self, *arguments):
        self._program.apply_sums(*arguments)
        raise KeyboardInterrupt


@native_only
def test_a_signal_at_the_end_of_a_step_loses_nothing_of_it():
    expected = whole("mlp", 64, 64)
    program, data, network = program_for("mlp", 64)
    program._program = Interrupted(program._program)
    totals, order = Totals(), np.random.default_rng(1).permutation(64)
    with pytest.raises(KeyboardInterrupt):
        train_in_pieces(program, data, order, 64, [RATES], 0, totals, 2)
    np.testing.assert_array_equal(result(program, network, totals), expected)
    assert program.is_whole


@native_only
def test_a_step_that_breaks_off_is_no_whole_one():
    program, data, _ = program_for("mlp", 64)
    gradients_of(program, Shard(data, np.arange(64), 64), resume=False)

    class Broken(Interrupted):
        def apply_sums(self, *arguments):
            program._progress[0] = 1  # as the extension leaves it where there is no memory in the midst of a step
            raise MemoryError

    program._program = Broken(program._program)
    with pytest.raises(MemoryError):
        program.apply(RATES)
    assert not program.is_whole
    assert (program.num_steps, program.optimizer.num_steps) == (0, 0)


def test_normalize_needs_an_exchange():
    for engine in ["reference"] + ["native"] * (extension() is not None):
        program, data, _ = program_for("normalised rows", 100, engine=engine)
        with pytest.raises(ValueError, match="compute its shards with an exchange"):
            program.compute(Shard(data, np.arange(32), 100))
        program.compute(Shard(data, np.arange(100), 100))  # a whole batch does not


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_loss_that_is_not_finite_is_named_as_with_whole_batches(engine):
    if engine == "native" and extension() is None:
        pytest.skip("the native extension is not built")
    X, y = rng.standard_normal((90, 11)), rng.integers(0, 3, 90)
    messages = []
    for accumulate in (1, 3):
        network = made("mlp")
        before = [W.copy() for W in network.parameters.values()]
        with pytest.raises(NonFiniteError) as caught:
            network.fit(
                X,
                y,
                optimizer=ps.SGD(1e200),
                batch_size=64,
                seed=1,
                accumulate=accumulate,
                engine=engine,
                progress=False,
            )
        messages.append(str(caught.value))
        for W, old in zip(network.parameters.values(), before, strict=True):
            np.testing.assert_array_equal(W, old.astype(W.dtype))
    assert messages[0] == messages[1]


class Centred(ps.Layer):
    def compute(self, x):
        return x - x.mean(0)

    def pull_back(self, dwnstrm):
        return dwnstrm - dwnstrm.mean(0)


def test_layers_that_may_look_at_a_whole_batch_are_refused_by_name():
    network = Network(ps.CrossEntropy(ps.Linear(Centred(Data(shape=(None, 11))), 3)))
    X, y = rng.standard_normal((40, 11)), rng.integers(0, 3, 40)
    with pytest.raises(ValueError, match=r"accumulate = 2 is not possible: .*Centred, which may look at all rows"):
        network.fit(X, y, accumulate=2)
    network.fit(X, y, epochs=1, progress=False)


@pytest.mark.parametrize("accumulate", [0, -1, 1.5, True, "2"])
def test_accumulate_is_a_positive_integer(accumulate):
    with pytest.raises(ValueError, match="accumulate must be a positive integer"):
        made("mlp").fit(np.zeros((4, 11)), np.zeros(4, int), accumulate=accumulate)
