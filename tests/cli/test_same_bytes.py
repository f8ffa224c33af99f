"""The same table in files of several kinds gives the same file of predictions, byte for byte."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pysmorch.cli import main

N = 150
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "row": np.arange(N),
        "size": RNG.normal(size=N).round(6),
        "rooms": RNG.integers(1, 9, N),
        "share": np.where(RNG.random(N) < 0.2, np.nan, RNG.random(N)),
        "town": RNG.choice(["Ulm", "Bonn", "東京", None], N),
        "code": RNG.choice(["007", "7", "0123"], N),
        "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 500, N), unit="D"),
        "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 10**7, N), unit="s"),
        "garden": RNG.random(N) < 0.5,
    }
)
TABLE["price"] = np.where(TABLE["size"] + TABLE["rooms"] / 4 > 1, "dear", "cheap")
FILES = {
    "t.csv": lambda path: TABLE.to_csv(path, index=False),
    "t.csv.gz": lambda path: Path(path).write_bytes(gzip.compress(TABLE.to_csv(index=False, sep=";").encode("utf-16"))),
    "t.parquet": TABLE.to_parquet,
    "t.feather": TABLE.to_feather,
    "t.jsonl": lambda path: TABLE.to_json(path, orient="records", lines=True, date_format="iso", double_precision=15),
    "t.xlsx": lambda path: TABLE.to_excel(path, index=False),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with each file, and the model that was trained on it."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, write in FILES.items():
            write(name)
            train = ["train", name, "--target", "price", "--epochs", "3", "--quiet", "--out", f"{name}.safetensors"]
            patch.setattr("sys.argv", ["pysmorch", *train])
            with pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_every_kind_gives_the_same_predictions(name, models, run):
    def predictions(model, source):
        code, _, err = run("predict", models / f"{model}.safetensors", models / source, "--out", "p.csv", "--force")
        assert code == 0, err
        return Path("p.csv").read_bytes()

    expected = predictions("t.csv", "t.csv")
    assert len(expected.splitlines()) == N + 1
    assert predictions(name, name) == expected
    assert predictions("t.csv", name) == expected
    assert predictions(name, "t.csv") == expected
