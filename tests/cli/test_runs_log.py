import json


def train(run, *more):
    return run(
        "train", "iris", "--preset", "fast", "--epochs", "3", "--log", "runs", "--no-baselines", "--force", *more
    )


def test_trainings_are_recorded_listed_sorted_and_compared(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for more in ((), ("--hidden", "8", "--seed", "1")):
        code, out, err = train(run, *more)
        assert code == 0, err
        assert "record of the training written to runs" in out
    code, out, _ = run("runs", "runs")
    assert code == 0
    header, first, second = out.splitlines()
    assert header.split()[:5] == ["run", "source", "epochs", "seconds", "accuracy"]
    assert "hidden=8" in second
    assert "hidden=8" not in first
    code, out, _ = run("runs", "runs", "--sort", "accuracy", "--json")
    records = json.loads(out)["runs"]
    accuracies = [record["metrics"]["accuracy"] for record in records]
    assert accuracies == sorted(accuracies)
    assert len(records[0]["history"]["loss"]) == 3
    code, out, _ = run("runs", "runs", *[record["run"] for record in records])
    assert any(line.startswith("*  hidden") for line in out.splitlines())


def test_what_is_wrong_is_said_in_one_line(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a.json").write_text('{"format": 99, "version": "9.0"}')
    wrong = {
        ("train", "iris", "--log", "file"): "--log file is a file; name a folder",
        ("runs", "none"): "there is no folder none; pysmorch train --log none makes it",
        ("runs", "odd"): "is not the record of a training (it has format 99, of version 9.0); move it elsewhere",
        ("runs", "empty", "x"): "empty has no run x; it has none",
        ("runs", "empty", "--sort", "loss"): "--sort loss: no run has that metric; there are none",
    }
    for arguments, sentence in wrong.items():
        code, _, err = run(*arguments)
        assert code == 2, arguments
        assert sentence in err
        assert len(err.splitlines()) == 1
    assert run("runs", "empty")[1] == "empty has no runs; pysmorch train --log empty adds one\n"
