"""What the service says of itself: its columns, in OpenAPI and for the page, its health, and its counts."""

import numpy as np
import pyarrow as pa
import pytest

from pysmorch.encoders.dates import parse_times
from pysmorch.serving.counters import Counters
from pysmorch.serving.fields import _time_as
from tests.serving.conftest import ROW


def test_the_columns_are_described(client):
    about = client.get("/model").json()
    columns = {column["name"]: column for column in about["columns"]}
    assert list(columns) == list(ROW)
    assert (about["task"], about["input"], about["coverage"], about["explains"]) == ("regression", "columns", 0.9, True)
    assert columns["rooms"] == {
        "name": "rooms",
        "holds": "integer",
        "required": True,
        "minimum": 1,
        "maximum": 7,
        "typical": 4,
    }
    assert sorted(columns["kind"]["values"]) == ["flat", "house", "villa"]
    assert columns["heating"]["required"] is False
    assert columns["built"]["written"] == "day.month.year"
    assert columns["garden"]["holds"] == "boolean"


def test_a_model_that_can_neither_explain_nor_give_sets_says_so(client_of, array_model):
    client = client_of(array_model.quantize(np.random.default_rng(0).normal(size=(50, 3))))
    about = client.get("/model").json()
    assert (about["explains"], about["coverage"]) == (False, None)
    found = client.post("/predict", json=[1, 2, 3]).json()["predictions"][0]
    assert found.keys() == {"prediction", "probabilities"}
    answer = client.post("/predict?explain=1", json=[1, 2, 3])
    assert (answer.status_code, answer.json()["detail"][:9]) == (400, "explain: ")
    answer = client.post("/predict?coverage=0.9", json=[1, 2, 3])
    assert (answer.status_code, answer.json()["detail"][:28]) == (400, "this model has no scores of ")


@pytest.mark.parametrize("name", ["regressor", "classifier", "array_model", "image_model"])
def test_the_description_is_valid_openapi(client_of, request, name):
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed")
    for token in (None, "0123456789abcdef"):
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        described = client_of(request.getfixturevalue(name), token=token).get("/openapi.json", headers=headers).json()
        assert described["openapi"] == "3.1.0"
        validator.validate(described)
        assert ("security" in described) == (token is not None)


@pytest.mark.parametrize("row", [ROW, ROW | {"kind": "castle", "size": -5, "heating": None}])
def test_rows_and_answers_are_as_they_are_described(client, client_of, classifier, row):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    for served in (client, client_of(classifier)):
        described = served.get("/openapi.json").json()

        def check(found, kind, described=described):
            schema = {"$ref": f"#/components/schemas/{kind}", "components": described["components"]}
            jsonschema.Draft202012Validator(schema).validate(found)

        check(row, "Row")
        check(served.post("/predict?explain=1", json=row).json(), "Answer")
        check(served.post("/predict", json={}).json(), "Problem")
        lacking = {name: cell for name, cell in row.items() if name != "size"}
        with pytest.raises(jsonschema.ValidationError):
            check(lacking, "Row")
        with pytest.raises(jsonschema.ValidationError):
            check(row | {"size": "large"}, "Row")


def test_requests_are_counted(client):
    client.post("/predict", json=[ROW, ROW])
    client.post("/predict", json=ROW)
    client.post("/predict", json={})
    client.get("/nothing")
    lines = client.get("/metrics").text.splitlines()
    assert 'pysmorch_requests_total{path="/predict",status="200"} 2' in lines
    assert 'pysmorch_requests_total{path="/predict",status="422"} 1' in lines
    assert 'pysmorch_requests_total{path="page",status="404"} 1' in lines
    assert "pysmorch_rows_total 3" in lines
    assert "pysmorch_requests_in_flight 1" in lines
    assert "pysmorch_prediction_seconds_count 3" in lines
    assert 'pysmorch_prediction_seconds_bucket{le="+Inf"} 3' in lines
    assert any(line.startswith('pysmorch_model_info{title="model",task="regression"') for line in lines)
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    samples = {line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")}
    endings = ("", "_bucket", "_sum", "_count")
    assert all(any(sample == name + ending for name in names for ending in endings) for sample in samples)


def test_counts_of_workers_are_added_and_what_a_lost_one_had_in_flight_is_not():
    counters = Counters(2)
    counters.answered("/predict", 200, 0.003)
    counters.add("in_flight", 3)
    counters.use(1)
    counters.answered("/predict", 299, 0.2)
    counters.add("in_flight", 1)
    text = counters.as_text({"title": 'a "b"\n'})
    assert 'pysmorch_requests_total{path="/predict",status="200"} 2' in text
    assert 'pysmorch_prediction_seconds_bucket{le="0.005"} 1' in text
    assert "pysmorch_prediction_seconds_sum 0.203" in text
    assert "pysmorch_requests_in_flight 4" in text
    assert 'title="a \\"b\\"\\n"' in text
    counters.use(0)
    assert "pysmorch_requests_in_flight 1" in counters.as_text({})


@pytest.mark.parametrize(
    ("order", "with_clock", "text"),
    [
        ("year-month-day", False, "2001-02-03"),
        ("year-month-day", True, "2001-02-03T04:05:06"),
        ("day.month.yy", False, "03.02.01"),
        ("name day, year", False, "Feb 03, 2001"),
        ("day/name/year", False, "03/Feb/2001:04:05:06"),
        ("yearmonthday", True, "20010203T040506"),
        ("name day time year", True, "Feb 03 04:05:06 2001"),
    ],
)
def test_usual_times_are_written_as_in_training(order, with_clock, text):
    seconds = 981_173_106.0  # 2001-02-03 04:05:06 UTC
    assert _time_as(seconds, order, with_clock) == text
    assert len(parse_times(pa.array([text]), order)[1]) == 0
