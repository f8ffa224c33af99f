"""Estimators learn from paths, and from tables that the memory cannot hold to the same bits."""

import datetime
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from pysmorch import Classifier, PysmorchWarning, Regressor, load
from pysmorch.engine.rows import LazyRows

ROWS = 600
SETTINGS = {"hidden": (8,), "epochs": 3, "random_state": 0, "preset": "fast"}


@pytest.fixture(scope="module")
def table():
    """Columns of all kinds; the label depends on two of them, and 'much' on three."""
    rng = np.random.default_rng(0)
    a, town = rng.normal(size=ROWS), rng.integers(0, 30, ROWS)
    day = datetime.datetime(2020, 1, 1)
    return pa.table(
        {
            "a": a,
            "gaps": pa.array(rng.integers(0, 50, ROWS), mask=rng.random(ROWS) < 0.1),
            "skewed": np.exp(2 * rng.normal(size=ROWS)),
            "town": [f"town {i}" for i in town],
            "when": [day + datetime.timedelta(hours=int(h)) for h in rng.integers(0, 20_000, ROWS)],
            "words": [" ".join(f"w{i}" for i in rng.integers(0, 40, 5)) for _ in range(ROWS)],
            "flag": rng.random(ROWS) < 0.5,
            "same": np.ones(ROWS),
            "row": np.arange(ROWS),
            "declared": pa.array(rng.integers(0, 5, ROWS).astype(str)).dictionary_encode(),
            "weight": rng.integers(0, 4, ROWS),
            "label": np.where(a + (town > 15) > 0.5, "yes", "no"),
            "much": a + 0.1 * town,
        }
    )


@pytest.fixture
def files(table, tmp_path):
    pa.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=130)
    pa.csv.write_csv(table, tmp_path / "t.csv")
    return {"parquet": tmp_path / "t.parquet", "csv": str(tmp_path / "t.csv")}


def quiet(call):
    """What a call returns; that columns carry nothing, and that a file is read block by block, is said in other tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PysmorchWarning)
        return call()


def learned(model):
    """Everything that a training makes: what columns are, statistics, weights and curves."""
    numbers = model.encoder_.numbers.to_tensors()
    weights = {str(i): layer.W for i, layer in enumerate(model.network_.layers) if hasattr(layer, "W")}
    arrays = {name: array.tobytes() for name, array in (numbers | weights).items()}
    return model.columns_.describe(), arrays, model.loss_curve_, model.validation_curve_


@pytest.mark.parametrize("early_stopping", [False, True, "auto"])
@pytest.mark.parametrize("weight", [None, "weight"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(("estimator", "y"), [(Classifier, "label"), (Regressor, "much")])
def test_a_file_in_blocks_gives_the_same_bits_as_in_memory(
    files, no_memory, kind, weight, early_stopping, estimator, y
):
    def fitted():
        model = estimator(early_stopping=early_stopping, **SETTINGS)
        return quiet(lambda: model.fit(files[kind], y, weight))

    def answers(model):
        return model.predict(files[kind]).tolist(), model.score(files[kind], y, weight)

    expected = fitted()
    expected_answers = quiet(lambda: answers(expected))
    no_memory()
    model = fitted()
    assert learned(model) == learned(expected)
    assert quiet(lambda: answers(model)) == expected_answers


@pytest.fixture
def keys(tmp_path):
    """A file with a category of 300 values, beyond those that have indicators, three rows each, and some that are missing or rare."""
    rng = np.random.default_rng(1)
    effect, codes = rng.normal(size=300), rng.permutation(np.arange(900) % 300)
    cells = [f"k{code:03d}" for code in codes]
    cells[100], cells[200] = None, "only once"
    much = effect[codes] + 0.1 * rng.normal(size=900)
    columns = {
        "key": cells,
        "x": rng.normal(size=900),
        "weight": rng.integers(0, 4, 900),
        "much": much,
        "label": np.where(much > 0, "yes", "no"),
        "part": [f"p{i}" for i in np.digitize(much, [-1, 0, 1])],
    }
    pa.parquet.write_table(pa.table(columns), tmp_path / "k.parquet", row_group_size=130)
    pa.csv.write_csv(pa.table(columns), tmp_path / "k.csv")
    return {"parquet": tmp_path / "k.parquet", "csv": tmp_path / "k.csv"}


@pytest.mark.parametrize(
    ("warm_start", "options"),
    [(False, {}), (True, {}), (True, {"early_stopping": True, "conformal_fraction": 0.1}), (False, {"members": 2})],
)
@pytest.mark.parametrize("weight", [None, "weight"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(("estimator", "y"), [(Classifier, "label"), (Classifier, "part"), (Regressor, "much")])
def test_statistics_of_the_target_have_the_same_bits_in_blocks(
    keys, no_memory, kind, weight, warm_start, options, estimator, y
):
    def fitted():
        left_out = {name: "id" for name in ("much", "label", "part") if name != y}
        model = estimator(columns=left_out, **SETTINGS, **options)
        quiet(lambda: model.set_params(warm_start=warm_start).fit(keys[kind], y, weight))
        return quiet(lambda: model.fit(keys[kind], y, weight)) if warm_start else model

    expected = fitted()
    answers = quiet(lambda: expected.predict(keys[kind])).tolist()
    (of_values,) = expected.encoder_.statistics.values()
    assert of_values.shape[1] == {"label": 2, "part": 5, "much": 2}[y]
    no_memory()
    model = fitted()
    assert learned(model) == learned(expected)
    np.testing.assert_array_equal(model.encoder_.statistics["key"], of_values)
    assert quiet(lambda: model.predict(keys[kind])).tolist() == answers


def test_a_path_is_the_same_as_the_table_in_it(files, table):
    from_path = quiet(lambda: Classifier(**SETTINGS).fit(files["parquet"], "label", "weight"))
    rows, labels = table.drop_columns(["label", "weight"]), table["label"].to_pylist()
    from_table = quiet(lambda: Classifier(**SETTINGS).fit(rows, labels, table["weight"].to_numpy()))
    assert learned(from_path) == learned(from_table)
    assert np.array_equal(from_path.predict_proba(files["parquet"]), from_table.predict_proba(rows))
    assert np.array_equal(from_path.decision_function(files["parquet"]), from_table.decision_function(rows))


def test_the_rows_of_a_file_in_blocks_are_made_when_they_are_read(files, no_memory, monkeypatch):
    seen = []
    no_memory()
    original = Classifier._train
    monkeypatch.setattr(
        Classifier, "_train", lambda self, data, **k: (seen.append(data.rows), original(self, data, **k))
    )
    quiet(lambda: Classifier(early_stopping=False, **SETTINGS).fit(files["parquet"], "label"))
    assert [type(rows) for rows in seen] == [LazyRows]


def test_validation_data_and_further_training_may_be_files_too(files, no_memory):
    def fitted():
        path = files["parquet"]
        model = Regressor(**SETTINGS).fit(path, "much", "weight", eval_set=(path, "much", "weight"))
        return model.partial_fit(path, "much", "weight")

    expected = quiet(fitted)
    no_memory()
    assert learned(quiet(fitted)) == learned(expected)


def test_a_model_of_a_file_in_blocks_is_saved_like_any_other(files, no_memory, tmp_path):
    no_memory()
    model = quiet(lambda: Classifier(**SETTINGS).fit(files["parquet"], "label"))
    model.save(tmp_path / "m.safetensors")
    assert np.array_equal(
        *(quiet(lambda m=m: m.predict(files["parquet"])) for m in (model, load(tmp_path / "m.safetensors")))
    )


def test_rows_without_a_label_are_left_out_and_counted(no_memory, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{i * 7 % 40},{'' if i % 10 == 0 else 'xy'[i % 2]}\n" for i in range(40)))
    with pytest.warns(PysmorchWarning, match=r"^4 rows of t\.csv have no value of 'y' and are left out$"):
        expected = Classifier(**SETTINGS).fit(path, "y")
    no_memory()
    assert learned(quiet(lambda: Classifier(**SETTINGS).fit(path, "y"))) == learned(expected)


def test_that_a_file_is_read_block_by_block_is_a_warning(files, no_memory):
    no_memory()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Classifier(**SETTINGS).fit(files["parquet"], "label")
    assert str(said[0].message).startswith("t.parquet is read block by block: whole, it would take about 0.0 GB, and")
    assert {warning.category for warning in said} == {PysmorchWarning}


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (None, None, r"^y must be the name of the column to predict, but is None; the columns of t\.parquet are"),
        ("labl", None, r"^y: t\.parquet has no column 'labl'; did you mean 'label'\?$"),
        ("label", "none such", r"^sample_weight: t\.parquet has no column 'none such'; the columns are"),
        ("label", "town", r"^sample_weight: the column 'town' must hold numbers, but has type string$"),
    ],
)
def test_names_of_columns_that_are_none_are_refused(files, y, weight, message):
    with pytest.raises(ValueError, match=message):
        Classifier().fit(files["parquet"], y, weight)


@pytest.mark.parametrize("blocks", [False, True])
def test_a_cell_that_does_not_fit_is_named_by_its_row(no_memory, tmp_path, blocks):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("a,y\n" + "".join(f"{i * 7 % 100},{i % 2}\n" for i in range(100)))
    bad.write_text("a,y\n" + "".join(f"{'?!' if i == 77 else i * 7 % 100},{i % 2}\n" for i in range(100)))
    if blocks:
        no_memory()
    model = quiet(lambda: Classifier(**SETTINGS).fit(good, "y"))
    with pytest.raises(ValueError, match=r"^column 'a' held numbers in training, but row 77 has '\?!'$"):
        quiet(lambda: model.predict(bad))


def test_a_file_in_blocks_cannot_be_pixels(files, no_memory):
    no_memory()
    with pytest.raises(ValueError, match=r"^X is a table that is read block by block, but .* must be in memory$"):
        quiet(lambda: Classifier(pixels=True).fit(files["parquet"], "label"))


def test_a_folder_of_images_is_no_table(tmp_path):
    (tmp_path / "a").mkdir()
    from PIL import Image

    Image.new("L", (4, 4)).save(tmp_path / "a" / "1.png")
    with pytest.raises(ValueError, match="is no table; read its arrays or images, and pass them as X"):
        Classifier().fit(tmp_path, "label")
