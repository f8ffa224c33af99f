"""Bodies that cannot be predicted get a 4xx with the column, the row, what was found and what was expected."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest

from tests.serving.conftest import ROW, houses

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"


def changed(**cells):
    return json.dumps(ROW | cells)


def without(*names):
    return {name: cell for name, cell in ROW.items() if name not in names}


def csv(**cells):
    return "\n".join([",".join(ROW), ",".join(map(str, ROW.values())), ",".join(map(str, (ROW | cells).values()))])


def arrow(**columns):
    table = pa.Table.from_pandas(houses(3), preserve_index=False)
    for name, cells in columns.items():
        table = table.set_column(table.column_names.index(name), name, cells)
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


NAMED = {
    "text for a number": (JSON, changed(size="abc"), "size"),
    "a number in quotes": (JSON, changed(size="80.5"), "size"),
    "true for a number": (JSON, changed(size=True), "size"),
    "a list for a number": (JSON, changed(size=[80.5]), "size"),
    "an object for a number": (JSON, changed(size={"value": 80.5}), "size"),
    "an empty text for a number": (JSON, changed(size=""), "size"),
    "a number beyond float64": (JSON, '{"size": 1e999, ' + changed()[1:], "size"),
    "an integer beyond float64": (JSON, changed(rooms=10**400), "rooms"),
    "text for an integer": (JSON, changed(rooms="three"), "rooms"),
    "a number for a boolean": (JSON, changed(garden=1), "garden"),
    "another word for a boolean": (JSON, changed(garden="perhaps"), "garden"),
    "a list for a category": (JSON, changed(kind=["flat"]), "kind"),
    "an object for a category": (JSON, changed(kind={}), "kind"),
    "half a letter in a category": (JSON, changed(kind="flat\ud800"), "kind"),
    "a number for a time": (JSON, changed(built=1990), "built"),
    "true for a time": (JSON, changed(built=True), "built"),
    "a time in another order": (JSON, changed(built="1990-03-05"), "built"),
    "the 31st of February": (JSON, changed(built="31.02.1990"), "built"),
    "a column that is missing": (JSON, json.dumps(without("size")), "size"),
    "a column that is misspelt": (JSON, json.dumps(without("size") | {"siez": 1}), "size"),
    "a column in other capitals": (JSON, json.dumps(without("kind") | {"Kind": "flat"}), "kind"),
    "a column that the second row lacks": (JSON, json.dumps([ROW, without("rooms")]), "rooms"),
    "an empty object": (JSON, "{}", "size"),
    "a wrong cell in the second row": (JSON, json.dumps([ROW, ROW | {"size": "x"}]), "size"),
    "a column twice": (JSON, '{"size": 1, ' + changed()[1:], "size"),
    "columns that are no lists": (JSON, json.dumps({"columns": ROW}), "size"),
    "columns of different lengths": (
        JSON,
        json.dumps({"columns": {name: [cell] for name, cell in ROW.items()} | {"size": [1, 2]}}),
        "rooms",
    ),
    "columns that lack one": (
        JSON,
        json.dumps({"columns": {name: [cell] for name, cell in without("kind").items()}}),
        "kind",
    ),
    "a wrong cell of a column": (
        JSON,
        json.dumps({"columns": {name: [cell] for name, cell in ROW.items()} | {"rooms": ["x"]}}),
        "rooms",
    ),
    "text for a number in CSV": (CSV, csv(size="abc"), "size"),
    "an infinity in CSV": (CSV, csv(size="inf"), "size"),
    "another word for a boolean in CSV": (CSV, csv(garden="perhaps"), "garden"),
    "a time in another order in CSV": (CSV, csv(built="1990-03-05"), "built"),
    "a column that is missing in CSV": (CSV, "rooms,kind\n1,flat\n", "size"),
    "texts for numbers in Arrow": (ARROW, arrow(size=[["a", "b", "c"]]), "size"),
    "times for numbers in Arrow": (ARROW, arrow(size=pa.array([1, 2, 3], pa.timestamp("s"))), "size"),
    "an infinity in Arrow": (ARROW, arrow(size=[[1.0, np.inf, 2.0]]), "size"),
    "numbers for times in Arrow": (ARROW, arrow(built=[[1, 2, 3]]), "built"),
    "lists for numbers in Arrow": (ARROW, arrow(size=[[[1.0], [2.0], [3.0]]]), "size"),
}
"""What names the column: type of the body, the body, and the column."""

SAID = {
    "nothing": (JSON, "", 400, "the body is empty"),
    "no JSON": (JSON, "{size: 1}", 400, "the body is no JSON"),
    "JSON that ends": (JSON, changed()[:-1], 400, "the body is no JSON"),
    "more after JSON": (JSON, changed() + "}", 400, "the body is no JSON"),
    "NaN": (JSON, changed(size=float("nan")), 400, "has NaN, which is no JSON; write null"),
    "Infinity": (JSON, changed(size=float("inf")), 400, "has Infinity, which is no JSON"),
    "a number of many digits": (JSON, '{"size": ' + "9" * 5000 + "}", 400, "a number of thousands of digits"),
    "very deep lists": (JSON, "[" * 100_000, 400, "nested too deeply"),
    "no UTF-8": (JSON, b'{"size": "\xff"}', 400, "the body is not UTF-8: byte 10 is 0xFF"),
    "null": (JSON, "null", 422, "row 0 must be an object with the columns of the model, but is null"),
    "a number": (JSON, "5", 422, "row 0 must be an object with the columns of the model, but is 5"),
    "a text": (JSON, '"row"', 422, 'row 0 must be an object with the columns of the model, but is "row"'),
    "a list of lists": (JSON, "[[1, 2]]", 422, "row 0 must be an object"),
    "a list with null": (JSON, f"[{changed()}, null]", 422, "row 1 must be an object"),
    "an empty list": (JSON, "[]", 422, "the body has no rows"),
    "rows that are empty": (JSON, '{"rows": []}', 422, "the body has no rows"),
    "nothing in CSV": (CSV, "", 400, "the body is empty"),
    "a header alone in CSV": (CSV, ",".join(ROW), 422, "the body has no rows"),
    "a ragged row in CSV": (CSV, csv() + ",7,8", 422, "line 3"),
    "no UTF-8 in CSV": (CSV, csv().encode() + b"\xff", 400, "the body is not UTF-8"),
    "no Arrow": (ARROW, b"\x89PNG\r\n", 422, "not an Arrow file, or a damaged one"),
    "Arrow that ends": (ARROW, arrow()[:-200], 422, "not an Arrow file, or a damaged one"),
    "nothing in Arrow": (ARROW, b"", 400, "the body is empty"),
    "no type": ("", changed(), 415, "the header Content-Type must be application/json, text/csv"),
    "another type": ("text/plain", changed(), 415, "but is 'text/plain'"),
    "an image for a table": ("image/png", b"\x89PNG\r\n", 415, "the header Content-Type must be"),
}
"""What has no column: type of the body, the body, the status, and what is said."""


def send(client, kind, content, query=""):
    return client.post(f"/predict{query}", content=content, headers={"content-type": kind} if kind else {})


def test_there_are_fifty_kinds():
    assert len(NAMED) + len(SAID) >= 50


@pytest.mark.parametrize("what", NAMED)
def test_the_column_is_named(client, what):
    kind, content, column = NAMED[what]
    answer = send(client, kind, content)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert repr(column) in problem["detail"]
    assert problem["errors"][0]["column"] == column
    assert problem["detail"].isprintable()
    assert client.post("/predict", json=ROW).status_code == 200


@pytest.mark.parametrize("what", SAID)
def test_what_is_wrong_is_said(client, what):
    kind, content, status, said = SAID[what]
    answer = send(client, kind, content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]
    assert "--" not in answer.json()["detail"]  # no options of the command line


def test_row_found_and_expected_are_named(client):
    problem = send(client, JSON, json.dumps([ROW, ROW | {"size": "large"}])).json()
    assert (problem["status"], problem["title"]) == (422, "Unprocessable Content")
    assert problem["errors"] == [
        {
            "detail": "column 'size' must be a number, but row 1 has \"large\"",
            "column": "size",
            "row": 1,
            "found": '"large"',
            "expected": "a number",
        }
    ]
    problem = send(client, CSV, csv(built="1990-03-05")).json()
    assert problem["detail"].endswith("but line 3 has '1990-03-05'")
    assert problem["errors"][0]["found"] == "1990-03-05"
    assert problem["errors"][0]["expected"] == f"a time as text, such as {typical(client, 'built')!r}"


def typical(client, name):
    return next(column["typical"] for column in client.get("/model").json()["columns"] if column["name"] == name)


def test_all_that_is_wrong_is_named_up_to_a_limit(client):
    problem = send(client, JSON, json.dumps([ROW | {"size": "x", "rooms": "y"}] * 100)).json()
    assert len(problem["errors"]) == 20
    assert problem["detail"].endswith("(and at least 20 more)")


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("?explane=1", 400, "the address has a parameter 'explane'; those are explain, of and coverage"),
        ("?explain=perhaps", 400, "explain must be true or false, but is 'perhaps'"),
        ("?explain=1&of=dear", 400, "of must be one of prediction, but is 'dear'"),
        ("?coverage=much", 400, "coverage must be a number such as 0.9, but is 'much'"),
        ("?coverage=1.5", 400, "coverage must be a number between 0 and 1"),
        ("?coverage=nan", 400, "coverage must be a number between 0 and 1"),
        ("?coverage=0.9999", 400, "coverage=0.9999 needs 9999 held-out rows"),
    ],
)
def test_a_wrong_address_is_named(client, query, status, said):
    answer = send(client, JSON, changed(), query)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_an_answer_that_there_is_not_is_refused(client):
    answer = client.post("/predict", json=ROW, headers={"accept": "image/png"})
    assert answer.status_code == 406
    answer = client.post("/predict?explain=1", json=ROW, headers={"accept": "text/csv"})
    assert "explanations are in application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([1, 2], "row 0 must be a list of 3 numbers, but is a list of 2"),
        ([[1, 2, 3], [1, "x", 3]], "column 1 must be a number, but row 1 has"),
        ([[1, 2, True]], "column 2 must be a number"),
        ([{"0": 1}], "row 0 must be a list of 3 numbers"),
        ([[1, [2], 3]], "column 1 must be a number"),
        (5, "row 0 must be a list of 3 numbers, but is 5"),
    ],
)
def test_rows_of_arrays_are_checked(client_of, array_model, row, said):
    answer = client_of(array_model).post("/predict", json=row)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "content", "status", "said"),
    [
        ("image/png", b"", 400, "the image is empty"),
        ("image/png", b"no image", 422, "not an image of a known format"),
        ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(100), 422, "the image"),
        ("application/json", b"[[1, 2], [3, 4]]", 422, "an image must be 8 rows of 10 pixels of 3 numbers"),
        ("application/json", b'{"images": [[[["a"]]]]}', 422, "an image must be 8 rows"),
        ("application/json", b'{"images": []}', 422, "an image must be 8 rows"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422, "the form has no files"),
        ("multipart/form-data", b"", 400, "the body is no form with files"),
        ("text/csv", b"a,b\n1,2\n", 415, "the header Content-Type must be image/*"),
    ],
)
def test_images_are_checked(client_of, image_model, kind, content, status, said):
    answer = client_of(image_model).post("/predict", content=content, headers={"content-type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


def test_a_fault_of_the_service_is_no_traceback_for_the_client(client_of, array_model, monkeypatch):
    client = client_of(array_model)

    def broken(*arguments):
        raise RuntimeError("secret")

    monkeypatch.setattr("pysmorch.serving.service.predict_all", broken)
    answer = client.post("/predict", json=[1, 2, 3])
    assert answer.status_code == 500
    assert answer.json()["detail"] == "the service has a fault; its log says more"
