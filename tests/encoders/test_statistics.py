"""Categories of many values: means of the target of the rows of each, and never of a row's own target."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pysmorch as ps
from pysmorch import Classifier, Regressor
from pysmorch.encoders import encoder_from_parts, encoder_to_parts
from pysmorch.encoders.cells import Cells, as_table
from pysmorch.encoders.statistics import FOLDS, MAX_TARGETS, PRIOR_ROWS, Targets, statistics_of
from pysmorch.encoders.table import TableEncoder
from pysmorch.estimators.rows import Labelled
from pysmorch.estimators.splitting import SplitBy
from pysmorch.files import ModelFileError

pytestmark = pytest.mark.filterwarnings("ignore:column.*of categories")
RNG = np.random.default_rng(0)
KEYS = np.array([f"k{i:03d}" for i in np.repeat(np.arange(300), 4)])
EFFECT = RNG.normal(size=300).repeat(4)
NOISE = RNG.normal(size=1200)
FRAME = pd.DataFrame({"x": NOISE, "key": KEYS})
NUMBERS = EFFECT + 0.1 * NOISE
CLASSES = np.where(EFFECT > 0, "up", "down")
SMALL = {"hidden": (8,), "epochs": 2, "random_state": 0, "preset": "fast"}


def learned(codes, num_values, targets, weights, size=1000):
    """The statistics of each value, and those of each row without its own target, from blocks of rows."""
    told = Targets(targets, weights)
    sums = told.no_sums(num_values)
    for first in range(0, len(codes), size):
        told.add(sums, codes[first : first + size], first)
    of_values, of_folds = statistics_of(sums)
    return of_values, of_folds[told.fold, codes]


def averaged(targets):
    return Targets(targets, None).averaged(slice(None))


def test_the_mean_of_a_value_is_shrunk_to_that_of_all_rows():
    codes = np.array([0] * 20 + [1] * 5 + [2] * 15)
    targets = np.array([1.0] * 20 + [0.0] * 20)[:, None]
    of_values, of_rows = learned(codes, 2, targets, None)
    # Half of all rows are 1, and 20 more rows of each value are as if they were so: (20 + 10) / 40, (0 + 10) / 25.
    assert PRIOR_ROWS == 20
    np.testing.assert_allclose(of_values, [[0.75, np.log(21)], [0.4, np.log(6)], [0.5, 0]])
    assert of_rows.shape == (40, 2)
    np.testing.assert_array_equal(of_rows[25:, 1], 0)


def test_the_statistics_of_a_row_do_not_depend_on_its_own_target():
    codes = RNG.integers(0, 10, 100)
    targets = RNG.normal(size=(100, 1))
    _, before = learned(codes, 10, targets, None)
    for row in (0, 17, 99):
        changed = targets.copy()
        changed[row] += 100
        _, after = learned(codes, 10, changed, None)
        same = np.isclose(before, after).all(1)
        assert same[row]
        assert not same.all()
        assert same.sum() <= 100 / FOLDS


def test_rows_get_what_the_other_folds_say():
    codes, targets = np.zeros(100, dtype=np.int64), np.arange(100.0)[:, None]
    fold = np.random.RandomState(0).permutation(100) % 5
    _, of_rows = learned(codes, 1, targets, None)
    # All rows have one value: its mean is that of the other folds' rows, and its count that of 100 rows.
    for i in range(5):
        np.testing.assert_allclose(of_rows[fold == i, 0], np.mean(targets[fold != i]))
    np.testing.assert_allclose(of_rows[:, 1], np.log(101))


@pytest.mark.parametrize("targets", [RNG.normal(size=(500, 3)), RNG.integers(0, 2, 500), RNG.integers(0, 30, 500)])
@pytest.mark.parametrize("weights", [None, RNG.random(500) + 0.1])
def test_blocks_of_rows_give_the_same_bits_as_all_at_once(targets, weights):
    codes = RNG.integers(0, 41, 500)
    of_values, of_rows = learned(codes, 40, targets, weights)
    for size in (1, 37, 499):
        in_blocks = learned(codes, 40, targets, weights, size)
        np.testing.assert_array_equal(in_blocks[0], of_values)
        np.testing.assert_array_equal(in_blocks[1], of_rows)


def test_a_weight_counts_as_so_many_rows_and_only_ratios_count():
    codes, targets = np.array([0, 0, 1, 1]), np.array([1.0, 0, 0, 0])[:, None]
    weights = np.array([3.0, 1, 2, 2])
    of_values, _ = learned(codes, 2, targets, weights)
    # Of mean one: 1.5, 0.5, 1, 1. The mean of all rows is 3 / 8.
    np.testing.assert_allclose(of_values[:2, 0], [(1.5 + 20 * 3 / 8) / 22, (20 * 3 / 8) / 22])
    for factor in (1e-300, 1e6):
        np.testing.assert_allclose(learned(codes, 2, targets, weights * factor)[0], of_values, rtol=1e-12)


def test_classes_have_a_share_each_as_far_as_a_bound():
    np.testing.assert_array_equal(averaged(np.array([0, 1, 1])), [[0], [1], [1]])
    np.testing.assert_array_equal(averaged(np.array([0, 2, 1])), [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    codes = np.repeat(np.arange(20), np.arange(1, 21))
    shares = averaged(codes)
    assert shares.shape == (210, MAX_TARGETS)
    np.testing.assert_array_equal(shares.sum(0), np.arange(13, 21))  # the most frequent classes
    assert averaged(np.zeros((5, 30))).shape == (5, MAX_TARGETS)


@pytest.mark.parametrize(("estimator", "y"), [(Classifier, CLASSES), (Regressor, NUMBERS)])
def test_frames_of_all_libraries_give_the_same_bits(estimator, y):
    frames = [FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME), FRAME.astype({"key": "category"})]
    predictions = [estimator(**SMALL).fit(frame, y).predict(frame) for frame in frames]
    for other in predictions[1:]:
        np.testing.assert_array_equal(other, predictions[0])


@pytest.mark.parametrize("y", [CLASSES, np.digitize(EFFECT, [-1, 0, 1]), NUMBERS])
def test_a_model_keeps_the_statistics(y):
    model = (Classifier if y.dtype.kind in "Ui" else Regressor)(**SMALL).fit(FRAME, y)
    file = io.BytesIO()
    model.save(file)
    loaded = ps.load(file.getvalue())
    np.testing.assert_array_equal(loaded.predict(FRAME), model.predict(FRAME))
    assert loaded.columns_.columns == model.columns_.columns
    several = [model.predict(FRAME[i : i + 7]) for i in range(0, 70, 7)]
    np.testing.assert_array_equal(np.concatenate(several), model.predict(FRAME)[:70])


def test_statistics_that_do_not_fit_are_refused():
    model = Regressor(**SMALL).fit(FRAME, NUMBERS)
    header, tensors = encoder_to_parts(model.encoder_)
    assert encoder_from_parts(header, tensors).statistics.keys() == {"key"}
    (name,) = [name for name in tensors if "statistics" in name]
    for wrong in (tensors[name][:-1], tensors[name].astype(np.float32), None):
        changed = {key: array for key, array in (tensors | {name: wrong}).items() if array is not None}
        with pytest.raises(ModelFileError, match="statistics of the column 'key' are missing or do not fit it"):
            encoder_from_parts(header, changed)


def test_an_unseen_value_has_the_mean_of_all_rows():
    encoder = TableEncoder()
    encoder.learn(Cells(as_table(FRAME)), None, NUMBERS[:, None])
    unseen = pd.DataFrame({"x": [0.0, 0.0], "key": ["never", "nor this"]})
    numbers = encoder._numbers(Cells(as_table(unseen)))
    np.testing.assert_allclose(numbers[:, 1:], [[NUMBERS.mean(), 0]] * 2)
    known = encoder._numbers(Cells(as_table(FRAME[:4])))
    np.testing.assert_allclose(known[0, 1], (NUMBERS[:4].sum() + 20 * NUMBERS.mean()) / 24)


def test_what_values_say_is_learned_and_no_row_is_known_by_heart():
    train, test = np.arange(1200) % 4 > 0, np.arange(1200) % 4 == 0
    model = Regressor(hidden=(32,), random_state=0).fit(FRAME[train], NUMBERS[train])
    assert model.score(FRAME[test], NUMBERS[test]) > 0.8
    chance = np.random.default_rng(3).integers(0, 2, 1200)  # the values say nothing about it
    guess = Classifier(random_state=0).fit(FRAME[train], chance[train])
    likelihood = guess.predict_proba(FRAME[test])[np.arange(300), chance[test]]
    assert -np.log(likelihood).mean() < np.log(2) + 0.02


def test_a_warm_start_on_the_same_rows_goes_on_without_their_own_targets():
    model = Regressor(**SMALL, warm_start=True, early_stopping=False).fit(FRAME, NUMBERS)
    seen = []
    encode = model.encoder_.encode
    model.encoder_.encode = lambda rows: seen.append(encode(rows)) or seen[-1]
    model.fit(FRAME, NUMBERS)
    first = TableEncoder()
    cells = Cells(as_table(FRAME))
    first.learn(cells, None, model._encode_labels(NUMBERS))
    np.testing.assert_array_equal(seen[0], first.encode(cells))
    assert (seen[0] != encode(Cells(as_table(FRAME)))).any()


def test_a_warm_start_has_the_statistics_of_the_classes_of_the_first_training():
    X, y = FRAME, np.arange(len(FRAME)) % 10
    model = Classifier(**SMALL, warm_start=True).fit(X, y)
    (column,) = [column for column in model.encoder_.columns if column.statistics]
    assert (column.averaged, column.statistics) == (list(range(8)), 9)
    few = y < 3
    model.fit(X[few], y[few])  # these alone would have three shares
    assert (column.averaged, column.statistics) == (list(range(8)), 9)


def test_rows_of_one_group_are_in_one_fold():
    groups = np.repeat(np.arange(40), 3)
    fold = Targets(np.arange(120) % 2, None, groups=groups).fold.reshape(40, 3)
    assert (fold == fold[:, :1]).all()
    assert len(np.unique(fold)) == 5


def test_no_row_has_the_statistics_of_its_group():
    groups = np.arange(1200) // 4  # each key is one group
    encoder = TableEncoder()
    encoder.keep_together(groups)
    cells = Cells(as_table(FRAME.assign(key=[f"k{group}" for group in groups])))
    encoder.learn(cells, None, NUMBERS[:, None])
    counts = np.expm1(encoder._numbers(cells)[:, 2])  # the number of rows of other folds, of which none has the key
    np.testing.assert_allclose(counts, 0, atol=1e-6)


def divided(targets, training, held_out, weights=None, groups=None):
    """The parts of a split, and the encoder with what was learned of the training rows."""
    encoder, cells = TableEncoder(), Cells(as_table(FRAME))
    encoder.keep_together(groups)
    encoder.learn(cells, weights, targets)
    of_targets = encoder.target_features(cells, False)
    by = None if groups is None else SplitBy(groups=groups)
    data = Labelled(encoder.encode(cells), targets, weights, weights, by, of_targets)
    *parts, learned = data.divided(training, held_out)
    learned.keep()
    return parts, encoder


@pytest.mark.parametrize("weights", [None, RNG.integers(1, 4, 1200).astype(float)])
@pytest.mark.parametrize("groups", [None, np.arange(1200) // 2])
def test_held_out_rows_have_the_statistics_of_the_training_rows_as_new_rows_do(weights, groups):
    held_out = np.flatnonzero(np.arange(1200) % 4 == 1)
    training = np.setdiff1d(np.arange(1200), held_out)
    targets = NUMBERS[:, None]
    parts, encoder = divided(targets, training, held_out, weights, groups)
    # A means of three rows each, and 20 more of the mean of all 900.
    w = np.ones(1200) if weights is None else weights
    w = w / w[training].mean()
    mean = np.average(NUMBERS[training], weights=w[training])
    index = encoder.columns[1].values.index("k007")
    own = training[KEYS[training] == "k007"]
    expected = (NUMBERS[own] @ w[own] + 20 * mean) / (w[own].sum() + 20)
    np.testing.assert_allclose(encoder.statistics["key"][index], [expected, np.log1p(w[own].sum())])
    fresh = encoder.encode(Cells(as_table(FRAME.iloc[held_out])))
    np.testing.assert_array_equal(parts[1].rows, fresh)
    assert (parts[0].rows != encoder.encode(Cells(as_table(FRAME.iloc[training])))).any()


def test_no_feature_depends_on_the_targets_of_held_out_rows():
    held_out = np.arange(300, 600)
    training = np.setdiff1d(np.arange(1200), held_out)
    swapped = NUMBERS[:, None].copy()
    swapped[held_out] = swapped[held_out][::-1]
    encoder, cells = TableEncoder(), Cells(as_table(FRAME))
    encoder.learn(cells, None, NUMBERS[:, None])
    encoded, of_targets = encoder.encode(cells), encoder.target_features(cells, False)
    parts = [
        Labelled(encoded, y, None, None, None, of_targets).divided(training, held_out)
        for y in (NUMBERS[:, None], swapped)
    ]
    for one, other in zip(parts[0][:2], parts[1][:2], strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
    first = parts[0][0].take(np.arange(0, 900, 3))
    np.testing.assert_array_equal(first.rows, parts[0][0].rows[::3])


@pytest.mark.parametrize("options", [{"early_stopping": True}, {"conformal_fraction": 0.1, "early_stopping": True}])
@pytest.mark.parametrize("argument", ["groups", "time"])
def test_a_model_has_no_statistics_of_the_labels_of_rows_that_are_held_out(argument, options):
    related = np.arange(1200) // 12 if argument == "groups" else np.arange(1200)
    seen = []
    model = Classifier(**SMALL, **options)
    original = Labelled.divided
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Labelled, "divided", lambda self, *rows: seen.append(rows) or original(self, *rows))
        model.fit(FRAME, CLASSES, **{argument: related})
    ((training, held_out),) = seen
    assert len(held_out) >= 0.1 * len(training)
    # As many rows are counted as are trained on.
    counts = np.expm1(model.encoder_.statistics["key"][:-1, 1])
    assert counts.sum() == pytest.approx(len(training))


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "fast"},
        {"members": 3, "epochs": 30},
        {"preset": "fast", "early_stopping": True, "validation_fraction": 0.4, "calibrate": True},
        {"members": 2, "early_stopping": True, "validation_fraction": 0.4, "calibrate": True},
        {"preset": "fast", "conformal_fraction": 0.3},
    ],
)
def test_ids_and_noise_make_nothing_sure(options):
    rng = np.random.default_rng(0)
    ids = rng.permutation(np.repeat([f"id{i}" for i in range(1500)], rng.integers(1, 4, 1500)))
    frame = pd.DataFrame({"x": rng.normal(size=len(ids)), "id": ids})
    noise = rng.normal(size=len(ids))
    half = rng.random(len(ids)) < 0.5
    chance = (noise > 0).astype(int)
    model = Classifier(hidden=(32,), random_state=0, **options).fit(frame[half], chance[half])
    likelihood = model.predict_proba(frame[~half])[np.arange((~half).sum()), chance[~half]]
    assert -np.log(likelihood).mean() < np.log(2) + 0.01
    options = {name: value for name, value in options.items() if name != "calibrate"}
    model = Regressor(hidden=(32,), random_state=0, **options).fit(frame[half], noise[half])
    low, high = model.predict_interval(frame[~half], coverage=0.9).T
    assert 0.88 <= ((low <= noise[~half]) & (noise[~half] <= high)).mean() <= 0.92
