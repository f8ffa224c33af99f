"""CSV files as they come: separators, headers, quotes, comments, encodings; every cell is the text that was written."""

import codecs

import numpy as np
import pyarrow as pa
import pytest

from pysmorch.sources import dialect, read
from pysmorch.sources.rows import rows_of

TEXT_BELOW = "a,b\n1,x\n2,y\n"


@pytest.mark.parametrize(
    "cell",
    [
        "007",
        "1.0",
        "TRUE",
        "1e3",
        "0x1F",
        "1234567890123456789012",
        "NA",
        "null",
        "1,5",
        " x ",
        "-0",
        "12%",
        "$3.50",
        "01.02.2024",
    ],
)
def test_cells_are_texts_as_they_were_written(make, cells, cell):
    assert cells(make(f"a;b\n{cell};1\nother;2\n")) == {"a": [cell, "other"], "b": ["1", "2"]}


def test_all_columns_of_a_csv_file_are_texts(make):
    source = read(make("a,b,c\n1,,2020-01-01\n2,,2020-01-02\n"))
    assert [source.features.schema.field(name).type for name in "abc"] == [pa.string()] * 3


def test_a_cell_is_missing_where_it_is_empty_and_not_quoted(make, cells):
    assert cells(make('a,b\n,""\n"",\n"NA",NA\n')) == {"a": [None, "", "NA"], "b": ["", None, "NA"]}


def test_further_cells_can_stand_for_missing_values_where_they_are_not_quoted(make, cells):
    text = 'a,b\nNA,?\n"NA","?"\nna, ?\n-999,\n'
    assert cells(make(text), missing=["NA", "?", "-999"]) == {
        "a": [None, "NA", "na", None],
        "b": [None, "?", None, None],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;2,5\n3,5;4,5\n", {"a": ["1,5", "3,5"], "b": ["2,5", "4,5"]}),
        ("a;b\n1,5;x\n", {"a": ["1,5"], "b": ["x"]}),
        ("a\tb\n1,5\t2;5\n", {"a": ["1,5"], "b": ["2;5"]}),
        ("a|b\n1;2|3,4\n1;2|3\n", {"a": ["1;2", "1;2"], "b": ["3,4", "3"]}),
        ('a,b\n"x;y;z",1\n"u;v",2\n', {"a": ["x;y;z", "u;v"], "b": ["1", "2"]}),
        ('"a;b",c\n1,2\n', {"a;b": ["1"], "c": ["2"]}),
        (
            "name;text\nAnn;Hello, you, and you\nBob;Well, no, yes\n",
            {"name": ["Ann", "Bob"], "text": ["Hello, you, and you", "Well, no, yes"]},
        ),
        ("price, in euros;size\n1,5;2,5\n", {"price, in euros": ["1,5"], "size": ["2,5"]}),
        ("colours,count\nred;blue,3\ngreen;blue,4\n", {"colours": ["red;blue", "green;blue"], "count": ["3", "4"]}),
        ("x\n1,5\n2,5\n", {"x": ["1,5", "2,5"]}),
        ("text\nhello, world\nno comma\n", {"text": ["hello, world", "no comma"]}),
        ('"a"\t"b"\n"1\t2"\t"x"\n', {"a": ["1\t2"], "b": ["x"]}),
        ("sep=;\na;b\n1;2\n", {"a": ["1"], "b": ["2"]}),
        ("a;b;c\n1;;\n;2;\n;;3\n", {"a": ["1", None, None], "b": [None, "2", None], "c": [None, None, "3"]}),
    ],
)
def test_the_separator_is_that_which_splits_all_rows_alike(make, cells, text, expected):
    assert cells(make(text)) == expected


def test_decimal_commas_without_a_header_are_no_separators(make, cells):
    assert cells(make("1,5;2,5\n3,5;1,5\n"), header=False) == {"0": ["1,5", "3,5"], "1": ["2,5", "1,5"]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quoted_cells_hold_line_breaks_separators_and_quotes(make, cells, end):
    text = f'a,"b{end}c"{end}1,"two{end}lines, ""quoted"""{end}2,""""{end}'
    assert cells(make(text)) == {"a": ["1", "2"], f"b{end}c": [f'two{end}lines, "quoted"', '"']}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a, b\n1, "x, y"\n', ["x, y"]),
        ('a,b\n1,"x, ""y"" z"\n', ['x, "y" z']),
        ('a,b\n1,   "x"  \n', ["x"]),
        ('a,b\n1, 5" nails\n', [' 5" nails']),
        ('a,b\n1,5" and 6"\n', ['5" and 6"']),
        ('a,b\n1, "so called" x\n', [' "so called" x']),
        ("a,b\n1,'x'\n", ["'x'"]),
    ],
)
def test_blanks_around_quotes_do_not_count_and_quotes_within_cells_are_letters(make, cells, text, expected):
    assert cells(make(text))["b"] == expected


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('a,b\n1,"x\n2,y\n', 2, "never closed"),
        ('a,b\n1,x\n2,"y', 3, "never closed"),
        ('a,b\n1,"x\n2,"y\n3,z\n', 2, "letters after a closing quote"),
        ('a,b\n1,"say \\"hi\\""\n', 2, "letters after a closing quote"),
        ('"a,b\n1,x\n', 1, "never closed"),
        ('a,b\n1,"x\ny"\n2,"z"z\n', 4, "letters after a closing quote"),
    ],
)
def test_quotes_that_do_not_fit_are_named_by_their_line(make, refusal, text, line, reason):
    message = refusal(make(text))
    assert f"line {line} has" in message
    assert reason in message


@pytest.mark.parametrize(
    ("text", "dropped"),
    [
        ("a,b,\n1,x,\n2,y,\n", 1),
        ("a,b\n1,x,\n2,y,\n", 1),
        ("a,b,,,\n1,x,,,\n2,y,,,\n", 3),
        ("a;b;\n1;x;\n2;y;\n", 1),
        ("a,b,\n1,x\n2,y\n", 0),
        ("a\tb\t\n1\tx\t\n2\ty\t\n", 1),
    ],
)
def test_separators_at_line_ends_make_no_column(make, text, dropped):
    source = read(make(text))
    assert {name: source.features[name].to_pylist() for name in source.column_names} == {
        "a": ["1", "2"],
        "b": ["x", "y"],
    }
    assert [remark for remark in source.remarks if "too many" in remark] == [
        f"lines end with {dropped} separator{'s' * (dropped > 1)} too many; no column is made of that"
    ] * (dropped > 0)


def test_a_column_at_the_end_that_has_a_name_or_a_value_stays(make, cells):
    assert cells(make("a,b\n1,\n2,\n")) == {"a": ["1", "2"], "b": [None, None]}
    assert cells(make("a,\n1,\n2,x\n")) == {"a": ["1", "2"], "": [None, "x"]}


@pytest.mark.parametrize("before", ["\n", "\n\n\n", "\r\n\r\n", "  \n", "\n \n\n"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_empty_lines_before_the_header_and_between_rows_do_not_count(make, before, separator):
    text = before + f"a,b\n{before}1,x\n{before}2,y\n\n".replace(",", separator)
    source = read(make(text))
    assert source.features.to_pydict() == {"a": ["1", "2"], "b": ["x", "y"]}
    empty = len(before.splitlines())
    assert [source.line_of(row) for row in range(2)] == [2 * empty + 2, 3 * empty + 3]


@pytest.mark.parametrize(
    ("text", "expected", "lines", "remark"),
    [
        ("# made in May\na,b\n1,x\n", {"a": ["1"], "b": ["x"]}, [3], "1 line before the table, the first is line 1"),
        ("# a, b, c, d\n\n#more\na,b\n1,x\n", {"a": ["1"], "b": ["x"]}, [5], "2 lines before the table"),
        ("# two, cells\na,b\n1,x\n", {"a": ["1"], "b": ["x"]}, [3], "1 line before the table"),
        (
            "a,b\n1,x\n# half time\n2,y\n",
            {"a": ["1", "2"], "b": ["x", "y"]},
            [2, 4],
            "1 among the rows, the first is '# half time'",
        ),
        ("#a,b\n1,x\n", {"#a": ["1"], "b": ["x"]}, [2], None),
        ("##version 4\n#a\tb\n1\tx\n", {"#a": ["1"], "b": ["x"]}, [3], "1 line before the table"),
        ("a,b\n#1,x\n#2,y\n", {"a": ["#1", "#2"], "b": ["x", "y"]}, [2, 3], None),
        ("tag\n#red\n#blue\n", {"tag": ["#red", "#blue"]}, [2, 3], None),
        ('a,b\n1,"x\n# no comment"\n', {"a": ["1"], "b": ["x\n# no comment"]}, [3], None),
    ],
)
def test_comments_are_left_out_aloud_and_what_has_all_cells_is_no_comment(make, text, expected, lines, remark):
    source = read(make(text))
    assert source.features.to_pydict() == expected
    assert [source.line_of(row) for row in range(len(lines))] == lines
    assert any(remark in said for said in source.remarks) if remark else source.remarks == []


@pytest.mark.parametrize(
    ("header", "names", "remark"),
    [
        ("a,a,b", ["a", "a.1", "b"], "2 columns are called 'a'; the later ones become a.1"),
        ("a,b,a", ["a", "b", "a.1"], "2 columns are called 'a'"),
        ("a,a,a", ["a", "a.1", "a.2"], "3 columns are called 'a'; the later ones become a.1, a.2"),
        ("a,a,a.1", ["a", "a.2", "a.1"], "become a.2"),
        (",,b", ["Unnamed: 0", "Unnamed: 1", "b"], "2 columns have no name; they become Unnamed: 0, Unnamed: 1"),
        ("a, a ,b", ["a", "a.1", "b"], "2 columns are called 'a'"),
        (",a,b", ["", "a", "b"], None),
    ],
)
def test_repeated_and_empty_names_are_told_apart_aloud(make, header, names, remark):
    source = read(make(f"{header}\nx,y,z\n"))
    assert source.column_names == names
    assert source.features.to_pylist() == [dict(zip(names, "xyz", strict=True))]
    assert any(remark in said for said in source.remarks) if remark else source.remarks == []


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,other\n", True),
        ("1,2\n3,4\n", True),
        ("1,1\n1,2\n", True),
        ("0,5,a\n1,6,a\n", True),
        ("1,5;2\n3,5;4\n", True),
        ("12\n15\n13\n", True),
        ("name,2019,2020,2021\nUlm,1,2,3\n", False),
        ("2019,2020,2021\n1,2,3\n", False),
        ("0,1,2\n7,8,9\n", False),
        ("a,b\n1,2\n", False),
        ("setosa,virginica\nsetosa,other\n", False),
        ("a,1\nb,2\n", False),
    ],
)
def test_a_first_line_that_looks_like_data_is_said(make, text, data):
    said = [remark for remark in read(make(text)).remarks if "if it is data, add --no-header" in remark]
    assert len(said) == data
    assert read(make(text), header=False).remarks == []


@pytest.mark.parametrize("end", ["\x1a", "\r\n\x1a", "\n\n\x1a"])
def test_the_mark_at_the_end_of_files_of_dos_is_no_row(make, cells, end):
    assert cells(make("a,b\r\n1,x" + end)) == {"a": ["1"], "b": ["x"]}


@pytest.mark.parametrize(
    ("text", "line", "found", "expected"),
    [
        ("a,b\n1,2\n3\n4,5\n", 3, 1, 2),
        ("a,b\n1,2\n3,4,5\n", 3, 3, 2),
        ('a,b\n1,"x\ny"\n3,4,5\n', 4, 3, 2),
        ("\n\na,b\n1,2\n\n3,4,5\n", 6, 3, 2),
        ("# made in May\na;b\n1;2\n# half time\n3;4;5\n", 5, 3, 2),
        ("a\tb\tc\n1\t2\t3\n3\t4\n", 3, 2, 3),
        ("My report\na,b,c\n1,2,3\n", 2, 3, 1),
        ("a,b\n" + "1,2\n" * 200_000 + "3\n", 200_002, 1, 2),
        ("a,b\r1,2\r3\r", 3, 1, 2),
        ("a,b\n1,x,\n2,y\n", 2, 3, 2),
    ],
)
def test_lines_with_other_numbers_of_cells_are_named(make, refusal, text, line, found, expected):
    assert f"line {line} has {found} columns, expected {expected}, as many as the first" in refusal(make(text))


@pytest.mark.parametrize("text", ["\n", "\n\n  \n", "# only\n# comments\n", "\ufeff", " "])
def test_a_file_without_a_table_is_refused(make, refusal, text):
    assert "only empty lines and comments" in refusal(make(text))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("letters", ["Köln", "Łódź", "東京", "Αθήνα", "😀", "مصر"])
def test_unicode_is_read_with_and_without_a_byte_order_mark(make, cells, encoding, letters):
    text = f"{letters},y\n{letters}1,2\n"
    assert cells(make(text.encode(encoding))) == {letters: [letters + "1"], "y": ["2"]}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", [True, False])
def test_utf_16_is_read_in_both_orders(make, cells, encoding, mark):
    content = ("\ufeff" * mark + "town,y\nKöln,2\n").encode(encoding)
    assert cells(make(content)) == {"town": ["Köln"], "y": ["2"]}


@pytest.mark.parametrize(
    ("encoding", "letters"),
    [
        ("latin-1", "Köln"),
        ("cp1252", "“5 €”"),
        ("cp1251", "Москва"),
        ("shift_jis", "東京"),
        ("gb18030", "北京"),
        ("iso8859_7", "Αθήνα"),
    ],
)
def test_other_encodings_are_not_guessed_but_named_and_can_be_said(make, cells, refusal, encoding, letters):
    path = make(f"town,y\nUlm,1\n{letters},2\n".encode(encoding))
    message = refusal(path)
    assert "data.csv, line 3: the text is not UTF-8 (byte 0x" in message
    assert "--encoding cp1252" in message
    assert cells(path, encoding=encoding) == {"town": ["Ulm", letters], "y": ["1", "2"]}


def test_the_message_about_an_encoding_shows_how_the_text_would_read(make, refusal):
    assert "if 'Köln,2' reads right" in refusal(make("town,y\nKöln,2\n".encode("latin-1")))


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"a,b\n1,2\n", "klingon", "--encoding 'klingon' is not known"),
        (b"a,b\n1,2\n", "rot13", "--encoding 'rot13' is not known"),
        (b"a,b\n\xff,2\n", "ascii", "is not in --encoding ascii"),
        (b"a,b\n\x81,2\n", "cp1252", "is not in --encoding cp1252"),
        ("a,b\n1,é\n".encode("latin-1"), "utf8", "is not in --encoding utf8"),
    ],
)
def test_an_encoding_that_does_not_fit_is_refused(make, refusal, content, encoding, message):
    path = make(content)
    assert message in (refusal(path, encoding=encoding) if "known" not in message else str_of_error(path, encoding))


def str_of_error(path, encoding):
    with pytest.raises(ValueError) as info:
        read(path, encoding=encoding)
    return str(info.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,é".encode()[:-1], "line 2: the text ends within a letter; the file is truncated"),
        ("a,b\n1,é\n".encode("utf-16")[:-1], "begins as utf-16-le, but is truncated or damaged"),
        (b"a,b\n1,\0\n", "a zero byte in line 2"),
        (np.random.default_rng(0).bytes(5000), "a zero byte in line"),
        (bytes(range(1, 256)) * 3, "bytes that are no letters of any encoding; this is no text"),
        (codecs.BOM_UTF16_LE + b"\0", "begins as utf-16-le"),
        (b"\0" * 100, "a zero byte in line 1"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(make, refusal, content, message):
    assert message in refusal(make(content, "a.csv"))


def test_many_columns_and_long_cells_are_read(make):
    names = [f"gene_{i:06d}" for i in range(30_000)]
    source = read(make(f"{','.join(names)}\n{','.join(['0.25'] * 30_000)}\n"))
    assert source.column_names == names
    assert source.features.shape == (1, 30_000)
    long = "x" * 5_000_000
    assert read(make(f"a,b\n{long},1\ny,2\n")).features["a"].to_pylist() == [long, "y"]


def test_lines_are_found_after_comments_quoted_line_breaks_and_empty_lines(make):
    text = '# made in May\n\n"a\nb",c\n1,x\n\n# half time\n2,"two\nlines"\n   \n3,z\n'
    source = read(make(text))
    assert source.features.num_rows == 3
    assert [source.line_of(row) for row in range(3)] == [5, 9, 11]
    assert source.take(np.array([2])).line_of(0) == 11


def test_a_header_that_comes_again_is_left_out_and_said(make, cells):
    source = read(make("a,b\n1,x\na,b\n2,y\n\n a , b\n3,b\n"))
    assert source.features.to_pydict() == {"a": ["1", "2", "3"], "b": ["x", "y", "b"]}
    assert source.remarks == [
        "lines that repeat the names of the columns, as in files that were joined, are left out: 2, the first is line 3"
    ]
    assert [source.line_of(row) for row in range(3)] == [2, 4, 7]


def test_a_byte_order_mark_before_each_joined_file_is_no_letter(make):
    part = "\ufeffa,b\n1,x\n"
    source = read(make(part * 3))
    assert source.features.num_rows == 3
    assert "left out: 2" in source.remarks[0]


@pytest.mark.parametrize(
    "text",
    [
        "a\na\nb\n",  # one column: a value
        "red,yes\nblue,no\nred,yes\n",  # nothing shows that the first line is no data
        "a,b\n1,b\na,x\n",  # no line repeats all names
    ],
)
def test_cells_that_are_like_the_header_are_kept(make, text):
    source = read(make(text))
    assert source.features.num_rows == text.count("\n") - 1
    assert source.remarks == []


LONG_BEGINNINGS = {
    "empty lines": (b"\n", []),
    "two bytes at line ends": (b"\r\n", []),
    "comments": (b"# c\n", ["5000 lines before the table, the first is line 1, are comments"]),
    "comments with separators": (b"# a,b;c\td|e\n", ["5000 lines before the table, the first is line 1, are comments"]),
}


@pytest.mark.parametrize(("line", "remarks"), LONG_BEGINNINGS.values(), ids=LONG_BEGINNINGS)
@pytest.mark.parametrize("header", [True, False])
def test_of_very_many_lines_before_a_table_a_few_are_looked_at(monkeypatch, line, remarks, header):
    looked_at = []

    def counted(text, separator):
        for row in rows_of(text, separator):
            looked_at.append(row)
            yield row

    monkeypatch.setattr(dialect, "rows_of", counted)
    text = line * 5000 + b"a;b\n1,5;2\n" + line * 3000 + b"2,5;3\n"
    found = dialect.find_dialect(text, header)
    assert found.remarks == remarks
    before = 5000 + header
    assert (found.line, found.start) == (before, 5000 * len(line) + 4 * header)
    assert (found.separator, found.names) == (";", ["a", "b"] if header else ["0", "1"])
    assert len(looked_at) < 5000


def test_numbers_of_thousands_of_digits_are_texts(tmp_path):
    """Python refuses to make integers of them."""
    (tmp_path / "a.csv").write_text("9" * 5000 + ",y\n" + "1" * 5000 + ",2\n")
    table = read(str(tmp_path / "a.csv")).features
    assert table.column_names == ["9" * 5000, "y"]
    assert table.to_pylist() == [{"9" * 5000: "1" * 5000, "y": "2"}]
