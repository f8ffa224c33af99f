"""Hundreds of files as they come, from a generator: each gives exactly the cells that were written, or one line that says why not.

Every file has a seed of its own, which draws the cells, the encoding, the separator, the quotes, the line ends, what stands
between the lines, how it is packed, and what has gone wrong with it.
"""

import bz2
import csv
import gzip
import io
import json
import lzma

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from pyarrow import feather

from pysmorch.sources import SourceError, read

LETTERS = [
    "x",
    "Ulm",
    "Köln",
    "東京",
    "مصر",
    "😀",
    "a b",
    " b ",
    "it's",
    "#red",
    "=1+1",
    "O'Neil",
    "…",
    "\u2028",
    "\x0b",
    "\ufeffx",
]
NUMBERS = [
    "0",
    "007",
    "-1",
    "1.50",
    "1e3",
    "1234567890123456789012345",
    "0x1F",
    "1,5",
    "1.234,56",
    "1 000",
    "12%",
    "$3",
    "+5",
]
OTHERS = [
    "NA",
    "null",
    "None",
    "?",
    "TRUE",
    "true",
    "2024-01-31",
    "31.12.2024",
    "12:30",
    "2024-01-31T12:00:00Z",
    "nan",
    "inf",
    "-",
]
AWKWARD = ["a,b", "a;b", "a\tb", "a|b", 'say "hi"', '"', "two\nlines", "two\r\nlines", '","', "", '""', "x\n# y", "\n"]
NAMES = ["id", "größe", "a b", "x,y", "x;y", "2020", "時", 'a"b', "", "id", "y", "z", "price (€)"]

ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "cp1252",
    "shift_jis",
    "gb18030",
    "koi8-r",
]
UNMARKED = {"utf-16-le", "utf-16-be", "cp1252", "shift_jis", "gb18030", "koi8-r"}
"""Encodings that have to be said; two of them are found out where most letters are below 256."""

PACK = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "plain": bytes}


def draw_table(rng):
    """Return names and rows of texts; None is an empty cell without quotes."""
    columns, rows = int(rng.integers(1, 7)), int(rng.integers(1, 40))
    names = [str(rng.choice(NAMES)) if rng.random() < 0.3 else f"c{i}" for i in range(columns)]
    pools = [LETTERS, NUMBERS, OTHERS, AWKWARD, [*LETTERS, *NUMBERS, *OTHERS, *AWKWARD]]
    chosen = [pools[int(i)] for i in rng.integers(0, len(pools), columns)]
    cells = [[str(pool[int(rng.integers(len(pool)))]) for pool in chosen] for _ in range(rows)]
    gaps = rng.random((rows, columns)) < 0.1
    return names, [
        [None if gap else cell for cell, gap in zip(*pair, strict=True)] for pair in zip(cells, gaps, strict=True)
    ]


def write_csv(rng, names, rows, separator, end):
    """Return the text: a cell is quoted where it has to be, and some others are."""

    special = '"\r\n#' + (
        separator if len(names) > 1 else ",;\t|"
    )  # one column has no separator that could be found out

    def field(cell):
        if cell is None:
            return ""
        needed = not cell or cell != cell.strip() or any(letter in cell for letter in special)
        return '"' + cell.replace('"', '""') + '"' if needed or rng.random() < 0.2 else cell

    lines = []
    for row in [names, *rows]:
        line = separator.join(map(field, row))
        lines.append('""' if len(row) == 1 and not line else line)  # else it would be an empty line
        if rng.random() < 0.05:
            lines.append("")
    if rng.random() < 0.2:
        lines[:0] = ["# made in May, by hand; with care", ""]
    return end.join(lines) + end * int(rng.integers(0, 3))


def expected_of(names, rows):
    """Return the cells of the columns; an empty line of one column was written as a quoted cell."""
    cells = [["" if cell is None and len(row) == 1 else cell for cell in row] for row in rows]
    return [list(column) for column in zip(*cells, strict=True)]


def columns_of(source):
    return [column.to_pylist() for column in source.features.columns]


def read_or_refuse(path, **options):
    """Return the source, or the message, which has to be one line that names the file."""
    try:
        return read(path, **options), ""
    except SourceError as error:
        message = str(error)
        assert "\n" not in message, message
        assert message.startswith(path), message
        return None, message


@pytest.mark.parametrize("seed", range(150))
def test_a_table_of_text_gives_the_cells_that_were_written(make, seed):
    rng = np.random.default_rng(seed)
    names, rows = draw_table(rng)
    separator, end = rng.choice([",", ";", "\t", "|"]), str(rng.choice(["\n", "\r\n", "\r"]))
    text = write_csv(rng, names, rows, str(separator), end)
    packing = str(rng.choice(list(PACK)))
    encoding = str(rng.choice(ENCODINGS))
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, content = "utf-8", text.encode()
    said = encoding if encoding in UNMARKED else None
    path = make(PACK[packing](content), str(rng.choice(["t.csv", "t.txt", "t.gz", "t"])))
    source, message = read_or_refuse(path, encoding=said)
    assert source is not None, (message, text)
    expected = expected_of(names, rows)
    found = columns_of(source)
    # A column at the end without a name and a value is what separators at line ends make.
    while not names[len(expected) - 1] and len(expected) > len(found) and set(expected[-1]) == {None}:
        expected.pop()
    assert found == expected, text
    assert len(set(source.column_names)) == len(source.column_names)
    unguessed, message = read_or_refuse(path)
    assert unguessed is None or columns_of(unguessed) == found, message


@pytest.mark.parametrize("seed", range(100))
def test_a_table_of_text_that_is_cut_off_or_altered_is_refused_or_has_the_cells_that_are_left(make, seed):
    rng = np.random.default_rng(1000 + seed)
    names, rows = draw_table(rng)
    text = write_csv(rng, names, rows, ",", "\n")
    content = bytearray(PACK[str(rng.choice(list(PACK)))](text.encode(str(rng.choice(["utf-8", "utf-16"])))))
    if rng.random() < 0.5:
        content = content[: int(rng.integers(1, len(content)))]
    else:
        for index in rng.integers(0, len(content), 3):
            content[index] = rng.integers(256)
    path = make(bytes(content), "t.csv")
    source, _ = read_or_refuse(path)
    if source is None:
        return
    # What Python's own reader finds in the same bytes is what is left of the table.
    raw = next((unpack for magic, unpack in MAGIC.items() if content.startswith(magic)), bytes)(bytes(content))
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le" if raw.count(0) > 1 else "utf-8-sig"
    plain = raw.decode(encoding)
    if source.features.num_columns > 1 and "," in plain and not any(other in plain for other in ";\t|"):
        width = source.features.num_columns
        kept = [row for row in csv.reader(io.StringIO(plain, newline="")) if len(row) == width]
        assert [[cell or "" for cell in row] for row in zip(*columns_of(source), strict=True)] == kept[1:]


MAGIC = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7z": lzma.decompress}


@pytest.mark.parametrize("seed", range(60))
def test_a_file_with_types_gives_its_values_or_is_refused_where_it_is_damaged(make, seed, tmp_path):
    rng = np.random.default_rng(2000 + seed)
    names, rows = draw_table(rng)
    columns = {f"{name} {i}": [row[i] for row in rows] for i, name in enumerate(names)}
    columns["integer"] = [int(value) for value in rng.integers(-(2**63), 2**63 - 1, len(rows))]
    columns["number"] = [float(value) for value in rng.standard_normal(len(rows))]
    table = pa.table(
        {
            name: pa.array(column, pa.string()) if name not in ("integer", "number") else column
            for name, column in columns.items()
        }
    )
    kind = str(rng.choice(["parquet", "feather", "jsonl", "json"]))
    path = str(tmp_path / "t")
    make("")
    if kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    elif kind == "feather":
        feather.write_feather(table, path)
    else:
        records = table.to_pylist()
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(records) if kind == "json" else "\n".join(map(json.dumps, records)))
    source, message = read_or_refuse(path)
    assert source is not None, message
    assert source.features.to_pydict() == columns
    with open(path, "rb") as file:
        content = file.read()
    cut = make(content[: int(rng.integers(1, len(content)))], "cut")
    part, _ = read_or_refuse(cut)
    if part is not None:
        assert kind == "jsonl"
        assert part.features.to_pylist() == source.features.to_pylist()[: part.features.num_rows]


@pytest.mark.parametrize("seed", range(40))
def test_bytes_without_sense_are_one_line(make, seed):
    rng = np.random.default_rng(3000 + seed)
    start = [
        b"",
        b"PAR1",
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"BZh91AY&SY",
        b"SQLite format 3\0",
        b"ARROW1",
        b"\0\0\x08\x01",
    ]
    start += [b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\xff\xfe", b"\xff\xff\xff\xff", b"{", b"a,b\n"]
    content = start[seed % len(start)] + rng.bytes(int(rng.integers(1, 5000)))
    source, message = read_or_refuse(make(content, "t.csv"))
    assert source is None
    assert len(message) < 400
