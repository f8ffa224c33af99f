"""Reports on the command line: after a training, on a model and a source, on several models."""

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest

import pysmorch as ps
from pysmorch.cli import reporting
from tests.cli.examples import QUICK, spoil, write_csv
from tests.helpers import error_of
from tests.reporting.examples import Page

pytest.importorskip("jinja2", reason="a report needs pysmorch[report]")

TRAIN = ["train", "houses.csv", "--target", "price", *QUICK]


def text_of(path):
    return Page(Path(path).read_text(encoding="utf-8")).text


def trained(run, *options):
    write_csv()
    code, out, err = run(*TRAIN, *options)
    assert code == 0, err
    return out


def test_train_writes_a_report_on_the_held_out_rows(run):
    write_csv()
    options = [option for option in TRAIN if option != "--no-baselines"]
    code, out, err = run(*options, "--report", "out.html")
    assert code == 0, err
    assert out.endswith("model written to model.safetensors\nreport written to out.html\n")
    text = text_of("out.html")
    assert "Report on model Classifier, 2 classes, on 24 rows of houses.csv" in text
    assert "Held out are 24 of 120 rows (20%), drawn at random with the seed 0, from each class its share" in text
    assert "HistGradientBoosting" in text
    assert "pysmorch predict model.safetensors new.csv" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--test", "0"], "No rows were held out: these are the 120 rows of the training"),
        (["--test-file", "houses.csv"], "These are the rows of houses.csv. The model was trained on 120 others."),
        (["--split-time", "age"], "rows with the latest 'age'"),
        (["--split-group", "town"], "whole groups of 'town', drawn at random with the seed 0"),
    ],
)
def test_the_report_says_how_rows_were_held_out(run, options, words):
    write_csv(gaps=False)
    code, _, err = run(*TRAIN, *options, "--report", "out.html")
    assert code == 0, err
    assert words in text_of("out.html")
    assert "Simpler models are left out: none were trained beside it." in text_of("out.html")


def test_what_training_warns_of_is_in_the_report(run):
    write_csv()
    lines = Path("houses.csv").read_text().splitlines()
    spoil("houses.csv", "\n".join([f"number,{lines[0]}", *(f"{i},{line}" for i, line in enumerate(lines[1:]))]))
    assert run(*TRAIN, "--report", "out.html")[0] == 0
    assert "Column 'number' is left out: a running number" in text_of("out.html")


def test_report_reads_a_model_and_a_source(run):
    trained(run)
    code, out, err = run("report", "model.safetensors", "houses.csv")
    assert code == 0, err
    assert out == "report written to report.html\n"
    text = text_of("report.html")
    assert "on 120 rows of houses.csv" in text
    assert "How the rows of this report were chosen is not known here" in text
    assert "line 2" in text or "line 3" in text  # the lines of the file name the rows


def test_rows_of_the_training_bring_simpler_models_and_remarks(run):
    trained(run)
    code, _, err = run("report", "model.safetensors", "houses.csv", "--training", "houses.csv")
    assert code == 0, err
    text = text_of("report.html")
    assert "LogisticRegression: accuracy" in text
    assert "120 of 120 held-out rows (100.0%) are also among the training rows" in text
    arguments = [
        "report",
        "model.safetensors",
        "model.safetensors",
        "houses.csv",
        "--training",
        "houses.csv",
        "--force",
    ]
    assert "--training is for a report on one model" in error_of(run(*arguments))


def test_report_compares_models(run):
    trained(run)
    assert run(*TRAIN, "--out", "wide.safetensors", "--hidden", "32", "--drop", "age", "--quiet")[0] == 0
    code, _, err = run("report", "model.safetensors", "wide.safetensors", "houses.csv", "--out", "both.html")
    assert code == 0, err
    text = text_of("both.html")
    assert "model and wide compared" in text
    assert "The models on the same rows; ★ is the best" in text


def test_a_source_without_the_target_makes_a_report_of_the_rest(run):
    trained(run)
    table = pyarrow.csv.read_csv("houses.csv")
    pyarrow.csv.write_csv(table.drop_columns(["price"]), "new.csv")
    code, out, err = run("report", "model.safetensors", "new.csv")
    assert code == 0, err
    assert "new.csv has no column 'price', which the model predicts; what needs the right answers is left out" in out
    assert "Left out are measures, errors, calibration and importance: new.csv has no column 'price'" in text_of(
        "report.html"
    )
    assert "houses.csv has no column 'cost'" in error_of(
        run("report", "model.safetensors", "houses.csv", "--target", "cost", "--force")
    )


def test_images_are_named_by_their_files(run):
    from PIL import Image

    rng = np.random.RandomState(0)
    for name in ("cat", "dog"):
        Path("pets", name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(rng.randint(0, 255, (16, 16), dtype=np.uint8)).save(f"pets/{name}/{i}.png")
    assert run("train", "pets", "--epochs", "1", "--quiet", "--report", "out.html")[0] == 0
    assert "left out: its rows are images" in text_of("out.html")
    assert run("report", "model.safetensors", "pets", "--out", "all.html")[0] == 0
    assert any(f"{name}/{i}.png" in text_of("all.html") for name in ("cat", "dog") for i in range(12))


def test_an_existing_file_is_left_as_it_is(run):
    trained(run)
    spoil("notes.html", "mine")
    message = "exists; name another file, or add --force to replace it"
    assert (
        error_of(run("report", "model.safetensors", "houses.csv", "--out", "notes.html"))
        == f"pysmorch: error: --out notes.html {message}"
    )
    assert error_of(run(*TRAIN, "--report", "notes.html")) == f"pysmorch: error: --report notes.html {message}"
    assert Path("notes.html").read_text() == "mine"
    assert run("report", "model.safetensors", "houses.csv", "--out", "notes.html", "--force")[0] == 0
    assert "Report on model" in text_of("notes.html")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.safetensors"], "name the rows to report on as well: pysmorch report model.safetensors SOURCE"),
        (["houses.csv", "houses.csv"], "houses.csv"),
        (["bare.safetensors", "houses.csv"], "bare.safetensors holds a bare network, which does not know its columns"),
        (
            ["model.safetensors", "houses.csv", "--out", "nowhere/report.html"],
            "the folder nowhere for report.html does not exist",
        ),
        (["model.safetensors", "number.safetensors", "houses.csv"], "models are compared on the same right answers"),
        (["model.safetensors", "empty.csv"], "empty.csv"),
    ],
)
def test_what_cannot_be_reported_on_is_one_sentence(run, arguments, message):
    trained(run)
    assert run("train", "houses.csv", "--target", "size", *QUICK, "--out", "number.safetensors", "--quiet")[0] == 0
    ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 3)), [4], 2))).save("bare.safetensors")
    spoil("empty.csv", "")
    assert message in error_of(run("report", *arguments))
    assert not Path("report.html").exists()


def test_without_jinja2_nothing_is_trained(run, monkeypatch):
    write_csv()
    monkeypatch.setattr(reporting, "find_spec", lambda name: None)
    assert (
        error_of(run(*TRAIN, "--report", "out.html"))
        == "pysmorch: error: a report needs Jinja2: pip install 'pysmorch[report]'"
    )
    assert not Path("model.safetensors").exists()


def test_rows_that_the_memory_does_not_hold_are_drawn(run, no_memory):
    trained(run)
    no_memory()
    code, _, err = run("report", "model.safetensors", "houses.csv")
    assert code == 0, err
    assert "on 120 rows of houses.csv" in text_of("report.html")


def test_the_json_object_is_as_without_a_report(run):
    write_csv()
    code, out, err = run(*TRAIN, "--json", "--report", "out.html")
    assert code == 0, err
    assert json.loads(out)["rows"] == {"training": 96, "held_out": 24}
    assert "report written to out.html" in err
