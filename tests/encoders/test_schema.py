"""What each column of a table is taken to be, in every library and file."""

import datetime
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import pysmorch as ps
from pysmorch import Classifier, PysmorchWarning, Regressor
from pysmorch.encoders import ColumnError, kinds_from
from pysmorch.encoders.cells import Cells, as_table
from pysmorch.encoders.table import TableEncoder

RNG = np.random.default_rng(0)
N = 60
OTHER = RNG.normal(size=N)
Y = np.arange(N) % 2
SMALL = {"hidden": (4,), "epochs": 1, "random_state": 0, "preset": "fast"}


def learn(data, columns=None, missing=None, weights=None, targets=None):
    encoder = TableEncoder()
    encoder.choose(columns, missing)
    cells = Cells(as_table(data if not isinstance(data, dict) else pa.table(data)))
    encoder.learn(cells, weights, np.zeros(len(cells), dtype=int) if targets is None else targets)
    return encoder


def encode(encoder, data):
    return encoder.encode(Cells(as_table(data if not isinstance(data, dict) else pa.table(data))))


def column_of(cells, **options):
    """Return what is learned of cells, repeated to N rows, beside a column of numbers."""
    repeated = (list(cells) * N)[:N]
    return learn({"a": repeated, "other": OTHER}, **options).columns[0]


@pytest.mark.parametrize(
    ("cells", "kind", "holds"),
    [
        (["1.5", "2"], "number", "number"),
        (["3", "1", "2"], "number", "integer"),
        (["007", "7"], "category", "category"),
        (["00501", "90210"], "category", "category"),
        (["0x1F", "0x2A"], "category", "category"),
        (["007", "1.0", "TRUE", "1e3"], "category", "category"),
        (["yes", "no"], "number", "boolean"),
        (["Y", "N", "NA"], "number", "boolean"),
        (["True", "False"], "number", "boolean"),
        (["on", "off"], "number", "boolean"),
        (["f", "t", ""], "number", "boolean"),
        (["31.12.2024", "1.1.2025"], "number", "time"),
        (["2024-01-01T00:00Z", "2024-01-02T00:00Z"], "number", "time"),
        (["7:05", "23:59"], "number", "time of day"),
        (["1 days 00:00:00", "26:00:00"], "number", "duration"),
        (["7:05 AM", "11:59 pm"], "number", "time of day"),
        (["12%", "3%"], "number", "number"),
        (["ja", "Nein"], "number", "boolean"),
        (["oui", "non", ""], "number", "boolean"),
        (["Sí", "No"], "number", "boolean"),
        (["WAHR", "FALSCH"], "number", "boolean"),
        (["да", "нет"], "number", "boolean"),
        (["是", "否"], "number", "boolean"),
        (["NA", "DE"], "category", "category"),
        (["1234567890123456789", "1234567890123456790"], "category", "category"),
        ([2**60, 2**60 + 1], "category", "category"),
        ([True, False], "number", "boolean"),
        ([None, None], "none", "empty"),
        (["", "NA"], "none", "empty"),
        (["same"], "none", "constant"),
        ([4.0], "none", "constant"),
    ],
)
@pytest.mark.filterwarnings("ignore::pysmorch.PysmorchWarning")
def test_a_column_is_what_all_its_cells_say(cells, kind, holds):
    column = column_of(cells)
    assert (column.kind, column.holds) == (kind, holds)


@pytest.mark.parametrize("odd", ["2024-02-30", "0000-00-00", "2024-01-31T24:00", "soon", "31.12.2024"])
@pytest.mark.parametrize("first", [0, 1, 39])
def test_a_cell_among_dates_that_is_none_is_said(odd, first):
    cells = [f"2024-01-{1 + i % 20:02d}" for i in range(40)]
    cells[first] = odd
    with pytest.warns(PysmorchWarning, match=f"mixed: 9[0-9]% of its values are dates, but not '{odd}'"):
        learn({"a": cells, "other": RNG.normal(size=40)})


def test_markers_are_missing_in_numbers_and_values_in_text():
    for marker in (
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "<NA>",
        "NaN",
        "nan",
        "null",
        "NULL",
        "None",
        "?",
        "NaT",
        "1.#IND",
    ):
        assert column_of(["1", "2", marker]).missing
        assert column_of(["DE", "FR", marker]).values == sorted(["DE", "FR", marker])
    assert column_of(["DE", "NA", "-"], missing=["NA", "-"]) == column_of(["DE", "", ""])
    with pytest.warns(PysmorchWarning, match="mixed: 67% of its values are numbers, but not '\\?'"):
        assert column_of(["1", "2", "?"], missing=["NA"]).kind == "category"


TIMES = pd.date_range("2024-01-01", periods=N, freq="7h", tz="UTC")
SAME = {
    "integers": (
        [3, 1, 2] * 20,
        [
            np.array([3, 1, 2] * 20),
            pd.array([3, 1, 2] * 20, "Int64"),
            pd.array([3, 1, 2] * 20, "int16[pyarrow]"),
            np.array([3, 1, 2] * 20, dtype=object),
            ["3", "1", "2"] * 20,
            np.array([3, 1, 2] * 20, np.float32),
            [Decimal(3), Decimal(1), Decimal(2)] * 20,
        ],
    ),
    "numbers with gaps": (
        [1.5, None, -2.0] * 20,
        [
            np.array([1.5, np.nan, -2.0] * 20),
            pd.array([1.5, None, -2.0] * 20, "Float64"),
            np.array([1.5, None, -2] * 20, dtype=object),
            ["1.5", "NA", "-2"] * 20,
            ["1.5", "", "-2.0"] * 20,
            [Decimal("1.5"), None, Decimal("-2")] * 20,
        ],
    ),
    "booleans": (
        [True, False, None] * 20,
        [
            pd.array([True, False, None] * 20, "boolean"),
            np.array([True, False, None] * 20, dtype=object),
            ["true", "false", ""] * 20,
            ["Yes", "no", "NA"] * 20,
            ["T", "F", None] * 20,
        ],
    ),
    "categories": (
        ["b", "a", None] * 20,
        [
            np.array(["b", "a", None] * 20, dtype=object),
            pd.array(["b", "a", None] * 20, "string"),
            pd.Categorical(["b", "a", None] * 20),
            pd.array(["b", "a", None] * 20, "string[pyarrow]"),
            [" b", "a ", ""] * 20,
        ],
    ),
    "times": (
        TIMES.tz_localize(None).to_numpy(),
        [
            TIMES,
            TIMES.tz_convert("Asia/Tokyo"),
            TIMES.astype("datetime64[s, UTC]"),
            TIMES.astype(str).to_numpy(dtype=object),
            [t.isoformat() for t in TIMES.tz_convert("America/St_Johns")],
            np.array([t.to_pydatetime() for t in TIMES], dtype=object),
            TIMES.strftime("%Y-%m-%d %H:%M").tolist(),
        ],
    ),
    "days": (
        [datetime.date(2024, 1, 1 + i % 30) for i in range(N)],
        [
            [f"{1 + i % 30:02d}.01.2024" for i in range(N)],
            [f"1/{1 + i % 30}/2024" for i in range(N)],
            [f"Jan {1 + i % 30}, 2024" for i in range(N)],
            [datetime.datetime(2024, 1, 1 + i % 30) for i in range(N)],
            [f"2024-01-{1 + i % 30:02d}" for i in range(N)],
        ],
    ),
    "durations": (
        [datetime.timedelta(hours=7 * i % 50) for i in range(N)],
        [
            pd.to_timedelta([7 * i % 50 for i in range(N)], unit="h"),
            pd.to_timedelta([7 * i % 50 for i in range(N)], unit="h").astype("timedelta64[s]"),
            pd.to_timedelta([7 * i % 50 for i in range(N)], unit="h").astype(str).tolist(),
            [f"{7 * i % 50}:00:00" for i in range(N)],
            [f"PT{7 * i % 50}H" for i in range(N)],
        ],
    ),
    "times of day": (
        [datetime.time(i % 24, i % 60) for i in range(N)],
        [
            [f"{i % 24:02d}:{i % 60:02d}" for i in range(N)],
            [f"{i % 24}:{i % 60:02d}:00" for i in range(N)],
            np.array([datetime.time(i % 24, i % 60) for i in range(N)], dtype=object),
            pa.array([datetime.time(i % 24, i % 60) for i in range(N)], pa.time32("s")),
            pa.array([datetime.time(i % 24, i % 60) for i in range(N)], pa.time64("ns")),
        ],
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_data_in_any_type_and_library_are_the_same_bits(name):
    plain, others = SAME[name]
    expected = encode(*[f(pd.DataFrame({"a": plain})) for f in (learn, lambda frame: frame)])
    assert np.ptp(expected, axis=0).any()
    for other in others:
        if isinstance(other, pa.Array):
            frames = [pa.table({"a": other})]
        else:
            frame = pd.DataFrame({"a": other})
            frames = (
                [frame, pl.from_pandas(frame)] if frame["a"].dtype != object or isinstance(other, list) else [frame]
            )
            frames += [pa.Table.from_pandas(frame, preserve_index=False)]
        for made in frames:
            found = encode(learn(made), made)
            np.testing.assert_array_equal(found, expected, err_msg=f"{type(made)} {other!r:.100}")
            np.testing.assert_array_equal(found[5:6], encode(learn(made), as_table(made)[5:6].to_native()))


@pytest.mark.parametrize("cell", ["007", "7", "1.0", "1", "TRUE", "1e3"])
def test_a_text_is_the_same_alone_and_in_company(cell):
    cells = ["007", "7", "1.0", "1", "TRUE", "true", "A1", "1e3"] * 4
    with pytest.warns(PysmorchWarning, match="mixed"):
        encoder = learn({"a": cells})
    np.testing.assert_array_equal(encode(encoder, {"a": [cell]})[0], encode(encoder, {"a": cells})[cells.index(cell)])


def test_a_cell_that_is_not_as_in_training_is_named_with_its_row():
    for training, cell, message in (
        (["1,5", "2,5"], "1.5", "held numbers in training written , ., but row 1 has '1.5'"),
        (["31.12.2024", "1.1.2025"], "2024-12-31", "held times in training written day.month.year, but row 1 has"),
        (["yes", "no"], "maybe", "held booleans in training, but row 1 has 'maybe'"),
        (["7:05", "8:10"], "noon", "held times of day in training, but row 1 has 'noon'"),
        (["1", "2"], "0x1F", "held numbers in training, but row 1 has '0x1F'"),
    ):
        encoder = learn({"a": training * 20})
        with pytest.raises(ColumnError, match=message):
            encode(encoder, {"a": [training[0], cell]})


@pytest.mark.parametrize("name", ["Unnamed: 0", "__index_level_0__", "number"])
@pytest.mark.parametrize("start", [0, 1])
def test_running_numbers_are_left_out_and_said(name, start):
    for cells in (np.arange(start, N + start), [str(i) for i in range(start, N + start)]):
        with pytest.warns(PysmorchWarning, match=f"column '{name}' is left out: a running number"):
            encoder = learn({name: cells, "other": OTHER})
        assert encoder.columns[0].kind == "none"
        assert encoder.width == 1
    assert learn({name: np.arange(N), "other": OTHER}, columns={name: "number"}).columns[0].kind == "number"


@pytest.mark.parametrize(
    "cells",
    [
        np.arange(1950, 1950 + N),
        RNG.permutation(N),
        np.arange(N)[::-1],
        np.arange(N) * 5,
        np.arange(N) + 0.5,
        np.arange(N) // 2,
    ],
)
def test_numbers_that_only_look_like_running_ones_are_kept(cells):
    assert learn({"a": cells, "other": OTHER}).columns[0].kind == "number"


@pytest.mark.parametrize("cell", ["foo", "2024-01-01", "1,2,3", "0x1F", "yes"])
def test_a_column_that_only_counted_the_rows_must_still_hold_numbers(cell):
    x = np.random.default_rng(0).standard_normal(40).round(3)
    model = Classifier(hidden=(4,), epochs=1, random_state=0)
    with pytest.warns(PysmorchWarning, match="a running number"):
        model.fit(pd.DataFrame({"id": [str(i) for i in range(40)], "x": x}), x > 0)
    model.predict(pd.DataFrame({"id": ["7", "", "900"], "x": [0.1, 0.2, 0.3]}))
    with pytest.raises(ColumnError, match="column 'id' held numbers in training, but row 1 has "):
        model.predict(pd.DataFrame({"id": ["7", cell], "x": [0.1, 0.2]}))


def test_a_table_of_running_numbers_only_keeps_them():
    assert learn({"a": np.arange(N)}).columns[0].kind == "number"


@pytest.mark.parametrize("form", ["user-{}", "{}@example.org", "X{}Y", "10.0.0.{}", "{:040d}"])
def test_texts_that_never_come_twice_are_left_out_and_said(form):
    with pytest.warns(PysmorchWarning, match="column 'a' is left out: all values are distinct"):
        assert learn({"a": [form.format(i) for i in range(N)], "other": OTHER}).columns[0].holds == "id"


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_integers_of_19_digits_are_codes_in_every_library(make):
    ids = 1234567890123456789 + np.arange(N) // 2
    encoder = learn(make({"a": ids, "other": OTHER}))
    assert encoder.columns[0].values[0] == "1234567890123456789"
    text = learn({"a": ids.astype(str), "other": OTHER})
    np.testing.assert_array_equal(
        encode(encoder, make({"a": ids, "other": OTHER})), encode(text, {"a": ids.astype(str), "other": OTHER})
    )


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, "", pd.NaT])
def test_a_column_without_values_plays_no_part(gap):
    data = pd.DataFrame({"a": np.array([gap] * N, dtype=object), "other": OTHER})
    with pytest.warns(PysmorchWarning, match="column 'a' is left out: no values"):
        encoder = learn(data)
    assert encoder.width == 1
    np.testing.assert_array_equal(encode(encoder, data.assign(a="now")), encode(encoder, data))


def test_one_row_and_a_batch_without_values_are_encoded():
    data = {"a": [1.0, 2.0, None] * 20, "b": ["x", "y", None] * 20, "c": ["31.12.2024", "30.12.2024", None] * 20}
    encoder = learn(data)
    whole = encode(encoder, data)
    for i in range(3):
        np.testing.assert_array_equal(encode(encoder, {name: [cells[i]] for name, cells in data.items()})[0], whole[i])
    nothing = encode(encoder, pa.table({name: pa.nulls(2) for name in data}))
    np.testing.assert_array_equal(nothing, whole[[2, 2]])


def test_an_ordered_category_marks_all_values_up_to_its_own():
    sizes = ["S", "L", "M"] * 20
    for frame in (
        pd.DataFrame({"a": pd.Categorical(sizes, ["S", "M", "L"], ordered=True)}),
        pl.DataFrame({"a": pl.Series(sizes, dtype=pl.Enum(["S", "M", "L"]))}),
        pa.Table.from_pandas(pd.DataFrame({"a": pd.Categorical(sizes, ["S", "M", "L"], ordered=True)})),
    ):
        encoder = learn(frame)
        assert encoder.columns[0].values == ["S", "M", "L"]
        np.testing.assert_array_equal(encode(encoder, frame)[:3], [[1, 0, 0], [1, 1, 1], [1, 1, 0]])
        np.testing.assert_array_equal(encode(encoder, {"a": ["M", "XL"]}), [[1, 1, 0], [0, 0, 0]])


@pytest.mark.filterwarnings("ignore::pysmorch.PysmorchWarning")
@pytest.mark.parametrize("count", [255, 256, 5000])
def test_many_categories_have_indicators_as_far_as_they_go_and_statistics_beyond(count):
    cells = [f"c{i:04d}" for i in range(count)] * 2
    column = learn({"a": cells, "other": np.arange(2.0 * count) ** 2}).columns[0]
    assert column.num_own == 255
    assert len(column.values) == count
    assert ("means of the target of all" in column.describe()) == (count > 255)


def test_more_categories_than_fit_are_said():
    with pytest.warns(
        PysmorchWarning, match="column 'a' of categories: 1000 values, of which the 255 most frequent have indicators"
    ):
        learn({"a": [f"c{i}" for i in range(1000)] * 2})


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("这家餐厅很好吃", "这家餐厅很难吃"),
        ("とてもおいしいです", "とてもまずいです"),
        ("อาหารอร่อยมาก", "อาหารแย่มากจริง"),
    ],
)
def test_texts_of_scripts_without_blanks_are_groups_of_letters(good, bad):
    texts = [(good if i % 2 else bad) + chr(0x4E00 + i) + chr(0x5E00 + i) for i in range(N)]
    with pytest.warns(PysmorchWarning, match="column 'text' of text: its script has no blanks between words"):
        model = Classifier(hidden=(8,), epochs=40, random_state=0).fit(pd.DataFrame({"text": texts}), Y)
    assert model.columns_.columns[0].format == "groups of letters"
    assert model.predict(pd.DataFrame({"text": [bad + "。", good + "。"]})).tolist() == [0, 1]


def test_numbers_far_outside_the_range_of_the_training_are_at_its_edge():
    values = RNG.uniform(-1, 1, 200)
    encoder = learn({"a": values})
    span = values.max() - values.min()
    edge = encode(encoder, {"a": [values.max() + span / 2, values.min() - span / 2]})
    for factor in (1.0, 1e3, 1e300):
        far = [values.max() + span / 2 * factor, values.min() - span / 2 * factor]
        np.testing.assert_array_equal(encode(encoder, {"a": far}), edge)
    inside = np.zeros((200, encoder.width), dtype=np.float32)
    encoder.numbers.encode(values[:, None], inside)
    np.testing.assert_array_equal(encode(encoder, {"a": values}), inside)


def test_a_weekend_a_month_and_an_hour_can_be_learned_from_a_time():
    times = pd.date_range("2021-01-01", periods=3000, freq="7h")
    order = RNG.permutation(3000)
    train, test = order[:2000], order[2000:]
    for target in (times.day_of_week >= 5, times.month == 7, times.hour < 6):
        y = np.asarray(target).astype(int)
        X = pd.DataFrame({"t": times})
        model = Classifier(hidden=(16,), epochs=10, random_state=0).fit(X.iloc[train], y[train])
        assert model.score(X.iloc[test], y[test]) > 0.95


@pytest.mark.filterwarnings("ignore:column.*nearly the target")
def test_users_say_what_columns_hold():
    data = {
        "zip": ["1", "2"] * 30,
        "code": [5, 7] * 30,
        "when": [0, 86400] * 30,
        "note": ["ab", "cd"] * 30,
        "key": ["u", "v"] * 30,
    }
    chosen = {"zip": "category", "code": "category", "when": "time", "note": "text", "key": "id"}
    encoder = learn(data, columns=chosen, targets=Y)
    assert [column.kind for column in encoder.columns] == ["category", "category", "number", "text", "none"]
    assert encoder.columns[1].values == ["5", "7"]
    assert encoder.columns[2].holds == "time"
    model = Classifier(columns=chosen, **SMALL).fit(pd.DataFrame(data), Y)
    assert model.columns_.columns == encoder.columns


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"siz": "category"}, "columns: there is no column 'siz'; did you mean 'size'"),
        ({"size": "categorical"}, "columns: 'size' must be one of number, boolean"),
        ({"town": "time written 1/2/2024"}, "'1/2/2024' is no time that can be read in one way only"),
        ({"size": "number written 1,234"}, "'1,234' is no number that can be read in one way only"),
        ({"town": "text written x"}, "'x' is no text that can be read"),
        ({"town": "number"}, "column 'town' cannot be taken as number: row 0 has 'Ulm'"),
        ({"town": "time"}, "column 'town' cannot be taken as time: row 0 has 'Ulm'"),
        ({"town": "boolean"}, "column 'town' cannot be taken as boolean: row 0 has 'Ulm'"),
    ],
)
def test_wrong_choices_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        Classifier(columns=columns, **SMALL).fit(pd.DataFrame({"size": OTHER, "town": ["Ulm", "Bath"] * 30}), Y)


def test_choices_are_for_columns_that_there_are():
    with pytest.raises(ValueError, match="columns: there is no column 'a'; the columns are 0"):
        Classifier(columns={"a": "number"}, **SMALL).fit(OTHER[:, None], Y)
    with pytest.raises(ValueError, match="columns and missing are about the columns of a data frame"):
        Classifier(columns={"a": "number"}, **SMALL).fit(np.zeros((N, 2, 2)), Y)


@pytest.mark.filterwarnings("ignore:column.*nearly the target")
def test_rows_come_as_dictionaries_series_lazy_frames_and_arrays_with_text():
    frame = pd.DataFrame({"size": OTHER, "town": ["Ulm", "Bath"] * 30})
    expected = Regressor(**SMALL).fit(frame, OTHER).predict(frame)
    for X in (frame.to_dict("records"), pl.from_pandas(frame).lazy(), frame.to_numpy(dtype=object)):
        np.testing.assert_array_equal(Regressor(**SMALL).fit(X, OTHER).predict(X), expected)
    for series in (frame["town"], pl.Series("town", frame["town"].tolist()), frame["town"].rename(None)):
        assert Regressor(**SMALL).fit(series, OTHER).columns_.columns[0].values == ["Bath", "Ulm"]


@pytest.mark.filterwarnings("ignore:column.*nearly the target")
def test_a_model_keeps_what_it_learned_about_columns(tmp_path):
    data = pd.DataFrame(
        {
            "price": [f"{i},5 €" for i in range(N)],
            "day": [f"{1 + i % 28:02d}.02.2024" for i in range(N)],
            "zip": ["00501", "501"] * 30,
            "size": pd.Categorical(["S", "M"] * 30, ["S", "M"], ordered=True),
            "many": [f"c{i % 2}" for i in range(N)],
        }
    )
    model = Classifier(missing=["-"], **SMALL).fit(data, Y)
    model.save(tmp_path / "m.safetensors")
    again = ps.load(tmp_path / "m.safetensors")
    assert again.columns_.columns == model.columns_.columns
    assert again.columns_.missing == ("-",)
    np.testing.assert_array_equal(again.predict_proba(data[:7]), model.predict_proba(data)[:7])


def test_columns_are_shown_in_a_line_and_as_a_table():
    data = pd.DataFrame({"<b>": ["12%", "7%"] * 30, "zip": ["007", "7", None] * 20, "one": [1] * N})
    with pytest.warns(PysmorchWarning, match="column 'one' is left out: one value only"):
        model = Classifier(**SMALL).fit(data, np.arange(N) // 2 % 2)
    assert model.columns_.describe() == [
        "column <b>: number, in %",
        "column zip: category, 2 values, may be missing, numbers with leading zeros are taken as codes",
        "column one: left out, constant, it has one value only",
    ]
    assert repr(model.columns_) == "<TableEncoder: 3 columns, 4 numbers a row>"
    html = model.columns_._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert html.count("<tr>") == 4


def test_names_that_control_a_terminal_or_close_an_element_are_written_out_in_html():
    name = "a\x1b[31m\u202e\u2028<script>alert(1)</script>]]>&\"'"
    data = pd.DataFrame({name: [f"{value}{name}" for value in "pq" * 30], "b": range(60)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PysmorchWarning)
        model = Classifier(**SMALL).fit(data, np.array([f"x{name}", f"y{name}"])[np.arange(N) // 2 % 2])
    for html in (model.columns_._repr_html_(), model.network_._repr_html_(), model._repr_html_()):
        assert not [c for c in html if not c.isprintable() and c != "\n"]
        assert "<script>alert" not in html
    assert "a\\x1b[31m\\u202e\\u2028&lt;script&gt;" in model.columns_._repr_html_()


def test_only_ratios_of_weights_count_for_columns():
    data = {"a": ["x", "y", "x", "y", "once"] * 4 + ["z"], "b": RNG.normal(size=21)}
    weights = RNG.integers(1, 4, 21).astype(float)
    expected = learn(data, weights=weights).columns
    for factor in (1 / 21, 1e6, 1e-300, 1 / weights.sum(), 3.7):
        assert learn(data, weights=weights * factor).columns == expected
    none = np.r_[np.zeros(5), weights[5:]]
    rest = {name: cells[5:] for name, cells in data.items()}
    assert learn(data, weights=none).columns == learn(rest, weights=weights[5:]).columns


@pytest.mark.parametrize(
    ("cells", "choice", "first"),
    [
        (["01/02/2023", "03/04/2023"], "time written 31/12/2024", "2023-02-01"),
        (["01/02/2023", "03/04/2023"], "time written 12/31/2024", "2023-01-02"),
        (["01-02-2023", "03-04-2023"], "time written 12-31-2024", "2023-01-02"),
        (["1,234", "5,678"], "number written 1,5", 1.234),
        (["1,234", "5,678"], "number written 1,234.5", 1234),
        (["1.234", "5.678"], "number written 1.234,5", 1234),
    ],
)
def test_a_sample_says_how_texts_are_read(cells, choice, first):
    encoder = learn({"a": cells * 30}, columns={"a": choice})
    values = encoder._numbers(Cells(as_table(pa.table({"a": cells}))))[0, 0]
    expected = first if not isinstance(first, str) else np.datetime64(first, "s").astype(float)
    assert values == expected


@pytest.mark.parametrize("odd", ["unknown", "007", "31.12.2024", "1,5", "yes"])
def test_the_kinds_of_a_file_do_not_depend_on_how_its_rows_are_split(odd):
    table = pa.table({"a": [*map(str, range(5, 50)), odd], "other": np.arange(46.0)})
    found = []
    for rows in (np.arange(45), np.arange(1, 46)):
        with kinds_from(table), warnings.catch_warnings():
            warnings.simplefilter("ignore", PysmorchWarning)
            column = learn(table.take(rows)).columns[0]
        found += [(column.kind, column.holds, column.format)]
    assert found[0] == found[1]
    assert (found[0][0] == "number") == (odd == "1,5")


def test_dates_of_a_file_are_read_as_all_its_rows_say():
    table = pa.table({"a": ["01/02/2023", "03/04/2023"] * 20 + ["31/12/2024"]})
    with kinds_from(table):
        assert learn(table.slice(0, 40)).columns[0].format == "day/month/year"
    with pytest.warns(PysmorchWarning, match="day and month could be swapped"):
        assert learn(table.slice(0, 40)).columns[0].format == "month/day/year"
