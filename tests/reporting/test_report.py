"""Reports on models of every kind, and on rows that make parts of them impossible."""

import sys

import numpy as np
import pandas as pd
import pytest

import pysmorch as ps
from pysmorch.reporting import About, report_on
from tests.reporting.examples import QUICK, checked, classifier, regressor, rows

pytest.importorskip("jinja2", reason="a report needs pysmorch[report]")

SECTIONS = [
    "Overview",
    "Data",
    "Training",
    "What it looks at",
    "Simpler models",
    "Network",
    "Settings and cost",
    "How to use it",
]


def titles(page, level=2):
    return [words for found, words in page.headings if found == level]


def test_a_report_on_classes_has_every_part():
    X, y, _ = rows()
    page = checked(classifier().report(X, y, name="wind", split="Every third row.", remarks=["a column is odd"]))
    assert set(SECTIONS) | {"How good it is", "Rankings and probabilities", "Worst errors"} == set(titles(page))
    assert {
        "ROC",
        "Precision and recall",
        "Calibration",
        "Which class is taken for which",
        "Importance of columns",
    } <= set(titles(page, 3))
    for words in (
        "Report on wind",
        "Every third row.",
        "A column is odd.",
        "pysmorch predict model.safetensors",
        "hidden",
        "[8]",
        "numpy",
    ):
        assert words in page.text


def test_a_report_on_numbers_has_every_part():
    X, _, z = rows()
    page = checked(regressor(conformal_fraction=0.3).report(X, z))
    assert set(SECTIONS) | {"How good it is", "Intervals", "Worst errors"} == set(titles(page))
    assert {"Predictions", "Residuals", "Distribution of residuals", "Intervals"} <= set(titles(page, 3))
    assert "rows that were set aside for it" in page.text


def test_baselines_are_beside_the_network():
    X, y, _ = rows()
    model = ps.Classifier(**QUICK).fit(X[::2], y[::2])
    found = ps.compare_with_baselines(model, X[::2], y[::2], X[1::2], y[1::2])
    page = checked(model.report(X[1::2], y[1::2], baselines=found))
    for line in found.lines():
        assert line in page.text


def test_a_file_is_read_and_its_column_is_the_target(tmp_path):
    X, y, _ = rows()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = ps.Classifier(**QUICK).fit(frame, y)
    frame.assign(y=y).to_csv(tmp_path / "rows.csv", index=False)
    page = checked(model.report(tmp_path / "rows.csv", "y"))
    assert "90 rows" in page.text
    assert "Worst errors" in titles(page)
    assert "Worst errors" not in titles(checked(model.report(tmp_path / "rows.csv")))


def test_without_labels_it_says_what_is_left_out():
    X, _, _ = rows()
    page = checked(classifier().report(X))
    assert "Left out are measures, errors, calibration and importance: no right answers were given" in page.text
    assert "Predictions" in titles(page)
    assert "How good it is" not in titles(page)
    checked(regressor().report(X))


@pytest.mark.parametrize("count", [1, 2])
def test_a_row_or_two_make_a_report(count):
    X, y, z = rows()
    checked(classifier().report(X[:count], y[:count]))
    checked(regressor().report(X[:count], z[:count]))


def test_rows_of_one_class_make_a_report():
    X, y, _ = rows()
    page = checked(classifier().report(X[y == "up"], y[y == "up"]))
    assert "All rows are of one class, up: areas and curves that compare classes are left out." in page.text


def test_predictions_that_are_not_finite_make_a_report():
    X, y, _ = rows()
    model = classifier()
    model.network_.output.W[...] = np.nan
    page = checked(model.report(X, y))
    assert "90 of 90 rows are left out, since what is predicted for them is not finite" in page.text


def test_a_sample_of_very_many_rows_is_said():
    X = np.random.RandomState(0).randn(100_000, 3)
    page = checked(classifier().report(X, np.where(X[:, 0] > 0, "up", "down")))
    assert "Of 100,000 rows 50,000 were drawn at random (seed 0); all in this report is of these." in page.text


def test_very_many_classes_are_shown_in_part():
    count = 120
    X = np.random.RandomState(0).randn(5 * count, 4)
    y = np.arange(5 * count) % count
    model = ps.Classifier(**(QUICK | {"epochs": 1, "calibrate": False})).fit(X, y)
    page = checked(model.report(X, y))
    assert "Shown are the 15 of 120 classes with the most mistakes." in page.text
    assert "of 120 the 100 with the lowest F1" in page.text


def test_very_many_columns_are_shown_in_part():
    X = np.random.RandomState(0).randn(60, 2_000)
    y = np.where(X[:, 3] > 0, "up", "down")
    page = checked(ps.Classifier(**QUICK).fit(X, y).report(X, y))
    assert "The first 60 of 2,000 columns" in page.text
    assert "Of 2,000 columns 60 were shuffled, those that contribute most by integrated gradients." in page.text


def hostile():
    names = ["</style><script>alert(1)</script>", '"><img src="http://example.org/x">', "\u202ename\x1b[31m", "text"]
    rng = np.random.RandomState(0)
    return pd.DataFrame(
        {
            names[0]: rng.choice(["<b>", "&amp;", "{{ 7 * 7 }}"], 80),
            names[1]: rng.randn(80),
            names[2]: np.where(rng.rand(80) < 0.3, np.nan, rng.randn(80)),
            names[3]: ["lorem ipsum " * 200 + str(i) for i in range(80)],
        }
    )


def test_texts_from_files_are_escaped():
    frame = hostile()
    y = np.where(frame.iloc[:, 1] > 0, "<img src=x onerror=alert(2)>", "</title><script>alert(3)</script>")
    model = ps.Classifier(**QUICK).fit(frame, y)
    report = model.report(frame, y, name="<i>me</i>", split="<u>us</u>", remarks=["<s>them</s>"])
    page = checked(report)
    assert report.html.count("<script") == 1
    assert "\u202e" not in report.html
    assert "\x1b" not in report.html
    assert "<img" not in report.html
    for words in ("<i>me</i>", "<u>us</u>", "<s>them</s>", "<img src=x onerror=alert(2)>", "{{ 7 * 7 }}"):
        assert words in page.text


def test_several_targets_labels_and_quantiles_have_reports():
    X, _, z = rows()
    page = checked(ps.Regressor(**QUICK).fit(X, np.stack([z, -z], 1)).report(X, np.stack([z, -z], 1)))
    assert "Figures of each target" in page.text
    marks = (X > 0).astype(int)
    page = checked(ps.Classifier(**QUICK).fit(X, marks).report(X, marks))
    assert "3 labels" in page.text
    page = checked(regressor(loss="quantile", quantile=[0.1, 0.5, 0.9]).report(X, z))
    assert "Quantiles: how many right values are below them" in page.text
    checked(regressor(loss="quantile", quantile=0.9).report(X, z))
    counts = np.random.RandomState(1).poisson(2, len(X))
    checked(ps.Regressor(**(QUICK | {"loss": "poisson"})).fit(X, counts).report(X, counts))


def test_images_have_thumbnails_and_where_the_network_looks():
    rng = np.random.RandomState(0)
    X, y = rng.randint(0, 255, (40, 16, 16, 3)).astype(np.uint8), rng.randint(0, 3, 40)
    model = ps.Classifier(epochs=1, random_state=0, network=ps.models.lenet).fit(X, y)
    page = checked(model.report(X, y))
    pictures = [address for address in page.addresses if address.startswith("data:image/png")]
    wrong = int((model.predict(X) != y).sum())
    assert len(pictures) == 2 * min(wrong, 24)
    assert "Importance and partial dependence are left out: rows are images" in page.text
    checked(model.report(X))
    small = checked(model.quantize(X).report(X, y))
    assert "where the network finds" not in small.text
    checked(ps.Regressor(epochs=1, random_state=0).fit(X, y.astype(float)).report(X, y.astype(float)))


def test_large_images_are_small_in_a_report():
    rng = np.random.RandomState(0)
    X, y = rng.randint(0, 255, (60, 120, 90, 3)).astype(np.uint8), rng.randint(0, 3, 60)
    network = {"network": lambda images, count: ps.dense(ps.Flatten(ps.AvgPool2d(images, 30)), count, activation=None)}
    model = ps.Classifier(epochs=1, random_state=0, **network).fit(X, y)
    assert (model.predict(X) != y).sum() >= 24
    page = checked(model.report(X, y))
    assert sum(address.startswith("data:image/jpeg") for address in page.addresses) == 48


def test_rows_of_pixels_are_images():
    rng = np.random.RandomState(0)
    X, y = rng.randint(0, 17, (60, 16)).astype(np.uint8), rng.randint(0, 3, 60)
    page = checked(ps.Classifier(**QUICK, pixels=True).fit(X, y).report(X, y))
    assert any(address.startswith("data:image/png") for address in page.addresses)


def test_an_ensemble_shows_one_of_its_networks():
    X, y, _ = rows()
    model = ps.Classifier(**(QUICK | {"members": 2})).fit(X, y)
    page = checked(model.report(X, y))
    assert "The network is the mean of 2 networks of the same layers; this is the first one." in page.text


def test_models_are_compared_on_the_same_rows():
    X, y, z = rows()
    models = {"small": classifier(), "large": ps.Classifier(**(QUICK | {"hidden": [16]})).fit(X, y)}
    page = checked(report_on(models, X, y))
    assert titles(page) == ["Comparison", "small", "large"]
    assert "The models on the same rows; ★ is the best" in page.text
    checked(report_on(models, X))
    checked(report_on({"a": regressor(), "b": regressor(hidden=[4])}, X, z))
    with pytest.raises(
        ValueError,
        match="models are compared on the same right answers, but small predicts classes down, up and b 1 numbers",
    ):
        report_on({"small": models["small"], "b": regressor()}, X, y)
    with pytest.raises(ValueError, match="models must be 1 to 6 models, but there are 0"):
        report_on({}, X, y)


def test_a_loaded_model_says_the_same_of_the_same_rows(tmp_path):
    X, y, _ = rows()
    model = classifier()
    model.save(tmp_path / "model.safetensors")
    loaded = ps.load(tmp_path / "model.safetensors")
    about = About(seconds=1.0)
    here, there = (checked(report_on({"m": one}, X, y, about=about)) for one in (model, loaded))
    assert here.text.split("Training")[0] == there.text.split("Training")[0]


def test_a_report_is_saved_whole_and_shown_in_a_frame(tmp_path):
    X, y, _ = rows()
    report = classifier().report(X, y)
    report.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report.html
    assert report._repr_html_().startswith('<iframe title="Report"')
    assert "<!DOCTYPE" not in report._repr_html_()
    assert repr(report) == f"<Report: a page of {len(report.html.encode()):,} bytes; save(path) writes it>"
    with pytest.raises(OSError, match="does not exist"):
        report.save(tmp_path / "nowhere" / "report.html")


def test_data_that_do_not_fit_are_refused():
    X, y, _ = rows()
    model = classifier()
    with pytest.raises(ValueError, match="y has unknown labels"):
        model.report(X, ["sideways"] * len(y))
    with pytest.raises(ValueError, match="X has 2 features"):
        model.report(X[:, :2], y)
    with pytest.raises(ValueError, match="not fitted yet"):
        ps.Classifier().report(X, y)


def test_without_jinja2_a_sentence_says_what_to_install(monkeypatch):
    X, y, _ = rows()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"a report needs Jinja2: pip install 'pysmorch\[report\]'"):
        classifier().report(X, y)


def test_parameters_that_are_functions_are_shown_by_their_names():
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 1), dtype=np.uint8)
    model = ps.Classifier(network=ps.models.lenet, epochs=1, random_state=0).fit(images, np.arange(24) % 2)
    page = model.report(images, np.arange(24) % 2).html
    assert "<td>lenet</td>" in page
    assert "function lenet" not in page
