"""Unlucky files: tables as they come, written in many ways, and then cut off or altered."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet
from openpyxl import Workbook
from pyarrow import feather

TRAIN = ["--epochs", "1", "--hidden", "4", "--test", "0", "--no-early-stopping", "--quiet", "--force"]
"""Options of `pysmorch train` with which it takes little time."""

ROWS = 48
POOLS = {
    "number": lambda rng: f"{rng.normal():.4f}",
    "small": lambda rng: f"{rng.normal() * 1e-8:.3e}",
    "integer": lambda rng: str(rng.integers(-50, 50)),
    "large": lambda rng: f"{rng.integers(10**17, 10**18)}{rng.integers(2)}",
    "longer": lambda rng: "9" * 30 + str(rng.integers(4)),
    "code": lambda rng: f"{rng.integers(30):03d}",
    "hexadecimal": lambda rng: hex(int(rng.integers(9, 30))),
    "decimal comma": lambda rng: f"{rng.integers(1, 99)},{rng.integers(10, 99)}",
    "thousands": lambda rng: f"{rng.integers(1, 99)}.{rng.integers(100, 999)},{rng.integers(10, 99)}",
    "apostrophes": lambda rng: f"{rng.integers(1, 99)}'{rng.integers(100, 999)}",
    "percent": lambda rng: f"{rng.integers(100)}%",
    "price": lambda rng: f"${rng.integers(1, 99)}.{rng.integers(10, 99)}",
    "day": lambda rng: f"2024-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}",
    "German day": lambda rng: f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.2024",
    "time": lambda rng: f"2024-01-{rng.integers(1, 29):02d}T{rng.integers(24):02d}:30:00{rng.choice(['Z', '+05:30'])}",
    "time of day": lambda rng: f"{rng.integers(24):02d}:{rng.integers(60):02d}",
    "boolean": lambda rng: str(rng.choice(["true", "false"])),
    "word": lambda rng: str(
        rng.choice(["Ulm", "Köln", "東京", "مصر", "😀", "a b", "it's", "NA", "null", "None", "-", "?"])
    ),
    "awkward": lambda rng: str(
        rng.choice(["a,b", "a;b", "a\tb", "a|b", 'say "hi"', "two\nlines", "=1+1", "x # y", "'"])
    ),
    "mixed": lambda rng: str(rng.choice(["1", "1.0", "007", "TRUE", "1e3", "x"])),
    "Thai": lambda rng: "".join(rng.choice(list("กขคงจฉชซ"), 8)),
    "sentence": lambda rng: " ".join(rng.choice(["red", "old", "new", "car", "house", "sea"], 5)),
    "empty": lambda rng: "",
    "constant": lambda rng: "x",
}
"""What the cells of a column are, by its kind."""

NAMES = ["id", "größe", "a b", "x,y", "x;y", "2020", "時", 'a"b', "price (€)", "id", "=1", " blank "]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030", "cp1252", "shift_jis", "koi8-r"]
SAID = {"utf-16-le", "gb18030", "cp1252", "shift_jis", "koi8-r"}
"""Encodings that have to be said."""


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("t.csv", content)
    return file.getvalue()


PACKINGS = {"plain": bytes, "gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": zipped}


def draw(rng):
    """Return names and rows of texts, "" where a cell is missing; the last column is the label."""
    kinds = [str(kind) for kind in rng.choice(list(POOLS), int(rng.integers(1, 7)))]
    names = [str(rng.choice(NAMES)) if rng.random() < 0.25 else f"c{i}" for i in range(len(kinds))]
    columns = [[POOLS[kind](rng) for _ in range(ROWS)] for kind in kinds]
    gaps = rng.random((len(kinds), ROWS)) < rng.choice([0, 0.15])
    columns = [["" if gap else c for c, gap in zip(*pair, strict=True)] for pair in zip(columns, gaps, strict=True)]
    columns.append([str(rng.choice(["yes", "no"])) for _ in range(ROWS)])
    return [*names, "label"], [list(row) for row in zip(*columns, strict=True)]


def as_csv(rng, names, rows, separator, end, lucky=False):
    """Return the text of a table; a cell is quoted where it has to be, and where chance says so if it is not missing."""

    def field(cell):
        needed = cell != cell.strip() or any(letter in cell for letter in '"\r\n#,;\t|')
        quoted = needed or (cell and not lucky and rng.random() < 0.2)
        return '"' + cell.replace('"', '""') + '"' if quoted else cell

    lines = [separator.join(map(field, row)) for row in [names, *rows]]
    if not lucky:
        if rng.random() < 0.3:
            lines[:0] = ["# made in May, by hand", ""]
        if rng.random() < 0.3:
            lines.insert(int(rng.integers(1, len(lines))), "")
    return end.join(lines) + end * int(lucky or rng.integers(0, 3))


def as_unlucky_csv(rng, names, rows):
    """Return the bytes of a table as text, and the options that say what cannot be found out."""
    text = as_csv(rng, names, rows, str(rng.choice([",", ";", "\t", "|"])), str(rng.choice(["\n", "\r\n", "\r"])))
    encoding = str(rng.choice(ENCODINGS))
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, content = "utf-8", text.encode()
    return PACKINGS[str(rng.choice(list(PACKINGS)))](content), ["--encoding", encoding] if encoding in SAID else []


def as_typed(rng, names, rows, path):
    """Write a table of texts into a file of another kind; names are as they are read from a CSV file."""
    stripped = [name.strip() for name in names]
    before = [stripped[:i].count(name) for i, name in enumerate(stripped)]
    unlike = [f"{name}.{count}" if count else name for name, count in zip(stripped, before, strict=True)]
    table = pa.table({name: [row[i] or None for row in rows] for i, name in enumerate(unlike)})
    kind = str(rng.choice(["parquet", "feather", "jsonl", "json", "xlsx", "sqlite"]))
    if kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    elif kind == "feather":
        feather.write_feather(table, path)
    elif kind == "xlsx":
        book = Workbook()
        for row in [unlike, *rows]:
            book.active.append([cell or None for cell in row])
            for cell in book.active[book.active.max_row]:
                cell.data_type = "s" if cell.value is not None else cell.data_type
        book.save(path)
    elif kind == "sqlite":
        with closing(sqlite3.connect(path)) as connection:
            quoted = ['"' + name.replace('"', '""') + '" TEXT' for name in unlike]
            connection.execute(f"CREATE TABLE t ({', '.join(quoted)})")
            marks = ", ".join("?" * len(names))
            connection.executemany(f"INSERT INTO t VALUES ({marks})", [[cell or None for cell in row] for row in rows])
            connection.commit()
    else:
        records = table.to_pylist()
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(records) if kind == "json" else "\n".join(map(json.dumps, records)))
    return kind


def spoil(rng, content):
    """Return a content that is cut off, or has a few other bytes, or has a part twice."""
    content = bytearray(content)
    what = rng.integers(3)
    if what == 0:
        return bytes(content[: int(rng.integers(1, len(content)))])
    if what == 1:
        for index in rng.integers(0, len(content), 3):
            content[index] = rng.integers(256)
        return bytes(content)
    at, size = (int(i) for i in rng.integers(0, len(content), 2))
    return bytes(content[:at] + content[at : at + size] + content[at:])
