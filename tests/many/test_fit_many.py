"""One model for each group: each is what `fit` makes of its rows alone."""

import copy
import pickle
import signal
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pysmorch import Classifier, ManyModels, NonFiniteError, PysmorchWarning, Regressor, fit_many
from pysmorch.engine.extension import extension
from pysmorch.many import for_small_groups

QUICK = {"epochs": 3, "hidden": (4,)}


def quick(kind, **parameters):
    return for_small_groups(kind, **{**QUICK, "random_state": 7, **parameters})


def rows_of_groups(sizes, seed=0, columns=3):
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    X = generator.standard_normal((len(groups), columns))
    return X, groups, X[:, 0] + np.sin(X[:, 1]) * (groups % 3)


def parts(model):
    return model.to_parts()


def same(a, b):
    (header, tensors), (other, others) = parts(a), parts(b)
    assert header == other
    assert tensors.keys() == others.keys()
    for name, array in tensors.items():
        assert array.dtype == others[name].dtype
        np.testing.assert_array_equal(array, others[name], err_msg=name)


def alone(estimator, many, group, X, y, **options):
    model = copy.deepcopy(estimator).set_params(random_state=many.seed_of(group))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PysmorchWarning)
        return model.fit(X, y, **options)


def fitted(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PysmorchWarning)
        return fit_many(*arguments, **options)


@settings(max_examples=8, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
    classifies=st.booleans(),
    gaps=st.booleans(),
    threads=st.integers(1, 3),
)
def test_each_model_is_the_fit_of_its_rows_alone(sizes, seed, classifies, gaps, threads):
    X, groups, y = rows_of_groups(sizes, seed)
    if gaps:
        X[np.random.default_rng(seed).random(X.shape) < 0.2] = np.nan
    y = (y > 0).astype(int) if classifies else y
    estimator = quick(Classifier if classifies else Regressor, threads=threads)
    one_class = [group for group in range(len(sizes)) if classifies and len(set(y[groups == group])) < 2]
    if len(one_class) == len(sizes):
        with pytest.raises(ValueError, match="no group can be trained"):
            fitted(estimator, X, y, by=groups)
        return
    many = fitted(estimator, X, y, by=groups)
    assert many.groups == list(range(len(sizes)))
    assert list(many.failed) == one_class
    for group in many.models:
        of_group = groups == group
        same(many.models[group], alone(estimator, many, group, X[of_group], y[of_group]))


def test_a_model_does_not_depend_on_other_groups_nor_on_where_its_rows_are():
    X, groups, y = rows_of_groups([30, 25, 20])
    many = fitted(quick(Regressor), X, y, by=groups)
    interleaved = np.argsort(np.concatenate([np.arange(size) for size in (30, 25, 20)]), kind="stable")
    mixed = fitted(quick(Regressor), X[interleaved], y[interleaved], by=groups[interleaved])
    single = fitted(quick(Regressor), X[groups == 1], y[groups == 1], by=groups[groups == 1])
    same(many.models[1], mixed.models[1])
    same(many.models[1], single.models[1])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_with_categories_and_gaps(library):
    pandas = pytest.importorskip("pandas")
    X, groups, y = rows_of_groups([40, 30])
    frame = pandas.DataFrame(
        {"a": X[:, 0], "b": X[:, 1], "day": np.array(["mon", "tue", "wed"])[np.arange(len(X)) % 3]}
    )
    frame.loc[::7, "a"] = None
    frame["store"], frame["sales"] = np.array(["Oslo", "Bergen"])[groups], y
    features = frame.drop(columns=["store", "sales"])
    if library == "polars":
        frame = pytest.importorskip("polars").from_pandas(frame)
    if library == "pyarrow":
        frame = pytest.importorskip("pyarrow").Table.from_pandas(frame, preserve_index=False)
    many = fitted(quick(Regressor), frame, "sales", by="store")
    assert many.groups == ["Bergen", "Oslo"]
    assert many.by == ["store"]
    for group, index in (("Oslo", 0), ("Bergen", 1)):
        some = features[groups == index]
        expected = alone(quick(Regressor), many, group, some, y[groups == index])
        np.testing.assert_array_equal(many.models[group].predict(some), expected.predict(some))
    predicted = many.predict(frame)
    np.testing.assert_array_equal(predicted[groups == 0], many.models["Oslo"].predict(features[groups == 0]))
    assert many.score(frame, "sales").keys() == {"Bergen", "Oslo"}


def test_several_columns_make_a_group():
    pandas = pytest.importorskip("pandas")
    X, groups, y = rows_of_groups([20, 20, 20])
    frame = pandas.DataFrame({"x": X[:, 0], "store": groups % 2, "item": np.array(["a", "b"])[groups // 2], "y": y})
    many = fitted(quick(Regressor), frame, "y", by=["store", "item"])
    assert many.groups == [(0, "a"), (0, "b"), (1, "a")]
    assert many.predict(frame).shape == (60,)
    assert many.models[1, "a"].n_features_in_ == 1


def test_groups_of_a_file_are_those_of_a_frame(tmp_path):
    pandas = pytest.importorskip("pandas")
    X, groups, y = rows_of_groups([30, 30])
    frame = pandas.DataFrame({"x": X[:, 0], "z": X[:, 1], "store": groups + 17, "y": y})
    frame.to_csv(tmp_path / "sales.csv", index=False)
    many = fitted(quick(Regressor), tmp_path / "sales.csv", "y", by="store")
    assert many.groups == ["17", "18"]
    assert many.seed_of(17) == many.seed_of("17")
    assert many.models[17].n_iter_ == 3
    np.testing.assert_array_equal(many.predict(tmp_path / "sales.csv"), many.predict(frame[["store", "z", "x"]]))


def test_weights_and_several_targets():
    X, groups, y = rows_of_groups([30, 30])
    weights = np.random.default_rng(1).integers(0, 3, len(X))
    many = fitted(quick(Regressor), X, y, by=groups, sample_weight=weights)
    of_group = groups == 1
    same(many.models[1], alone(quick(Regressor), many, 1, X[of_group], y[of_group], sample_weight=weights[of_group]))
    several = fitted(quick(Regressor), X, np.stack([y, -y], 1), by=groups)
    assert several.predict(X, by=groups).shape == (60, 2)


def test_other_estimators_are_trained_as_they_are():
    X, groups, y = rows_of_groups([40, 40])
    estimator = Classifier(epochs=2, hidden=(4,), members=2, random_state=3)
    many = fitted(estimator, X, y > 0, by=groups)
    same(many.models[0], alone(estimator, many, 0, X[groups == 0], y[groups == 0] > 0))
    assert not hasattr(estimator, "network_")


def test_probabilities_are_those_of_all_classes():
    X, groups, _ = rows_of_groups([20, 20])
    y = np.where(groups == 0, np.array(["a", "b"])[np.arange(40) % 2], np.array(["b", "cc"])[np.arange(40) % 2])
    many = fitted(quick(Classifier), X, y, by=groups)
    assert many.classes_.tolist() == ["a", "b", "cc"]
    probabilities = many.predict_proba(X, by=groups)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert (probabilities[:20, 2] == 0).all()
    assert (probabilities[20:, 0] == 0).all()
    assert set(many.predict(X, by=groups)[:20]) <= {"a", "b"}


def test_a_group_that_fails_is_named_and_loses_no_other():
    X, groups, y = rows_of_groups([20, 1, 20, 20])
    X[groups == 2, 1] = np.inf
    y = (y > 0).astype(int)
    with pytest.warns(
        PysmorchWarning, match="2 of 4 groups have no model, see `failed`; the first is 1: y has one class"
    ):
        many = fit_many(quick(Classifier), X, y, by=groups)
    assert list(many.failed) == [1, 2]
    assert "infin" in many.failed[2]
    assert list(many.models) == [0, 3]
    assert many.figures["rows"] == [20, 1, 20, 20]
    assert np.isnan(many.figures["loss"]).tolist() == [False, True, True, False]
    assert many.figures["remark"][1] == many.failed[1]
    with pytest.raises(KeyError, match="has no model: y has one class"):
        many.models[1]
    with pytest.raises(ValueError, match="the group 1 of 1 row of X has no model, since y has one class"):
        many.predict(X[:21], by=groups[:21])


def test_a_loss_that_is_not_finite_is_the_reason_of_one_group():
    X, groups, y = rows_of_groups([20, 20])
    estimator = quick(Regressor, learning_rate=1e30, optimizer="sgd", epochs=20)
    with pytest.raises(ValueError, match=r"no group can be trained; the first one, 0: .*not finite"):
        fit_many(estimator, X, y, by=groups)


def test_remarks_say_what_deserves_attention_and_warn_of_nothing():
    X, groups, y = rows_of_groups([3, 30, 30])
    y[groups == 1] = 5.0
    X[groups == 2, 2] = 1.0
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        many = fit_many(quick(Regressor), frame, y, by=groups)
    assert many.remarks[0] == ["it has 3 rows only, from which little can be learned"]
    assert many.remarks[1] == ["all its targets are the same, and so are its predictions"]
    assert many.remarks[2] == ["column 'c' is left out: one value only"]
    assert (many.predict(frame, by=groups)[groups == 1] == 5.0).all()


def test_rows_of_unknown_groups_are_an_error_or_those_of_the_fallback():
    X, groups, y = rows_of_groups([20, 20])
    many = fitted(quick(Regressor), X, y, by=groups)
    with pytest.raises(ValueError, match="the group 5 of 2 rows of X is not one of the training; leave out"):
        many.predict(X[:3], by=[0, 5, 5])
    with pytest.raises(KeyError, match="there is no group 5; the groups are 0, 1"):
        many.models[5]
    other = fitted(quick(Regressor), X, y, by=groups, fallback=quick(Regressor, epochs=2))
    predicted = other.predict(X[:3], by=[0, 5, 5])
    np.testing.assert_array_equal(predicted[1:], other.fallback.predict(X[1:3]))
    np.testing.assert_array_equal(predicted[:1], many.predict(X[:1], by=[0]))
    same(other.fallback, quick(Regressor, epochs=2).fit(X, y))
    assert other.score(X[:4], y[:4], by=[0, 0, 5, 5]).keys() == {0, 5}
    assert fitted(quick(Regressor), X, y, by=groups, fallback=other.fallback).fallback.n_iter_ == 2


def test_groups_are_called_by_numbers_booleans_and_texts():
    X, groups, y = rows_of_groups([20, 20])
    for names, expected in [
        (groups * 20 - 10, [-10, 10]),
        (groups + 1.0, [1, 2]),  # whole numbers, as of a column that has gaps elsewhere
        (groups == 1, [False, True]),
        (np.array(["2024-05-01", "2024-05-02"])[groups], ["2024-05-01", "2024-05-02"]),
        (np.array(["10", "9"])[groups], ["10", "9"]),
    ]:
        many = fitted(quick(Regressor, epochs=1), X, y, by=names)
        assert many.groups == expected
        assert [type(group) for group in many.groups] == [type(group) for group in expected]
        np.testing.assert_array_equal(many.predict(X[-1:], by=names[-1:]), many.models[many.groups[-1]].predict(X[-1:]))


def test_dates_and_gaps_are_no_names_of_groups():
    pandas = pytest.importorskip("pandas")
    X, groups, y = rows_of_groups([20, 20])
    frame = pandas.DataFrame(
        {"x": X[:, 0], "y": y, "day": pandas.to_datetime("2024-05-01") + groups * pandas.Timedelta("1D")}
    )
    with pytest.raises(ValueError, match=r"the column 'day' must hold names of groups.*make texts of its values"):
        fit_many(quick(Regressor), frame, "y", by="day")
    named = frame.assign(day=frame["day"].dt.strftime("%d.%m.%Y"))
    assert fitted(quick(Regressor, epochs=1), named, "y", by="day").groups == ["01.05.2024", "02.05.2024"]
    for gap in (None, float("nan"), ""):
        named.loc[3, "day"] = gap
        with pytest.raises(ValueError, match="the column 'day' needs a value in each row, but row 3 has none"):
            fit_many(quick(Regressor), named, "y", by="day")


def test_a_group_of_one_row_has_a_model_that_predicts_its_target():
    X, groups, y = rows_of_groups([1, 20])
    many = fitted(quick(Regressor), X, y, by=groups)
    assert many.remarks[0] == [
        "it has 1 row only, from which little can be learned",
        "all its targets are the same, and so are its predictions",
    ]
    np.testing.assert_allclose(many.predict(X[:1] + 5, by=[0]), y[:1])
    assert np.isnan(many.figures["score"][0])


def test_wrong_arguments_say_what_to_do():
    X, groups, y = rows_of_groups([20, 20])
    for arguments, options, message in [
        ((quick(Regressor), X, y), {"by": "store"}, "by='store' names columns, but X is an array without names"),
        ((quick(Regressor), X, y), {"by": groups[:5]}, "by has 5 values, but X has 40 rows"),
        ((quick(Regressor), X, y[:5]), {"by": groups}, "y has 5 values, but X has 40 rows"),
        ((quick(Regressor), X, "y"), {"by": groups}, "'y' names a column, but X is an array"),
        (
            (quick(Regressor), X, y),
            {"by": groups + 0.5},
            "by: it must hold names of groups, texts or whole numbers, but row 0 has 0.5",
        ),
        ((quick(Regressor), X, y), {"by": [None] + ["a"] * 39}, "by: it needs a value in each row, but row 0 has none"),
        ((quick(Regressor, epochs=0), X, y), {"by": groups}, "epochs"),
        ((quick(Regressor), X[:0], y[:0]), {"by": groups[:0]}, "X has no rows"),
        ((quick(Regressor), X, y), {"by": groups, "sample_weight": [1.0]}, "sample_weight has 1 values"),
    ]:
        with pytest.raises(ValueError, match=message):
            fitted(*arguments, **options)
    with pytest.raises(TypeError, match="estimator must be a Classifier or Regressor"):
        fit_many(object(), X, y, by=groups)
    with pytest.raises(TypeError, match="kind must be the class"):
        fit_many(int, X, y, by=groups)
    with pytest.raises(TypeError, match="fallback must be a Regressor"):
        fit_many(Regressor, X, y, by=groups, fallback=Classifier())
    many = fitted(quick(Regressor), X, y, by=groups)
    with pytest.raises(ValueError, match="the group of each row was passed as values in the training"):
        many.predict(X)
    with pytest.raises(ValueError, match="predict numbers, which have no probabilities"):
        many.predict_proba(X, by=groups)


def test_other_columns_of_a_frame_are_left_out_and_missing_ones_named():
    pandas = pytest.importorskip("pandas")
    X, groups, y = rows_of_groups([20, 20])
    frame = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "g": groups, "y": y})
    many = fitted(quick(Regressor), frame, "y", by="g")
    np.testing.assert_array_equal(many.predict(frame), many.predict(frame.assign(more="x")[["more", "b", "g", "a"]]))
    with pytest.raises(ValueError, match="X lacks b, on which"):
        many.predict(frame.drop(columns="b"))
    with pytest.raises(ValueError, match="by: X has no column 'g'"):
        many.predict(frame.drop(columns="g"))
    with pytest.raises(ValueError, match=r"by: X has no column 'G'; did you mean 'g'\?|by: X has no column 'G'"):
        fit_many(quick(Regressor), frame, "y", by="G")


def test_copies_hold_all_models():
    X, groups, y = rows_of_groups([20, 20])
    many = fitted(quick(Regressor), X, y, by=groups)
    for copied in (pickle.loads(pickle.dumps(many)), copy.deepcopy(many)):
        assert isinstance(copied, ManyModels)
        np.testing.assert_array_equal(copied.predict(X, by=groups), many.predict(X, by=groups))
    assert repr(many) == "ManyModels(2 regressors)"
    assert len(many) == len(many.models) == 2


def test_a_model_trains_on_to_the_same_bits():
    X, groups, y = rows_of_groups([20, 20])
    many = fitted(quick(Regressor), X, y, by=groups)
    one = alone(quick(Regressor), many, 1, X[groups == 1], y[groups == 1])
    same(many.models[1].partial_fit(X[:9], y[:9]), one.partial_fit(X[:9], y[:9]))


@pytest.mark.skipif(
    extension() is None, reason="the reference path ends after an epoch, which is shorter than this test"
)
def test_an_interruption_ends_all_threads():
    X, groups, y = rows_of_groups([4000, 4000])
    estimator = quick(Regressor, epochs=4000, hidden=(256, 256), batch_size=256, patience=4000, threads=2)
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):  # training takes some minutes
        fit_many(estimator, X, y, by=groups)
    assert all("ThreadPoolExecutor" not in thread.name for thread in threading.enumerate())


def test_progress_is_shown_where_it_is_wanted(capsys):
    X, groups, y = rows_of_groups([20, 20])
    fitted(quick(Regressor, verbose=True), X, y, by=groups)
    assert "2 of 2 groups" in capsys.readouterr().err
    fitted(quick(Regressor), X, y, by=groups)
    assert capsys.readouterr().err == ""


def test_an_error_of_a_group_is_that_of_its_fit():
    X, groups, y = rows_of_groups([20, 20])
    y[3] = np.nan
    many = fitted(quick(Regressor), X, y, by=groups)
    with pytest.raises(ValueError) as caught:
        quick(Regressor).fit(X[groups == 0], y[groups == 0])
    assert many.failed == {0: " ".join(str(caught.value).split())}
    assert issubclass(NonFiniteError, ArithmeticError)
