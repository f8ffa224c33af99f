"""Columns of text that are learned and read together are what each of them is alone."""

import numpy as np
import pyarrow as pa
import pytest

from pysmorch.encoders.cells import Cells, as_table
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.learning import learn_columns
from pysmorch.encoders.schema import learn_column
from pysmorch.encoders.table import TableEncoder
from pysmorch.encoders.together import learn_together

PATTERNS = {
    "numbers": ["1", "2.5", "-3e2", "+4", ".5", "6."],
    "whole": ["1", "20", "-3"],
    "with markers": ["1", "NA", "?", " 2 ", ""],
    "constant": ["7"],
    "zeros": ["007", "08", "1"],
    "long": ["12345678901234567890", "1"],
    "long decimals": ["0.12345678901234567", "1"],
    "infinite in words": ["inf", "w1"],
    "comma": ["1,5", "2,25"],
    "currency": ["EUR5", "EUR6"],
    "kronor": ["kr5", "kr6"],
    "periods": ["P1D", "PT5H"],
    "a period and a word": ["PT", "P"],
    "dates": ["2020-01-02", "2021-03-04"],
    "booleans": ["yes", "no"],
    "booleans and others": ["yes", "no", "perhaps"],
    "words": ["red", "green", "blue", " red "],
    "words with digits": ["w1", "w2", "id17"],
    "words and markers": ["NA", "red", "blue"],
    "words and a number": ["red", "blue", "5"],
    "hexadecimal": ["0x1F", "0x2A"],
    "odd blanks": ["\x1cred", "red", "\u3000red"],
    "accents": ["é", "z", "Z", "ß", "東京"],
    "empty": ["", " "],
    "one value": ["same"],
}


def table_of(num_rows=60):
    draw = np.random.default_rng(0)
    columns = {name: draw.choice(values, num_rows).tolist() for name, values in PATTERNS.items()}
    columns["distinct"] = [f"word{i}" for i in range(num_rows)]
    columns["running"] = [str(i) for i in range(num_rows)]
    columns["mostly once"] = [f"v{i // 2 if i < 8 else i}" for i in range(num_rows)]
    columns["some once"] = [f"v{i if i < 20 else i % 3}" for i in range(num_rows)]
    return pa.table(columns)


def alone(table, missing=None, leaves_out=True):
    columns = []
    for name in table.column_names:
        rows = Cells(as_table(table.select([name])))
        columns.append(learn_column(name, rows, None, None, None, missing, leaves_out).to_parts())
    return columns


@pytest.mark.parametrize("missing", [None, (), ("red", "1")])
@pytest.mark.parametrize("leaves_out", [True, False])
def test_columns_are_learned_together_as_each_alone(missing, leaves_out):
    table = table_of()
    learned = learn_columns(Cells(as_table(table)), None, {}, missing, leaves_out)
    assert [column.to_parts() for column in learned] == alone(table, missing, leaves_out)


def test_plain_numbers_and_words_are_learned_together():
    rows = Cells(as_table(table_of()))
    together = learn_together(rows.names, rows, None, None, True)
    assert {"numbers", "whole", "with markers", "words", "words with digits", "some once"} <= together.keys()
    assert not {"dates", "booleans", "comma", "currency", "periods", "zeros", "distinct"} & together.keys()


def test_weighted_words_are_counted_by_their_weights():
    table, weights = table_of(), np.arange(1.0, 61.0)
    learned = learn_columns(Cells(as_table(table)), weights, {}, None, True)
    each = [
        learn_column(name, Cells(as_table(table.select([name]))), None, weights, None, None)
        for name in table.column_names
    ]
    assert [column.to_parts() for column in learned] == [column.to_parts() for column in each]


@pytest.mark.filterwarnings("ignore")
def test_cells_are_encoded_together_as_in_a_frame_of_another_library():
    table = table_of()
    encoder = TableEncoder()
    encoder.choose(None, None)
    encoder.learn(Cells(as_table(table)), None, np.arange(60) % 2)
    other = table.to_pandas()
    other.loc[::7, "words"] = "never seen"
    other.loc[::5, "words with digits"] = None
    rows = [Cells(as_table(frame)) for frame in (pa.Table.from_pandas(other), other)]
    np.testing.assert_array_equal(encoder.encode(rows[0]), encoder.encode(rows[1]))


def test_a_cell_that_is_no_number_is_named_among_columns_that_are_read_together():
    encoder = TableEncoder()
    encoder.choose(None, None)
    encoder.learn(Cells(as_table(pa.table({"a": ["1", "5", "2"], "b": ["3", "1", "4"]}))), None, np.array([0, 1, 0]))
    with pytest.raises(ColumnError, match=r"'b' held numbers in training, but row 1 has 'x'"):
        encoder.encode(Cells(as_table(pa.table({"a": ["1", "2"], "b": ["4", "x"]}))))


def test_columns_with_other_rows_to_be_judged_by_are_grouped_by_their_length():
    rows = Cells(as_table(pa.table({"a": ["1", "2"], "b": pa.array([None, None], pa.string())})))
    assert [column.holds for column in learn_columns(rows, None, {}, None, True)] == ["integer", "empty"]


def test_rows_of_a_table_of_very_many_columns_are_encoded_lazily_from_what_is_kept():
    rng = np.random.default_rng(0)
    table = pa.table(
        {f"c{i}": rng.choice(["a", "b", "1"] if i % 2 else ["1", "2.5", ""], 30).tolist() for i in range(1000)}
    )
    rows, encoder = Cells(as_table(table)), TableEncoder()
    encoder.choose(None, None)
    encoder.learn(rows, None, np.arange(30) % 2)
    some = np.array([3, 17, 4])
    np.testing.assert_array_equal(encoder.lazily(rows)(some), encoder.encode(rows)[some])
