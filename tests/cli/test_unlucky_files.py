"""Three hundred unlucky files through train, predict and evaluate: the values that were written, or one line that says why not."""

from pathlib import Path

import numpy as np
import pytest

from tests.cli import unlucky

TRAIN = ["--target", "label", *unlucky.TRAIN]


def figures(out):
    return [line for line in out.splitlines() if line.startswith(("accuracy", "log loss"))]


def assert_one_line(result, what):
    code, _, err = result
    assert code in (0, 2), (what, result)
    assert "Traceback" not in err, (what, err)
    if code == 2:
        errors = [line for line in err.splitlines() if line.startswith("pysmorch: error: ")]
        assert len(errors) == 1, (what, err)
        assert len(errors[0]) < 600, what


@pytest.mark.parametrize("seed", range(150))
def test_an_unlucky_file_is_the_plain_one_and_a_spoiled_one_is_read_or_refused(run, seed):
    rng = np.random.default_rng(seed)
    names, rows = unlucky.draw(rng)
    Path("plain.csv").write_text(unlucky.as_csv(rng, names, rows, ",", "\n", lucky=True), "utf-8", newline="")
    options = []
    if rng.random() < 0.35:
        unlucky.as_typed(rng, names, rows, "t")
    else:
        content, options = unlucky.as_unlucky_csv(rng, names, rows)
        Path("t").write_bytes(content)

    def predictions(model, source, *options):
        code, _, err = run("predict", f"{model}.safetensors", source, "--out", "p.csv", "--force", *options)
        assert code == 0, err
        return Path("p.csv").read_bytes()

    for model, source, said in (("plain", "plain.csv", []), ("t", "t", options)):
        code, _, err = run("train", source, *TRAIN, "--out", f"{model}.safetensors", *said)
        assert code == 0, err
    expected = predictions("plain", "plain.csv")
    assert predictions("plain", "t", *options) == expected
    assert predictions("t", "t", *options) == expected
    evaluated = [
        run("evaluate", "plain.safetensors", source, *said)[1] for source, said in (("plain.csv", []), ("t", options))
    ]
    assert figures(evaluated[0])
    assert figures(evaluated[0]) == figures(evaluated[1])
    Path("s").write_bytes(unlucky.spoil(rng, Path("t").read_bytes()))
    before = Path("plain.safetensors").read_bytes()
    for command in (
        ["predict", "plain.safetensors", "s", "--out", "p.csv", "--force"],
        ["evaluate", "plain.safetensors", "s"],
        ["train", "s", *TRAIN, "--out", "s.safetensors"],
    ):
        assert_one_line(run(*command, *options), (seed, command[0]))
    assert Path("plain.safetensors").read_bytes() == before
