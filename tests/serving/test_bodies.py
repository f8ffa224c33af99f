"""Every form of a body gives what `predict` gives, bit for bit."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from pysmorch import Classifier, Regressor
from tests.serving.conftest import ROW, SMALL, frame_of, houses, train

OTHER = ROW | {"size": 150, "kind": "villa", "garden": False, "heating": None}
JSON, CSV, ARROW = (
    {"content-type": "application/json"},
    {"content-type": "text/csv"},
    "application/vnd.apache.arrow.stream",
)


def predictions(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def arrow_of(table, kind=ARROW):
    stream = io.BytesIO()
    table = pa.Table.from_pandas(table, preserve_index=False)
    new = pa.ipc.new_stream if kind == ARROW else pa.ipc.new_file
    with new(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        [ROW, OTHER],
        {"rows": [ROW, OTHER]},
        {"columns": {name: [ROW[name], OTHER[name]] for name in ROW}},
    ],
    ids=["a list", "rows", "columns"],
)
def test_several_rows_in_json(client, regressor, body):
    found = predictions(client.post("/predict", json=body))
    rows = frame_of(ROW, OTHER)
    assert [one["prediction"] for one in found] == regressor.predict(rows).tolist()
    assert [one["interval"] for one in found] == regressor.predict_interval(rows).tolist()


def test_one_row_in_json(client, regressor):
    assert predictions(client.post("/predict", json=ROW))[0]["prediction"] == regressor.predict(frame_of(ROW))[0]


def test_tables_in_csv_and_arrow(client, regressor):
    table = houses(40)
    expected = regressor.predict(table).tolist()
    for kind, content in (
        ("text/csv", table.to_csv(index=False)),
        (ARROW, arrow_of(table)),
        ("application/vnd.apache.arrow.file", arrow_of(table, "file")),
    ):
        found = predictions(client.post("/predict", content=content, headers={"content-type": kind}))
        assert [one["prediction"] for one in found] == expected


def test_a_row_does_not_depend_on_the_others(client):
    rows = [
        ROW,
        OTHER,
        ROW | {"kind": 5},
        ROW | {"kind": 2.0},
        ROW | {"kind": True},
        ROW | {"rooms": 2.5},
        ROW | {"garden": "yes"},
    ]
    together = predictions(client.post("/predict", json=rows))
    assert together == [predictions(client.post("/predict", json=row))[0] for row in rows]


def test_classes_have_probabilities_and_sets(client_of, classifier):
    found = predictions(client_of(classifier).post("/predict?coverage=0.8", json=[ROW, OTHER]))
    rows = frame_of(ROW, OTHER)
    assert [one["prediction"] for one in found] == classifier.predict(rows).tolist()
    assert [list(one["probabilities"].values()) for one in found] == classifier.predict_proba(rows).tolist()
    assert list(found[0]["probabilities"]) == ["cheap", "dear"]
    sets = classifier.predict_set(rows, 0.8)
    assert [one["set"] for one in found] == [classifier.classes_[row].tolist() for row in sets]


def test_reasons_are_those_of_explain(client, client_of, regressor, classifier):
    found = predictions(client.post("/predict?explain=true", json=[ROW, OTHER]))
    expected = regressor.explain(frame_of(ROW, OTHER))
    for i, one in enumerate(found):
        reasons = one["explanation"]
        contributed = {name: value for name, _, value in expected.row(i) if name != "constant"}
        assert {part["column"]: part["contribution"] for part in reasons["contributions"]} == contributed
        assert reasons["value"] == expected.predictions[i]
        assert reasons["unit"] == "prediction"
    assert found[0]["explanation"]["contributions"][0]["value"] in ROW.values()
    of = predictions(client_of(classifier).post("/predict?explain=1&of=dear", json=ROW))[0]["explanation"]
    assert (of["of"], of["value"]) == ("dear", classifier.explain(frame_of(ROW), "dear").predictions[0])


def test_answers_as_csv_and_arrow_have_the_columns_of_the_command_line(client, regressor):
    table = houses(5)
    for accept, read in (("text/csv", pd.read_csv), (ARROW, lambda stream: pa.ipc.open_stream(stream).read_pandas())):
        headers = CSV | {"accept": f"text/html, {accept};q=0.9"}
        answer = client.post("/predict", content=table.to_csv(index=False), headers=headers)
        assert answer.headers["content-type"].startswith(accept)
        found = read(io.BytesIO(answer.content))
        assert list(found.columns) == ["prediction", "lower bound", "upper bound"]
        assert found["prediction"].tolist() == regressor.predict(table).tolist()


def test_values_that_were_never_seen_are_taken_and_said(client, regressor):
    row = ROW | {"kind": "castle", "size": 900, "rooms": None}
    answer = client.post("/predict", json=[ROW, row]).json()
    assert answer["predictions"][1]["prediction"] == regressor.predict(frame_of(row))[0]
    said = {(remark["row"], remark["column"]): remark["remark"] for remark in answer["remarks"]}
    assert said.keys() == {(1, "kind"), (1, "size"), (1, "rooms")}
    assert said[1, "kind"] == '"castle" is none of the values that the model knows'
    assert said[1, "size"].startswith("900 is outside the range of the training, 2")
    assert said[1, "rooms"] == "is missing, which it was in no row of the training"


def test_columns_that_play_no_part_are_named_and_those_left_out_are_not_needed(client):
    answer = client.post("/predict", json=ROW | {"id": 7, "constant": 3}).json()
    assert answer["ignored"] == ["id", "constant"]
    assert "remarks" not in answer


def test_a_column_with_gaps_in_training_may_be_left_out(client, regressor):
    row = {name: cell for name, cell in ROW.items() if name != "heating"}
    assert (
        predictions(client.post("/predict", json=row))[0]["prediction"]
        == regressor.predict(frame_of(row | {"heating": None}))[0]
    )


def test_arrays_are_lists_of_numbers(client_of, array_model):
    client = client_of(array_model)
    rows = [[0.5, -1, 2], [1e3, 0, 0]]
    for body in (rows, {"rows": rows}):
        found = predictions(client.post("/predict", json=body))
        assert [one["prediction"] for one in found] == array_model.predict(np.array(rows, float)).tolist()
    assert predictions(client.post("/predict", json=rows[0])) == found[:1]


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_images_come_as_files_as_forms_and_as_pixels(client_of, image_model):
    client = client_of(image_model)
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 10, 3)).astype(np.uint8)
    expected = image_model.predict_proba(images).tolist()
    files = [("image", (f"{i}.png", png(image), "image/png")) for i, image in enumerate(images)]
    form = predictions(client.post("/predict", files=files))
    alone = [
        predictions(client.post("/predict", content=png(image), headers={"content-type": "image/png"}))[0]
        for image in images
    ]
    pixels = predictions(client.post("/predict", json={"images": images.tolist()}))
    for found in (form, alone, pixels):
        assert [list(one["probabilities"].values()) for one in found] == expected


def test_an_image_of_another_size_is_brought_to_that_of_the_training(client_of, image_model):
    client = client_of(image_model)
    white = np.full((16, 20), 255, np.uint8)
    found = predictions(client.post("/predict?explain=1", content=png(white), headers={"content-type": "image/png"}))[0]
    expected = image_model.predict_proba(np.full((1, 8, 10, 3), 255, np.uint8))[0].tolist()
    assert list(found["probabilities"].values()) == expected
    assert np.shape(found["explanation"]["pixels"]) == (8, 10)


def test_several_targets_and_quantiles_are_lists(client_of):
    X = np.random.default_rng(0).normal(size=(80, 2))
    for model, y in (
        (Regressor(**SMALL), X * 2),
        (Regressor(loss="quantile", quantile=[0.1, 0.5, 0.9], **SMALL), X[:, 0]),
    ):
        train(model, X, y)
        client = client_of(model)
        found = predictions(client.post("/predict?explain=1", json=X[:4].tolist()))
        assert [one["prediction"] for one in found] == model.predict(X[:4]).tolist()
    assert found[0]["explanation"]["of"] == 0.5
    assert client.get("/model").json()["outputs"] == ["0.1", "0.5", "0.9"]


def test_several_labels_are_lists_of_zeros_and_ones(client_of):
    X = np.random.default_rng(0).normal(size=(80, 3))
    model = Classifier(**SMALL).fit(X, (X > 0).astype(int))
    found = predictions(client_of(model).post("/predict", json=X[:4].tolist()))
    assert [one["prediction"] for one in found] == model.predict(X[:4]).tolist()
    assert [list(one["probabilities"].values()) for one in found] == model.predict_proba(X[:4]).tolist()


def test_the_typical_row_of_the_description_is_taken(client):
    row = {column["name"]: column["typical"] for column in client.get("/model").json()["columns"]}
    answer = client.post("/predict", content=json.dumps(row), headers=JSON)
    assert answer.status_code == 200
    assert "remarks" not in answer.json()
