"""The command line, in this process; exit codes and standard error as a shell sees them in a few tests."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet
import pytest

import pysmorch as ps
from pysmorch.metrics import METRICS
from tests.cli.examples import QUICK, interrupt_after, spoil, write_csv
from tests.helpers import error_of, idx

RNG = np.random.default_rng(0)


def test_metrics_are_measured_on_held_out_rows_and_written_into_the_model(run):
    code, out, err = run("train", "iris", *QUICK, "--metric", "auc", "--metric", "top_2")
    assert code == 0, err
    notes = ps.load("model.safetensors").notes_["test"]
    assert 0.5 < notes["auc"] <= 1
    assert f"auc  {notes['auc']:.5g}\n" in out
    assert notes["top_2"] >= notes["accuracy"]
    code, out, err = run("evaluate", "model.safetensors", "iris", "--metric", "f1")
    assert code == 0, err
    assert 0 < float(out.split("f1")[1].split()[0]) <= 1


def test_metrics_of_values_are_measured_in_the_units_of_the_target(run):
    assert run("train", "diabetes", *QUICK, "--metric", "rmse", "--metric", "mape")[0] == 0
    notes = ps.load("model.safetensors").notes_["test"]
    assert notes["rmse"] == notes["RMSE"] > 10
    assert notes["mape"] > 0


def test_metrics_that_cannot_be_measured_are_refused_in_one_line(run):
    assert "--metric: there is no metric 'aucc'; did you mean 'auc'?" in error_of(run("train", "--metric", "aucc"))
    expected = "--metric r2 takes values, which classification does not predict; take one of accuracy, "
    assert expected in error_of(run("train", "iris", "--metric", "r2"))
    assert "--test 0 holds none out" in error_of(run("train", "iris", "--metric", "auc", "--test", "0"))
    assert run("train", "iris", *QUICK, "--quiet")[0] == 0
    for name, message in (("topp_5", "did you mean 'top_5'?"), ("mae", "--metric mae takes values")):
        assert message in error_of(run("evaluate", "model.safetensors", "iris", "--metric", name))


def test_the_help_lists_the_metrics(run):
    for command in ("train", "evaluate"):
        listed = "".join(run(command, "--help")[1].split())
        assert all(f"{name}," in listed for name in METRICS)


def test_train_on_digits_is_right_for_97_of_100(run):
    code, out, err = run("train")
    assert code == 0, err
    assert float(out.split("accuracy")[1].split()[0]) >= 0.97
    assert "model written to model.safetensors" in out
    assert ps.load("model.safetensors").notes_["test"]["accuracy"] >= 0.97


def test_train_predict_evaluate_and_show_work_on_a_table_with_gaps(run):
    write_csv()
    code, out, err = run("train", "houses.csv", "--target", "price", "--out", "m.safetensors", *QUICK)
    assert code == 0, err
    assert "houses.csv: 120 rows, 4 columns" in out
    assert "classification: the target has 2 distinct text values" in out
    assert "on 24 held-out rows" in out
    for word in ("accuracy", "log loss", "always", "rows are the right classes"):
        assert word in out
    code, out, _ = run("evaluate", "m.safetensors", "houses.csv")
    assert code == 0
    assert "on 120 rows" in out
    code, out, _ = run("predict", "m.safetensors", "houses.csv")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == '"prediction","probability of cheap","probability of dear"'
    assert len(lines) == 121
    code, out, _ = run("show", "m.safetensors")
    assert code == 0
    for text in (
        "a Classifier",
        "column town: category, 3 values",
        "column age: number, may be missing",
        "Linear1",
        "cheap",
    ):
        assert text in out


def test_predictions_go_into_csv_and_parquet_files(run):
    write_csv()
    run("train", "houses.csv", "--target", "price", *QUICK)
    for name in ("p.csv", "p.parquet"):
        code, out, _ = run("predict", "model.safetensors", "houses.csv", "--out", name)
        assert code == 0
        assert f"120 predictions written to {name}" in out
    table = pyarrow.parquet.read_table("p.parquet")
    assert table.column_names == ["prediction", "probability of cheap", "probability of dear"]
    assert "must end in .csv or .parquet" in error_of(
        run("predict", "model.safetensors", "houses.csv", "--out", "p.txt")
    )


def test_regression_is_inferred_and_measured_beside_the_mean(run):
    x = RNG.uniform(0, 1, 200)
    with open("line.csv", "w") as file:
        file.write("x,y\n" + "\n".join(f"{v:.4f},{3 * v + 1:.4f}" for v in x))
    code, out, err = run("train", "line.csv", "--target", "y")
    assert code == 0, err
    assert "regression: the target has" in out
    for word in ("RMSE", "MAE", "R²", "always the mean"):
        assert word in out
    assert float(out.split("R²")[1].split()[0]) > 0.9
    code, out, _ = run("predict", "model.safetensors", "line.csv")
    assert out.splitlines()[0] == '"prediction"'


def test_the_task_can_be_said(run):
    with open("grades.csv", "w") as file:
        file.write("x,y\n" + "\n".join(f"{i % 10},{i % 5}" for i in range(100)))
    assert "classification" in run("train", "grades.csv", "--target", "y", *QUICK)[1]
    out = run("train", "grades.csv", "--target", "y", "--task", "regression", *QUICK)[1]
    assert "regression: the target has 5 distinct numbers, and --task says so" in out
    assert "RMSE" in out


def test_a_file_without_header_takes_column_numbers_from_either_end(run):
    write_csv()
    with open("houses.csv") as file:
        rows = file.read().split("\n", 1)[1]
    with open("bare.csv", "w") as file:
        file.write(rows)
    for target in ("3", "-1"):
        code, out, err = run("train", "bare.csv", "--no-header", "--target", target, *QUICK)
        assert code == 0, err
        assert "classification" in out
    assert run("evaluate", "model.safetensors", "bare.csv")[0] == 0
    with open("features.csv", "w") as file:
        file.write("\n".join(line.rsplit(",", 1)[0] for line in rows.splitlines()))
    code, out, _ = run("predict", "model.safetensors", "features.csv")
    assert code == 0
    assert len(out.splitlines()) == 121


def test_images_and_labels_in_idx_format_are_trained(run):
    labels = RNG.integers(0, 3, 90)
    images = RNG.integers(0, 60, (90, 4, 4)) + 60 * labels[:, None, None]
    with open("images", "wb") as file:
        file.write(idx(images))
    with open("labels", "wb") as file:
        file.write(idx(labels))
    code, out, err = run("train", "images", "--labels", "labels", *QUICK)
    assert code == 0, err
    assert "images: 90 images of 4x4 pixels, grey" in out
    assert run("evaluate", "model.safetensors", "images", "--labels", "labels")[0] == 0
    assert "has no labels" in error_of(run("train", "images"))


def test_npz_is_trained(run):
    X = RNG.standard_normal((80, 3))
    np.savez("d.npz", X=X, y=X[:, 0] > 0)
    assert run("train", "d.npz", *QUICK)[0] == 0
    np.savez("d.npz", X=np.where(X > 2, np.inf, X), y=X[:, 0] > 0)
    assert "X has infinity in row" in error_of(run("train", "d.npz"))


def test_the_same_seed_gives_the_same_file(run):
    write_csv()
    files = []
    for name in ("a", "b"):
        run("train", "houses.csv", "--target", "price", "--seed", "5", "--out", name, *QUICK)
        with open(name, "rb") as file:
            files.append(file.read())
    assert files[0] == files[1]


def test_columns_can_be_dropped_and_rows_without_a_target_are_left_out_aloud(run):
    write_csv()
    with open("houses.csv", "a") as file:
        file.write("50,Ulm,3,\n")
    code, out, _ = run("train", "houses.csv", "--target", "price", "--drop", "age,town", *QUICK)
    assert code == 0
    assert "1 rows without a value of 'price' are left out" in out
    assert ps.load("model.safetensors").feature_names_in_.tolist() == ["size"]


def test_all_rows_are_used_with_test_0_and_quiet_prints_only_figures(run):
    write_csv()
    code, out, err = run("train", "houses.csv", "--target", "price", "--test", "0", "--quiet", *QUICK)
    assert code == 0
    assert out == "model written to model.safetensors\n"
    assert err == ""


def test_unknown_labels_are_refused_with_their_names_and_the_known_ones(run):
    write_csv()
    write_csv("other.csv", labels=("cheap.", "dear."))
    run("train", "houses.csv", "--target", "price", *QUICK)
    line = error_of(run("evaluate", "model.safetensors", "other.csv"))
    assert "unknown labels 'cheap.', 'dear.'; the classes of this model are 'cheap', 'dear'" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nothing.csv"], "nothing.csv: no such file"),
        (["train", "houses.csv"], "Give --target; the columns are size, town, age, price"),
        (["train", "digits", "--target", "price"], "digits has labels of its own and no column 'price'"),
        (["train", "houses.csv", "--target", "prize"], "has no column 'prize'; did you mean 'price'?"),
        (["train", "houses.csv", "--target", "7"], "has no column '7'"),
        (["train", "houses.csv", "--target", "price", "--drop", "sise"], "--drop: houses.csv has no column 'sise'"),
        (["train", "houses.csv", "--target", "price", "--drop", "size,town,age"], "no columns besides the target"),
        (["train", "houses.csv", "--target", "price", "--hidden", "a"], "--hidden must be widths such as 256,128"),
        (
            ["train", "houses.csv", "--target", "price", "--task", "magic"],
            "--task must be classification or regression",
        ),
        (["train", "houses.csv", "--target", "price", "--task", "regression"], "--task regression needs numbers"),
        (["train", "houses.csv", "--target", "price", "--test", "1"], "--test must be from 0 to below 1"),
        (["train", "houses.csv", "--target", "price", "--epochs", "0"], "epochs must be a positive integer"),
        (["train", "houses.csv", "--target", "price", "--dropout", "1"], "dropout must be a number from 0 to below 1"),
        (["train", "houses.csv", "--target", "price", "--activation", "step"], "activation must be one of relu"),
        (["train", "houses.csv", "--target", "price", "--out", "no/m"], "the folder no for m does not exist"),
        (["train", "houses.csv", "--target", "price", "--out", "."], "is a folder"),
        (["train", "houses.csv", "--target", "price", "--seed", "-3"], "--seed must be from 0 to 4294967295"),
        (["train", "houses.csv", "--target", "price", "--seed", "x"], "Invalid value for '--seed'"),
        (["train", "one_class.csv", "--target", "y"], "has one class only, 'a'"),
        (["train", "gap.csv", "--target", "z"], "the target 'z' has no values"),
        (
            ["train", "infinite.csv", "--target", "y"],
            "column 'x' has an infinite value in line 4; replace it, or leave out the row or the column, with --drop x",
        ),
        (["train", "ragged.csv", "--target", "y"], "ragged.csv: line 3 has 3 columns, expected 2"),
        (["train", "empty.csv", "--target", "y"], "empty.csv: the file is empty"),
        (["train", "few.csv", "--target", "y"], "too few to hold some out"),
        (["predict", "model.safetensors", "few.csv"], "lacks size, town, age, which the model was trained on"),
        (["predict", "model.safetensors", "text.csv"], "column 'size' held numbers in training, but line 2 has 'big'"),
        (["predict", "model.safetensors", "digits"], "the model was trained on a table with columns size, town, age"),
        (["predict", "nothing", "few.csv"], "nothing: no such file"),
        (["predict", "empty.csv", "few.csv"], "not a model file"),
        (["predict", "cut.safetensors", "houses.csv"], "not a model file, or a damaged one"),
        (["evaluate", "altered.safetensors", "houses.csv"], "the checksum does not fit"),
        (["predict", "network.safetensors", "houses.csv"], "a bare network, which does not know its columns"),
        (["check", "nothing.py"], "nothing.py: no such file"),
        (["dance"], "No such command 'dance'"),
        (["train", "--dance"], "No such option: --dance"),
        (["predict"], "Missing argument"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(run, arguments, message):
    write_csv()
    spoil("one_class.csv", "x,y\n" + "1,a\n" * 20)
    spoil("gap.csv", "x,y,z\n" + "?,a,\n" * 10 + ",b,\n" * 10)
    spoil("infinite.csv", "x,y\n1,a\n2,b\ninf,a\n" + "1,b\n" * 10)
    spoil("ragged.csv", "x,y\n1,2\n1,2,3\n")
    spoil("few.csv", "x,y\n1,a\n2,b\n")
    spoil("text.csv", "size,town,age\nbig,Ulm,3\n")
    spoil("empty.csv", "")
    if "model.safetensors" in arguments or "safetensors" in " ".join(arguments):
        assert run("train", "houses.csv", "--target", "price", "--hidden", "4", "--epochs", "1")[0] == 0
        with open("model.safetensors", "rb") as file:
            content = file.read()
        spoil("cut.safetensors", content[:1000])
        spoil("altered.safetensors", content[:-1] + b"!")
        ps.Network(ps.SquareLoss(ps.Linear(ps.Data(shape=(None, 2)), 1))).save("network.safetensors")
    before = sorted(os.listdir("."))
    assert message in error_of(run(*arguments))
    assert sorted(os.listdir(".")) == before


def test_a_cell_that_is_no_number_is_named_by_its_line_also_after_rows_that_are_left_out(run):
    write_csv()
    assert run("train", "houses.csv", "--target", "price", *QUICK)[0] == 0
    spoil("text.csv", "size,town,age,price\n50,Ulm,3,\n\n60,Ulm,4,cheap\nbig,Ulm,3,dear\n")
    assert "column 'size' held numbers in training, but line 5 has 'big'" in error_of(
        run("evaluate", "model.safetensors", "text.csv")
    )
    assert "but line 5 has 'big'" in error_of(run("predict", "model.safetensors", "text.csv"))


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("x,y\n" + "1,1.5\n2,2.5\n" * 9 + "3,\n\n4,inf\n", [], "the target 'y' has inf in line 22; replace or remove"),
        ("x;y\n" + "1;1.5\n2;2.5\n" * 9 + "4;-inf\n", [], "the target 'y' has -inf in line 20"),
        ("# made by hand\nx,y\n" + "1,1.5\n2,2.5\n" * 9 + "4,Infinity\n", [], "has Infinity in line 21"),
        ("x,y\n" + "1,1.5\n2,2.5\n" * 9 + "4,abc\n", ["--task", "regression"], "such as 'abc' in line 20"),
        ("y,x\n" + "1.5,1\n2.5,2\n" * 9 + "12:30,1\n", ["--task", "regression"], "such as '12:30' in line 20"),
        ('x,y\n"a\nb",1.5\n' + "c,2.5\n" * 9 + "4,inf\n", [], "the target 'y' has inf in line 13"),
    ],
)
def test_a_target_that_cannot_be_predicted_is_named_by_its_line(run, content, options, message):
    spoil("t.csv", content)
    assert message in error_of(run("train", "t.csv", "--target", "y", *options))


def test_rows_of_files_without_lines_are_counted_from_1(run):
    pyarrow.parquet.write_table(pyarrow.table({"x": [0.5, 1.0, 2.0] * 10, "y": [0, 1, 1] * 10}), "t.parquet")
    assert run("train", "t.parquet", "--target", "y", *QUICK)[0] == 0
    pyarrow.parquet.write_table(pyarrow.table({"x": ["1", "big"]}), "text.parquet")
    assert "row 2 has 'big'" in error_of(run("predict", "model.safetensors", "text.parquet"))
    infinite = {"x": [0.5] * 20, "y": [1.5] * 19 + [float("inf")]}
    pyarrow.parquet.write_table(pyarrow.table(infinite), "inf.parquet")
    assert "the target 'y' has inf in row 20" in error_of(run("train", "inf.parquet", "--target", "y"))


def test_a_failed_training_leaves_the_model_that_was_there(run):
    write_csv()
    spoil("model.safetensors", "old")
    error_of(run("train", "houses.csv", "--target", "price", "--epochs", "0"))
    with open("model.safetensors") as file:
        assert file.read() == "old"


def test_a_diverging_training_is_one_line(run):
    write_csv()
    line = error_of(run("train", "houses.csv", "--target", "price", "--learning-rate", "1e30", *QUICK))
    assert "the loss is not finite in epoch" in line


def test_check_prints_a_table_and_fails_for_a_wrong_layer(run):
    code, out, _ = run("check")
    assert code == 0
    assert "CrossEntropy" in out
    spoil(
        "mine.py",
        "from pysmorch.layers import Layer\nclass Wrong(Layer):\n"
        "    def compute(self, x): return x ** 2\n    def pull_back(self, d): return self.in_array * d\n",
    )
    code, out, _ = run("check", "mine.py")
    assert code == 1
    assert "Everything is half of what it should be" in out


def test_doctor_and_version_and_help_say_what_there_is(run):
    code, out, _ = run("doctor")
    assert code == 0
    for word in ("pysmorch", "numpy", "BLAS", "cores", "memory", "would run", "JAX", "a GPU pays"):
        assert word in out
    assert run("--version")[1] == f"pysmorch {ps.__version__}\n"
    code, out, _ = run("--help")
    assert code == 0
    for command in ("train", "predict", "evaluate", "show", "check", "grade", "doctor"):
        assert command in out


def test_without_a_command_the_help_is_shown_line_by_line(run):
    for arguments, commands in (((), ("train", "check", "course")), (("course",), ("start", "status", "solutions"))):
        code, _, err = run(*arguments)
        assert code == 2
        assert "pysmorch: error" not in err
        assert err.count("\n") > len(commands)
        for command in commands:
            assert command in err


def test_help_is_quick_because_nothing_heavy_is_loaded():
    code = "import sys; from pysmorch import cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sklearn", "scipy", "pyarrow", "narwhals", "PIL"} & set(loaded)


def test_a_reader_that_has_had_enough_is_no_error(run, tmp_path):
    write_csv(rows=3000)
    run("train", "houses.csv", "--target", "price", "--hidden", "4", "--epochs", "1")
    command = f"{sys.executable} -m pysmorch predict model.safetensors houses.csv | head -1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.stdout.startswith('"prediction"')
    assert result.stderr == ""


ENDLESS = [
    "train",
    "digits",
    "--no-early-stopping",
    "--epochs",
    "100000",
    "--patience",
    "100000",
    "--hidden",
    "512,512",
    "--preset",
    "fast",
]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_writes_the_best_model_so_far_and_says_so(tmp_path, signal_number):
    command = [sys.executable, "-m", "pysmorch", *ENDLESS]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while "epoch 1/" not in (line := process.stderr.readline()):
        assert line
    start = time.monotonic()
    process.send_signal(signal_number)
    out, errors = process.communicate(timeout=60)
    assert time.monotonic() - start < 40
    assert process.returncode == 130
    said = re.search(
        r"error: interrupted after (\d+) epochs; the model is the best so far, of epoch", errors.splitlines()[-1]
    )
    assert said
    assert f", and written to model.safetensors; {HOW_TO_GO_ON}\n" in errors
    assert "model written to model.safetensors" in out
    assert os.listdir(tmp_path) == ["model.safetensors"]
    model = ps.load(tmp_path / "model.safetensors")
    assert model.n_iter_ == len(model.loss_curve_) == int(said[1])
    assert 0.5 < model.notes_["test"]["accuracy"] <= 1


def test_an_interrupted_training_of_several_networks_writes_what_they_have_learned(tmp_path):
    command = [sys.executable, "-m", "pysmorch", *ENDLESS, "--members", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while "network 1/2  epoch " not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("pysmorch: error: interrupted after ")  # nothing comes after it
    assert "model written to model.safetensors" in out
    assert ps.load(tmp_path / "model.safetensors").n_iter_ > 0


HOW_TO_GO_ON = "--start-from model.safetensors trains on from there, and a run with --checkpoint FOLDER can go on as if nothing had been"


@pytest.mark.parametrize(
    "options", [["--no-early-stopping"], ["--early-stopping"], ["--no-early-stopping", "--test", "0"]]
)
def test_the_model_of_an_interruption_is_that_of_its_best_epoch(run, monkeypatch, options):
    """A large learning rate lets the loss rise after the first epochs."""
    fast = ["--preset", "fast", "--learning-rate", "0.3", "--batch-size", "8", "--hidden", "8"]
    train = ["train", "iris", "--quiet", *fast, *options]
    interrupt_after(monkeypatch, 12)
    code, _, err = run(*train)
    assert code == 130
    model = ps.load("model.safetensors")
    losses = model.validation_curve_ or model.loss_curve_
    best = losses.index(min(losses)) + 1
    assert best < 12
    expected = (
        f"interrupted after 12 epochs; the model is the best so far, of epoch {best}, and written to model.safetensors"
    )
    assert err == f"pysmorch: error: {expected}; {HOW_TO_GO_ON}\n"


def test_an_interruption_of_the_cross_validation_writes_a_model_too(run, monkeypatch):
    interrupt_after(monkeypatch, 7)
    code, _, err = run("train", "iris", "--quiet", "--preset", "fast")
    assert code == 130
    assert (
        "interrupted after 7 epochs of cross-validation; the model has seen a part of the rows, and written to" in err
    )
    assert ps.load("model.safetensors").n_iter_ == 7


def test_an_interruption_before_the_first_epoch_ends_writes_nothing(run, monkeypatch):
    spoil("model.safetensors", "")

    interrupt_after(monkeypatch, 0)
    code, _, err = run("train", "iris", "--quiet")
    assert code == 130
    assert err == "pysmorch: error: interrupted; no file was written\n"
    assert os.path.getsize("model.safetensors") == 0
