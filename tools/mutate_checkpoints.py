"""Resume runs from checkpoints that were changed at random, with a checksum that fits: `tools/mutate_checkpoints.py --count 20000 --seed 0`.

The checkpoints lie in the middle of an epoch, of networks with each optimizer on both paths, with EarlyStopping and validation data.
Each gets one to three changes of what it says of the run, of its arrays, or of the rest of its header. `fit(resume=...)` has to refuse
it with a ValueError, of which ModelFileError is one, or to go on to the end, or to a NonFiniteError where numbers became too large; where
nothing was changed, to the same bits.
"""

from __future__ import annotations

import contextlib
import json
import marshal
import random
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from campaign import OwnLayer, parser_of, run
from mutate_models import change_arrays, change_header, copied
from safetensors.numpy import save as to_bytes

import pysmorch as ps
from pysmorch.files import model

X, Y = np.random.default_rng(0).standard_normal((40, 4)), np.arange(40) % 3
EPOCHS, STEPS = 3, 13
MOST_EPOCHS = 20
"""A checkpoint that says more epochs is right, and only takes long."""

OPTIMIZERS = (
    lambda: ps.SGD(ps.Cosine(0.1), momentum=0.9, nesterov=True),
    lambda: ps.Adam(0.01, clip_norm=1.0),
    lambda: ps.AdamW(0.01),
    lambda: ps.RMSprop(0.001, momentum=0.5),
)


class Stop(Exception):
    """Ends a fit."""


class Interruption(ps.Callback):
    """Ends a fit in the middle of an epoch."""

    def on_batch_end(self, training: Any) -> None:
        """Raise."""
        if training.epoch * training.num_batches + training.batch >= STEPS:
            raise Stop


def network(own: bool) -> ps.Network:
    """Return a network with dropout and running statistics, for one of the paths."""
    with ps.weights_from(0):
        rows = ps.Dropout(ps.Scale(ps.Normalize(ps.Linear(ps.Data(shape=(None, 4)), 5))), 0.2)
        return ps.Network(ps.CrossEntropy(ps.Linear(OwnLayer(rows) if own else rows, 3)))


def fit(number: int, **options: Any) -> ps.Network:
    """Train the network of a case."""
    made = network(own=number % 2 == 1)
    made.fit(X, Y, batch_size=8, progress=False, validation_data=(X[:9], Y[:9]), **options)
    return made


def bits(made: ps.Network) -> bytes:
    """Return parameters and states of a network."""
    return b"".join(
        a.tobytes() for W, state in made.snapshot() for a in ([] if W is None else [W], state.values()) for a in a
    )


def changed(rng: random.Random, header: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Change what a checkpoint says of the run, or something else."""
    kind = rng.random()
    if kind < 0.6 and isinstance(header.get("run"), dict) and header["run"]:
        change_header(rng, header["run"])
    elif kind < 0.9:
        change_arrays(rng, arrays)
    else:
        change_header(rng, header)


def main() -> int:
    """Run, and print how many checkpoints were refused and resumed; the exit code is 1 where anything else happened."""
    options = parser_of(__doc__, 1000).parse_args()
    warnings.simplefilter("ignore")
    originals, ends = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(2 * len(OPTIMIZERS)):
            common = {"optimizer": OPTIMIZERS[number // 2](), "epochs": EPOCHS, "seed": 0}
            ends.append(bits(fit(number, **common, callbacks=[ps.EarlyStopping("val_loss")])))
            path = Path(folder, str(number))
            common["optimizer"] = OPTIMIZERS[number // 2]()
            with contextlib.suppress(Stop):
                fit(number, **common, callbacks=[ps.EarlyStopping("val_loss"), Interruption()], checkpoint=path)
            header, arrays = model.read_parts(path / "last.safetensors")
            originals.append((marshal.dumps(header), arrays))

    def case(rng: random.Random, _: int) -> str:
        number = rng.randrange(len(originals))
        header, arrays = marshal.loads(originals[number][0]), dict(originals[number][1])
        same = rng.random() < 0.02
        for _ in range(0 if same else rng.randint(1, 3)):
            changed(rng, header, arrays)
        run_options = header["run"].get("options") if isinstance(header.get("run"), dict) else None
        epochs = run_options.get("epochs") if isinstance(run_options, dict) else None
        if isinstance(epochs, (int, float)) and epochs > MOST_EPOCHS:
            run_options["epochs"] = MOST_EPOCHS
        header = copied(header)
        header.pop("checksum", None)
        header["checksum"] = model._checksum(header, arrays)
        with tempfile.TemporaryDirectory() as folder:
            content = to_bytes(arrays, metadata={model.METADATA_KEY: json.dumps(header)})
            Path(folder, "last.safetensors").write_bytes(content)
            made = network(own=number % 2 == 1)
            try:
                made = fit(number, resume=folder, epochs=10, callbacks=[ps.EarlyStopping("val_loss")])
            except (ValueError, ps.NonFiniteError) as error:
                if same:
                    raise AssertionError("a checkpoint that was not changed was refused") from error
                return "refused"
        if same and bits(made) != ends[number]:
            raise AssertionError("it went on to other bits")
        return "resumed"

    return run(f"changed checkpoints of {len(originals)} runs", ("resumed", "refused"), case, options)


if __name__ == "__main__":
    sys.exit(main())
