"""What train says after the training: simpler models on the same held-out rows, and what deserves attention."""

import json

import numpy as np
import pytest

from tests.cli.examples import QUICK, write_csv, write_days

WITH_BASELINES = [option for option in QUICK if option != "--no-baselines"]
TRAIN = ["train", "houses.csv", "--target", "price", *WITH_BASELINES]


def test_train_prints_a_line_for_each_simpler_model_before_that_of_the_file(run):
    write_csv()
    code, out, err = run(*TRAIN)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[-4].startswith("simpler models on the same rows, where the network took ")
    assert lines[-3].startswith("LogisticRegression: accuracy ")
    assert lines[-2].startswith("HistGradientBoosting: accuracy ")
    assert " here" in lines[-2]
    assert "HistGradientBoosting: " in run(*TRAIN, "--quiet")[1]


def test_the_report_for_programs_has_their_metrics_seconds_and_rows(run):
    write_csv()
    found = json.loads(run(*TRAIN, "--json")[1])
    assert [other["model"] for other in found["baselines"]] == ["LogisticRegression", "HistGradientBoosting"]
    for other in found["baselines"]:
        assert set(other["metrics"]) == {"accuracy", "log loss"}
        assert other["seconds"] > 0
        assert other["rows"] == found["rows"]["training"]
        assert set(other["network better by"]) <= {"accuracy", "log loss"}


def test_they_are_left_out_on_demand_and_without_held_out_rows(run):
    write_csv()
    for options in (["--no-baselines"], ["--test", "0"]):
        code, out, err = run(*TRAIN, *options)
        assert code == 0, err
        assert "HistGradientBoosting" not in out
        assert "baselines" not in json.loads(run(*TRAIN, *options, "--json")[1])


def test_images_and_tables_that_are_read_block_by_block_are_not_compared(run, no_memory):
    write_csv()
    no_memory()
    code, out, err = run(*TRAIN)
    assert code == 0, err
    assert "HistGradientBoosting" not in out
    images = np.random.default_rng(0).integers(0, 255, (40, 6, 6), dtype=np.uint8)
    np.savez("images.npz", X=images, y=np.arange(40) % 2)
    code, out, err = run("train", "images.npz", "--network", "mlp", *WITH_BASELINES)
    assert code == 0, err
    assert "HistGradientBoosting" not in out


def test_a_training_that_is_interrupted_while_they_are_trained_has_written_its_model(run, monkeypatch, tmp_path):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    write_csv()
    monkeypatch.setattr("pysmorch.cli.advice.compare_with_baselines", interrupted)
    code, _, err = run(*TRAIN)
    assert code == 130
    assert "interrupted while simpler models were trained, and written to model.safetensors" in err
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("by_time", [False, True])
def test_a_column_of_times_and_a_random_split_are_warned_of(run, by_time):
    write_days()
    code, out, err = run(
        "train", "days.csv", "--target", "price", *QUICK, "--json", *(["--split-time", "day"] if by_time else [])
    )
    assert code == 0, err
    remarks = [remark for remark in json.loads(out)["remarks"] if "holds times" in remark]
    assert len(remarks) == (0 if by_time else 1)
    if not by_time:
        assert remarks[0].endswith("--split-time day")
        assert f"pysmorch: warning: {remarks[0]}" in err
