"""Estimators as C files and as Python files that need NumPy alone, with what encodes their columns."""

import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import pysmorch as ps
from tests.export.examples import numbers, people
from tests.export.standalone import (
    COMPILERS,
    STRICT,
    as_numbers,
    compile_c,
    load_python,
    needs_compiler,
    numbers_as_csv,
    run_c,
    run_program,
)
from tests.helpers import PLAIN_ENVIRONMENT

SMALL = {"hidden": (8,), "epochs": 2, "random_state": 0}
TARGETS = [pytest.param("c", marks=needs_compiler), "py"]


def answers_of(model, X, target, folder, **options):
    """Return what the file of a model says of rows: classes, or None, and numbers."""
    path = folder / f"model.{target}"
    model.export(path, overwrite=True)
    if target == "py":
        names = load_python(path)
        if not hasattr(model, "classes_"):
            return None, names["predict"](X).reshape(len(X), -1)
        return names["predict"](X), names["predict_proba"](X)
    text = X.to_csv(index=False) if isinstance(X, pd.DataFrame) else numbers_as_csv(X)
    header, rows = run_c(path, text, **options)
    has_class = header[0] == "prediction" and hasattr(model, "classes_")
    return np.array([row[0] for row in rows]) if has_class else None, as_numbers([row[has_class:] for row in rows])


def agrees(model, X, target, folder, **options):
    classes, found = answers_of(model, X, target, folder, **options)
    if not hasattr(model, "classes_"):
        expected = model.predict(X).reshape(len(X), -1)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())
        return
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=1e-5, atol=1e-7)
    if classes is not None:
        expected = model.predict(X).tolist()
        assert classes.tolist() == (list(map(str, expected)) if target == "c" else expected)


@pytest.mark.parametrize("target", TARGETS)
def test_an_array_with_missing_numbers_and_unusual_rows(target, tmp_path):
    X, y = numbers()
    model = ps.Classifier(**SMALL).fit(X, y)
    agrees(model, X, target, tmp_path)
    strange = np.array([[1e300, -1e300, 5.0, np.nan, 0.0], [np.nan] * 5, [0.0] * 5])
    agrees(model, strange, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("preset", ["fast", "balanced", "best"])
def test_a_data_frame_with_categories_and_missing_cells(target, preset, tmp_path):
    frame, y = people()
    members = {"members": 2} if preset == "best" else {}
    model = ps.Classifier(preset=preset, **SMALL, **members).fit(frame, y)
    agrees(model, frame, target, tmp_path)
    unseen = frame.head(3).assign(town=["Paris", None, " Rome "], street="new", income=np.nan)
    agrees(model, unseen, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_embedded_numbers_and_a_column_with_very_many_categories(target, tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"shop": [f"shop {i}" for i in rng.integers(0, 700, 3000)], "x": rng.normal(size=3000)})
    y = frame.x + np.char.count(frame.shop.to_numpy().astype(str), "7")
    with pytest.warns(ps.PysmorchWarning, match="643 values"):
        model = ps.Regressor(hidden=(8, 8), epochs=1, random_state=0).fit(frame, y)
    some = pd.concat([frame.head(50), pd.DataFrame({"shop": ["unknown", None], "x": [0.1, np.nan]})])
    agrees(model, some, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_what_users_say_about_missing_texts_and_integers_as_categories(target, tmp_path):
    frame, y = people()
    frame["code"] = pd.Series(np.arange(len(frame)) % 7, dtype="Int64")
    frame.loc[::11, "code"] = pd.NA
    frame.loc[::5, "town"] = "gone"
    model = ps.Classifier(columns={"code": "category"}, missing=["gone", "-"], **SMALL).fit(frame, y)
    agrees(model, frame, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_a_table_of_categories_alone(target, tmp_path):
    frame, y = people()
    model = ps.Classifier(**SMALL).fit(frame[["town", "grade"]], y)
    agrees(model, frame[["town", "grade"]], target, tmp_path)
    rare = pd.DataFrame({"town": ["Rome", "Rome", *map(str, range(38))]})
    model = ps.Classifier(columns={"town": "category"}, **SMALL).fit(rare, y[:40])
    agrees(model, rare, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("network", ["mlp", "lenet"])
def test_images(target, network, tmp_path):
    rng = np.random.default_rng(3)
    images, y = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), np.arange(40) % 4
    chosen = {"network": ps.models.lenet, "epochs": 1} if network == "lenet" else SMALL
    model = ps.Classifier(**chosen).fit(images, y)
    agrees(model, images, target, tmp_path)
    grey = ps.Classifier(**SMALL).fit(images[..., 0], y)
    agrees(grey, images[..., 0], target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_rows_of_pixels(target, tmp_path):
    rng = np.random.default_rng(3)
    X, y = rng.integers(0, 256, (40, 12), dtype=np.uint8), rng.integers(0, 2, 40)
    agrees(ps.Classifier(pixels=True, **SMALL).fit(X, y), X, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "classes", [[0, 5], ["a", "b"], [True, False], [0.0, 2.0]], ids=["integers", "texts", "booleans", "numbers"]
)
@pytest.mark.parametrize("threshold", [None, 0.3, 5.0], ids=["likeliest", "threshold", "costs"])
def test_classes_of_every_kind_and_rules(target, classes, threshold, tmp_path):
    X, codes = numbers()
    y = np.array(classes)[np.minimum(codes, 1)]
    rule = {(classes[1], classes[0]): threshold, (classes[0], classes[1]): 1.0} if threshold == 5.0 else threshold
    agrees(ps.Classifier(**SMALL, threshold=rule).fit(X, y), X, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_several_labels(target, tmp_path):
    X, codes = numbers()
    model = ps.Classifier(**SMALL).fit(X, np.stack([codes > 0, codes > 1], axis=1).astype(int))
    agrees(model, X, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "options",
    [{}, {"loss": "poisson"}, {"loss": "quantile", "quantile": [0.9, 0.1, 0.5]}, {"loss": "gamma"}, {"members": 3}],
    ids=["numbers", "counts", "quantiles", "amounts", "ensemble"],
)
def test_regressors(target, options, tmp_path):
    X, codes = numbers()
    model = ps.Regressor(**SMALL, **options).fit(X, 10.0 * codes + 1)
    agrees(model, X, target, tmp_path)
    if target == "py":
        assert load_python(tmp_path / "model.py")["predict"](X).shape == model.predict(X).shape


@pytest.mark.parametrize("target", TARGETS)
def test_several_targets(target, tmp_path):
    X, codes = numbers()
    model = ps.Regressor(**SMALL).fit(X, np.stack([codes, -3.0 * codes], axis=1))
    agrees(model, X, target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_a_calibrated_ensemble(target, tmp_path):
    X, y = numbers()
    agrees(ps.Classifier(preset="best", members=3, **SMALL).fit(X, y), X, target, tmp_path)


HOSTILE = [
    'a "quoted" name',
    "back\\slash\\",
    "??/ trigraph ??)",
    "ends */ int main(void) { /* begins",
    "two\nlines\r",
    "100 %s %n",
    "größe 日本",
    "'''\"\"\"",
    "{braces} $(id) `id`",
    "\u202eright to left",
    "class",
    "NULL",
    "linux",
    "__import__('os')",
    "",
    "x",
    "X",
]


@pytest.mark.parametrize("compiler", [pytest.param(name, marks=needs_compiler) for name in COMPILERS] + ["py"])
def test_names_and_categories_are_texts_and_nothing_else(compiler, tmp_path):
    rng = np.random.default_rng(6)
    columns = {name: rng.normal(size=60) for name in HOSTILE[:9]}
    columns |= {name: rng.choice(HOSTILE[:14], 60) for name in HOSTILE[9:]}
    frame = pd.DataFrame(columns)
    y = rng.choice(HOSTILE[:6], 60)
    model = ps.Classifier(**SMALL, columns=dict.fromkeys(HOSTILE[9:], "category")).fit(frame, y)
    if compiler == "py":
        agrees(model, frame, "py", tmp_path)
    else:
        agrees(model, frame, "c", tmp_path, compiler=compiler)
        assert (tmp_path / "model.c").read_text(encoding="utf-8").count("int main(void)\n") == 1


@needs_compiler
def test_texts_that_c_cannot_hold_are_named_and_nothing_is_written(tmp_path):
    frame, y = people(100)
    for text, message in (("a\0b", "character of code 0"), ("long" * 2000, "8,000 bytes")):
        given = frame.assign(town=np.where(frame.age > 50, text, "Rome"))
        model = ps.Classifier(**SMALL, columns={"town": "category"}).fit(given, y)
        with pytest.raises(ValueError, match=f"a category of the column 'town' has .*{message}"):
            model.export(tmp_path / "model.c")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["c", "py"])
def test_columns_without_a_form_are_named_and_nothing_is_written(target, tmp_path):
    words = ["red", "green", "blue", "tall", "small", "old", "new", "fast"]
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2020-01-01", periods=200, freq="36h"),
            "said": [" ".join(rng.choice(words, 6)) for _ in range(200)],
            "x": rng.normal(size=200),
        }
    )
    model = ps.Classifier(**SMALL).fit(frame, frame.x > 0)
    with pytest.raises(ValueError, match=r"column 'when' \(a time, .*column 'said' \(a text"):
        model.export(tmp_path / f"model.{target}")
    assert list(tmp_path.iterdir()) == []


@needs_compiler
@pytest.mark.parametrize("compiler", COMPILERS)
def test_optimized_files_predict_the_same(compiler, tmp_path):
    frame, y = people()
    model = ps.Classifier(**SMALL).fit(frame, y)
    model.export(tmp_path / "model.c")
    program = str(compile_c(tmp_path / "model.c", "-O3", "-march=native", compiler=compiler))
    found = as_numbers([row[1:] for row in run_program([program], frame.to_csv(index=False))[1]])
    np.testing.assert_allclose(found, model.predict_proba(frame), rtol=1e-5, atol=1e-7)


CALLER = """
#include <math.h>
#include <stdio.h>
#define PYSMORCH_DECLARATIONS
#include "two words.c"
#undef PYSMORCH_DECLARATIONS

int main(void)
{
    struct two_words_row row = {30.0, NAN, "Rome", NULL, 1.0, "mid"};
    double probabilities[2];
    const int predicted = two_words_predict(&row, probabilities);
    printf("%s,%.9g\\n", two_words_class_names[predicted], probabilities[1]);
    row.x_age = INFINITY;
    return two_words_predict(&row, probabilities) != -1;
}
"""

CPP_CALLER = """
#define PYSMORCH_DECLARATIONS
#include "main.c"
#include <cstdio>

int main()
{
    const double row[5] = {0, 1, 2, 3, 4};
    double prediction[1];
    const int status = main_predict(row, prediction);
    std::printf("%.9g\\n", prediction[0]);
    return status;
}
"""


@needs_compiler
@pytest.mark.parametrize("storage", ["", "-DPYSMORCH_STORAGE=static"])
def test_a_program_calls_the_functions_of_a_file(storage, tmp_path):
    frame, y = people()
    model = ps.Classifier(**SMALL).fit(frame, y)
    model.export(tmp_path / "two words.c")
    (tmp_path / "caller.c").write_text(CALLER)
    files = [str(tmp_path / "two words.c"), str(tmp_path / "caller.c")]
    command = [COMPILERS[0], *STRICT, *filter(None, [storage]), *files, "-o", str(tmp_path / "caller"), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    (label, probability), _ = run_program([str(tmp_path / "caller")], "")
    row = frame.head(1).assign(age=30.0, income=np.nan, town="Rome", street=None, member=True, grade="mid")
    assert label == model.predict(row)[0]
    assert float(probability) == pytest.approx(model.predict_proba(row)[0, 1], rel=1e-5)


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
@needs_compiler
def test_programs_in_cpp_call_the_functions_too(tmp_path):
    X, y = numbers()
    model = ps.Regressor(**SMALL).fit(X, 1.0 * y)
    model.export(tmp_path / "main.c")
    (tmp_path / "caller.cpp").write_text(CPP_CALLER)
    subprocess.run([COMPILERS[0], *STRICT, "-c", "main.c", "-o", "main.o"], cwd=tmp_path, check=True)
    subprocess.run(["g++", "caller.cpp", "main.o", "-o", "caller", "-lm"], cwd=tmp_path, check=True)
    (number,), _ = run_program([str(tmp_path / "caller")], "")
    assert float(number) == pytest.approx(model.predict(np.arange(5.0)[None])[0], rel=1e-5)


@needs_compiler
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: there is no column age"),
        ("age,town\n1,Rome\n", "line 1: there is no column income"),
        ("HEADER\n1,2\n", "line 2: there is no cell for the column town"),
        ("HEADER\nold,2,Rome,s1,true,mid\n", "line 2: no number in the column age"),
        ("HEADER\n1e999,2,Rome,s1,true,mid\n", "line 2: an infinite number"),
        ("HEADER\n0x10,2,Rome,s1,true,mid\n", "line 2: no number in the column age"),
        ("HEADER\n" + "x" * 2**20 + ",2,Rome,s1,true,mid\n", "line 2: the row is too long"),
        ("," * 5000 + "\n", "line 1: there is no column age"),
    ],
)
def test_the_c_program_says_what_is_wrong_with_a_row(text, message, tmp_path):
    frame, y = people(100)
    ps.Classifier(**SMALL).fit(frame, y).export(tmp_path / "model.c")
    program = compile_c(tmp_path / "model.c", "-fsanitize=address,undefined")
    given = text.replace("HEADER", "age,income,town,street,member,grade")
    done = subprocess.run([str(program)], input=given.encode(), capture_output=True, env=PLAIN_ENVIRONMENT)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(message)
    assert done.stderr.count(b"\n") == 1


@needs_compiler
def test_the_c_program_reads_what_spreadsheets_write(tmp_path):
    frame, y = people()
    model = ps.Classifier(**SMALL).fit(frame, y)
    model.export(tmp_path / "model.c")
    text = '\ufeffgrade,"town",age,street,member,more,income\r\nmid,"Rome",30,,YES,"a ""b"", c",NA\r\n'
    _, [row] = run_c(tmp_path / "model.c", text)
    given = frame.head(1).assign(age=30.0, income=np.nan, town="Rome", street=None, member=True, grade="mid")
    np.testing.assert_allclose(np.array(row[1:], float), model.predict_proba(given)[0], rtol=1e-5)


def test_the_python_file_runs_with_numpy_alone(tmp_path):
    frame, y = people()
    model = ps.Classifier(**SMALL).fit(frame, y)
    model.export(tmp_path / "model.py")
    program = [sys.executable, str(tmp_path / "model.py")]
    header, rows = run_program(program, "\ufeff" + frame.to_csv(index=False))
    assert header == ["prediction", "probability no", "probability yes"]
    np.testing.assert_allclose(as_numbers([row[1:] for row in rows]), model.predict_proba(frame), rtol=1e-5)
    code = "import sys, model; print([name for name in ('pysmorch', 'pandas', 'scipy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_python_file_takes_dictionaries_and_says_what_is_wrong(tmp_path):
    frame, y = people()
    model = ps.Classifier(**SMALL).fit(frame, y)
    model.export(tmp_path / "model.py")
    predict_proba = load_python(tmp_path / "model.py")["predict_proba"]
    expected = model.predict_proba(frame.head(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(predict_proba(frame.head(4).to_dict("records")), expected, rtol=1e-5)
        np.testing.assert_allclose(predict_proba(frame.head(4).to_dict("list")), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="column 'age' holds numbers, but a cell is 'old'"):
        predict_proba(frame.head(1).assign(age="old"))
    with pytest.raises(ValueError, match="there is no column 'age'"):
        predict_proba(frame[["town"]])
    with pytest.raises(ValueError, match="column 'age' has an infinite number"):
        predict_proba(frame.head(1).assign(age=np.inf))


def test_a_layout_of_onnx_files_is_refused_for_others(tmp_path):
    images = np.random.default_rng(3).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    model = ps.Classifier(**SMALL).fit(images, np.arange(20) % 2)
    with pytest.raises(
        ValueError, match=r'layout="nchw" is for ONNX files; in model\.c images have their channels last'
    ):
        model.export(tmp_path / "model.c", layout="nchw")
