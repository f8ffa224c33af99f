"""The same data give the same model and the same predictions, bit for bit, whatever library, type or file they come in."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

import pysmorch as ps
from pysmorch import Classifier, PysmorchWarning, Regressor
from pysmorch.encoders.cells import Cells, as_table
from pysmorch.sources import read

N = 400
RNG = np.random.default_rng(0)
NUMBERS = pd.DataFrame(
    {
        "number": RNG.normal(size=N),
        "skewed": RNG.lognormal(3, 2, N),
        "integer": RNG.integers(-5, 50, N),
        "byte": RNG.integers(0, 256, N),
        "single": RNG.normal(size=N).astype(np.float32).astype(float),
        "gaps": np.where(RNG.random(N) < 0.2, np.nan, RNG.normal(size=N)),
        "row": np.arange(N),
        "one": np.full(N, 7),
        "nothing": np.full(N, np.nan),
        "nearly": np.where(np.arange(N) == 3, 1e-6, 0.0),
        "flag": RNG.random(N) < 0.3,
    }
)
Y = np.where(NUMBERS["number"] + NUMBERS["integer"] / 20 > 1, "yes", "no")
TABLE = NUMBERS.assign(
    town=RNG.choice(["Ulm", "Bonn", "東京", None], N),
    code=RNG.choice(["007", "7", "0123"], N),
    level=pd.Series(RNG.choice(["low", "high"], N), dtype="category"),
    day=pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 500, N), unit="D"),
    time=pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 10**7, N), unit="s"),
    text=[" ".join(RNG.choice(["red", "old", "new", "car", "house"], 4)) + f" {i % 300}" for i in range(N)],
)
TABLE.loc[::7, "day"] = pd.NaT

FORMS = {
    "pandas": lambda frame, folder: frame,
    "pandas, nullable": lambda frame, folder: frame.convert_dtypes(),
    "pandas, Arrow": lambda frame, folder: frame.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, columns apart": lambda frame, folder: pd.concat([frame[[name]] for name in frame], axis=1),
    "polars": lambda frame, folder: pl.from_pandas(frame),
    "polars, lazy": lambda frame, folder: pl.from_pandas(frame).lazy(),
    "pyarrow": lambda frame, folder: pa.Table.from_pandas(frame, preserve_index=False),
    "pyarrow, in chunks": lambda frame, folder: pa.concat_tables(
        pa.Table.from_pandas(frame[i : i + 64], preserve_index=False) for i in range(0, len(frame), 64)
    ),
    "dictionaries": lambda frame, folder: frame.astype(object).to_dict("records"),
    "csv": lambda frame, folder: written(frame, folder / "t.csv", lambda path: frame.to_csv(path, index=False)),
    "parquet": lambda frame, folder: written(frame, folder / "t.parquet", frame.to_parquet),
    "feather": lambda frame, folder: written(frame, folder / "t.feather", frame.to_feather),
}
ARRAYS = {
    "float64": lambda frame: frame.to_numpy(np.float64),
    "Fortran order": lambda frame: np.asfortranarray(frame.to_numpy(np.float64)),
    "every other row and column": lambda frame: np.repeat(np.repeat(frame.to_numpy(np.float64), 2, 0), 2, 1)[::2, ::2],
    "objects": lambda frame: frame.to_numpy(object),
    "lists": lambda frame: frame.to_numpy(np.float64).tolist(),
}


def written(frame, path, write):
    write(path)
    return read(str(path)).features


def fitted(X, y, estimator=Classifier, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PysmorchWarning)
        return estimator(hidden=(8,), epochs=2, random_state=0, early_stopping=False, **options).fit(X, y)


def rows_of(X, rows):
    if isinstance(X, (np.ndarray, list)):
        return X[rows]
    return as_table(X)[rows].to_native()


def assert_same_in_blocks(model, X, expected):
    for size in (64, 7):
        parts = [model.predict_proba(rows_of(X, slice(i, i + size))) for i in range(0, N, size)]
        np.testing.assert_array_equal(np.concatenate(parts), expected)
    for row in (0, 3, 7, N - 1):
        np.testing.assert_array_equal(model.predict_proba(rows_of(X, slice(row, row + 1))), expected[row : row + 1])


@pytest.fixture(scope="module")
def of_table():
    model = fitted(TABLE, Y)
    return model, model.predict_proba(TABLE)


@pytest.fixture(scope="module")
def of_numbers():
    model = fitted(NUMBERS, Y)
    return model, model.predict_proba(NUMBERS)


@pytest.mark.parametrize("form", FORMS)
def test_a_table_gives_the_same_bits_in_every_library_and_file_and_in_any_rows(form, of_table, tmp_path):
    X = FORMS[form](TABLE, tmp_path)
    model, expected = of_table
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    np.testing.assert_array_equal(fitted(X, Y).predict_proba(X), expected)
    assert_same_in_blocks(model, X, expected)


@pytest.mark.parametrize("form", FORMS)
def test_numbers_give_the_same_bits_in_every_library_and_file_and_in_any_rows(form, of_numbers, tmp_path):
    X = FORMS[form](NUMBERS, tmp_path)
    model, expected = of_numbers
    np.testing.assert_array_equal(fitted(X, Y).predict_proba(X), expected)
    assert_same_in_blocks(model, X, expected)


@pytest.mark.parametrize("form", ARRAYS)
def test_an_array_of_numbers_is_the_table_of_its_columns(form, of_numbers):
    X = ARRAYS[form](NUMBERS)
    model = fitted(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), of_numbers[1])
    assert_same_in_blocks(model, X, of_numbers[1])
    assert [str(i) for i in model.encoder_.included] == [
        str(i) for i, column in enumerate(of_numbers[0].encoder_.columns) if column.kind != "none"
    ]


def test_numbers_of_every_type_of_arrow_are_those_of_float64():
    plain = {
        "bool": [True, None, False],
        "int8": [-128, None, 127],
        "uint8": [0, None, 255],
        "int32": [-(2**31), 7, None],
        "int64": [-(2**53), 2**53, None],
        "uint64": [0, 2**53, None],
        "halffloat": [0.5, None, -2],
        "float": [0.25, None, 2.0**100],
        "double": [0.1, None, -1e300],
    }
    for names in (list(plain), ["int8", "uint8"], ["int32", "float"], ["uint64", "int64"], ["bool"]):
        chunks = [pa.table({name: pa.array(plain[name], name) for name in names})] * 20
        table = pa.concat_tables(chunks)
        expected = [[np.nan if cell is None else float(cell) for cell in plain[name] * 20] for name in names]
        cells = Cells(as_table(table))
        some = [name for name in names if name != "halffloat"]
        assert list(cells.plain) == some
        block = cells.block(some)
        assert block.dtype == np.float64
        np.testing.assert_array_equal(block.T, [expected[names.index(name)] for name in some])
        fitted_to = [fitted(X, np.arange(60) % 2) for X in (table, pa.table(dict(zip(names, expected, strict=True))))]
        np.testing.assert_array_equal(*(model.predict_proba(table) for model in fitted_to))


@pytest.mark.parametrize("weighted", [False, True])
def test_weights_and_targets_of_numbers_make_no_difference(weighted):
    weights = {"sample_weight": RNG.integers(0, 3, N)} if weighted else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PysmorchWarning)
        models = [
            Regressor(hidden=(4,), epochs=1, random_state=0).fit(X, NUMBERS["number"], **weights)
            for X in (NUMBERS, NUMBERS.to_numpy(np.float64), pl.from_pandas(NUMBERS))
        ]
    expected = models[0].predict(NUMBERS)
    np.testing.assert_array_equal(models[1].predict(NUMBERS.to_numpy(np.float64)), expected)
    np.testing.assert_array_equal(models[2].predict(pl.from_pandas(NUMBERS)), expected)


def test_columns_of_an_array_that_carry_nothing_are_left_out_and_said():
    """Of constants, which arrays often have, only the description speaks."""
    X = NUMBERS.to_numpy(np.float64)
    with pytest.warns(PysmorchWarning) as said:
        model = Classifier(hidden=(4,), epochs=1, random_state=0).fit(X, Y)
    assert sorted(str(warning.message).split(";")[0] for warning in said) == [
        "column '6' is left out: a running number, which only counts the rows",
        "column '8' is left out: no values",
    ]
    assert model.encoder_.describe() == [
        "columns: 11 numbers, 1 may be missing, 3 of them left out, as they carry nothing"
    ]
    changed = X.copy()
    changed[:, 6:9] = [[1e9, np.nan, 5]]
    np.testing.assert_array_equal(model.predict_proba(changed), model.predict_proba(X))


def test_what_is_left_out_of_an_array_is_in_the_file_of_its_model(tmp_path):
    model, X = fitted(NUMBERS.to_numpy(np.float64), Y), NUMBERS.to_numpy(np.float64)
    model.save(tmp_path / "m.safetensors")
    again = ps.load(tmp_path / "m.safetensors")
    assert again.n_features_in_ == again.encoder_.num_features == 11
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_users_say_what_the_columns_of_an_array_hold():
    X = np.column_stack([np.arange(N), NUMBERS["integer"], NUMBERS["number"]])
    model = fitted(X, Y, columns={"0": "number", "1": "category"})
    assert [column.holds for column in model.encoder_.columns] == ["number", "category", "number"]
    np.testing.assert_array_equal(model.predict_proba(X[:5]), model.predict_proba(X)[:5])


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_of_an_array_that_no_number_holds_are_codes(dtype):
    codes = (np.array([9007199254740993, 9007199254740995], dtype)[np.arange(N) % 2])[:, None]
    model = fitted(codes, np.arange(N) % 2, columns=None)
    assert model.encoder_.columns[0].values == ["9007199254740993", "9007199254740995"]
    one = model.predict_proba(codes[1:2])
    assert (one != model.predict_proba(codes[:1])).all()
    np.testing.assert_array_equal(model.predict_proba(np.array([[3]])).shape, (1, 2))


@pytest.mark.parametrize("make", [lambda X: X, lambda X: pd.DataFrame(X, columns=["a", "b"])])
def test_a_first_part_of_the_data_leaves_no_column_out(make):
    X = np.column_stack([np.arange(60.0), np.zeros(60)])
    model = Regressor(hidden=(4,), random_state=0).partial_fit(make(X), X[:, 0] % 7)
    other = np.column_stack([np.arange(60.0), np.arange(60) % 2])
    for _ in range(20):
        model.partial_fit(make(other), other[:, 1] + X[:, 0] % 7 * 0.01)
    assert np.ptp(model.predict(make(other[::-1] * [0, 1]))) > 0.1


def test_an_array_of_row_numbers_only_means_them():
    X = np.arange(60.0)[:, None]
    model = fitted(X, X[:, 0] > 30)
    assert model.encoder_.included.tolist() == [0]
    model = fitted(np.ones((60, 2)), np.arange(60) % 2)
    assert model.encoder_.encode(np.ones((3, 2))).tolist() == [[0.0]] * 3
