"""`pysmorch train --by` and what takes its file."""

import json

import numpy as np
import pytest

import pysmorch


@pytest.fixture
def table(run, tmp_path):
    generator = np.random.default_rng(0)
    x, groups = generator.standard_normal(120), np.arange(120) % 3
    lines = [
        "shop,x,day,y",
        *(
            f"{'ABC'[g]},{v},{['mo', 'tu'][i % 2]},{v * (g - 1)}"
            for i, (g, v) in enumerate(zip(groups, x, strict=True))
        ),
    ]
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_model_for_each_group_is_trained_and_predicts(run, tmp_path, table):
    out = tmp_path / "many.safetensors"
    code, said, _ = run("train", str(table), "--target", "y", "--by", "shop", "--epochs", 3, "--out", str(out))
    assert code == 0
    assert "ManyModels(3 regressors by shop)" in said
    assert "on 24 held-out rows: r2" in said
    many = pysmorch.load(out)
    assert many.groups == ["A", "B", "C"]
    assert many.models["A"].epochs == 3
    code, said, _ = run("predict", str(out), str(table))
    assert code == 0
    np.testing.assert_array_equal(np.array(said.split()[1:], float), many.predict(table))
    code, said, _ = run("show", str(out))
    assert code == 0
    assert "rows of a group" in said


def test_groups_that_are_not_known_need_a_fallback(run, tmp_path, table):
    out, other = tmp_path / "many.safetensors", tmp_path / "other.csv"
    other.write_text("shop,x,day\nA,0.5,mo\nD,0.5,tu\n")
    arguments = ("train", table, "--target", "y", "--by", "shop", "--epochs", 2, "--test", 0, "--quiet", "--out", out)
    assert run(*map(str, arguments))[0] == 0
    code, _, said = run("predict", str(out), str(other))
    assert code == 2
    assert "the group 'D' of 1 row of X is not one of the training" in said
    code, said, _ = run(*map(str, arguments), "--fallback", "--json")
    assert code == 0
    assert json.loads(said)["groups"] == 3
    assert run("predict", str(out), str(other))[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "store"], "--by: sales.csv has no column 'store'"),
        (["--fallback"], "--fallback is for the groups of --by"),
        (["--by", "shop", "--metric", "mae"], "--metric is for a single model"),
        (["--by", "shop", "--split-group", "day"], "--split-group is for a single model"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(run, table, arguments, message):
    code, _, said = run("train", "sales.csv", "--target", "y", *arguments)
    assert code == 2
    assert message in said
    assert not list(table.parent.glob("*.safetensors"))


def test_commands_for_one_model_say_how_to_get_one(run, tmp_path, table):
    out = tmp_path / "many.safetensors"
    assert (
        run("train", str(table), "--target", "y", "--by", "shop", "--epochs", 2, "--quiet", "--out", str(out))[0] == 0
    )
    for command in (["evaluate", out, table], ["predict", out, table, "--interval", "0.9"], ["explain", out, table]):
        code, _, said = run(*map(str, command))
        assert code == 2
        assert "each of 3 groups" in said or "for each group" in said
