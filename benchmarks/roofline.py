"""What a step of training computes and moves at least, for the roofline in docs/speed.md.

A dense network's step makes three products for each layer (outputs, gradient of the weights, gradient of the inputs, which the
first layer needs not), and reads and writes each weight and each momentum once. Weights are read once more on the way forward
and once in the backward pass. Values of the batch stay in the L2 caches for the sizes that are measured.

    python benchmarks/roofline.py      # draws docs/roofline.svg from results/amx/training.json; needs matplotlib
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent

BYTES_PER_SECOND = 30e9
"""What one core reads from the L3 cache of the machine in results/amx: 24 to 36 GB/s, measured by reading 64 MiB again and again."""

BYTES_PER_PARAMETER = 24
"""In float32: read forward, read backward, and read and written by the optimizer, weight and momentum."""


class Step(NamedTuple):
    """One step of training a dense network.

    Attributes
    ----------
    sizes : tuple of int
        Features of the input and of each layer.
    batch : int
        Rows of a batch.
    """

    sizes: tuple[int, ...]
    batch: int

    @property
    def parameters(self) -> int:
        """Weights, without the biases."""
        return sum(a * b for a, b in pairwise(self.sizes))

    @property
    def operations(self) -> float:
        """Floating-point operations: a product and a sum are two."""
        first = self.sizes[0] * self.sizes[1]
        return 2.0 * self.batch * (3 * self.parameters - first)

    @property
    def intensity(self) -> float:
        """Operations for each byte that crosses the L2 cache, where the weights do not stay in it.

        The weights that are read and written are float32 whatever the precision of the products.
        """
        return self.operations / (self.parameters * BYTES_PER_PARAMETER)


def main() -> None:
    """Draw the measured rates of training under the roofs of products and of memory."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "roofline"  # the same file each time
    rows = json.loads((HERE / "results" / "amx" / "training.json").read_text())["rows"]
    figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
    for label, peak, colour in (("PySmorch", "float32", "#1f6f8b"), ("PySmorch bf16", "bfloat16", "#c0562f")):
        _draw(axes, rows, label, peak, colour)
    axes.set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s on two cores")
    axes.set_title("Training of dense networks, with momentum")
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend(frameon=False, loc="lower right")
    path = HERE.parent / "docs" / "roofline.svg"
    mpl.rcParams["svg.fonttype"] = "none"  # text as text: a third of the size
    figure.savefig(path, metadata={"Date": None})
    print(f"written: {path}")


def _draw(axes: Any, rows: list[dict[str, Any]], label: str, peak: str, colour: str) -> None:
    threads = rows[0]["threads"]
    highest = max(row["peaks"][peak] for row in rows)
    intensities = [1.0, highest / (BYTES_PER_SECOND * threads), 256.0]
    axes.plot(
        intensities,
        [min(highest, i * BYTES_PER_SECOND * threads) / 1e9 for i in intensities],
        color=colour,
        lw=1,
        label=f"roof, {peak}",
    )
    for row in rows:
        step = Step(tuple(row["network"]), row["batch"])
        rate = step.operations / row["seconds"][label] / 1e9
        axes.plot(step.intensity, rate, "o", color=colour)
        left = row is not rows[-1]  # the last two are near each other
        axes.annotate(
            row["workload"],
            (step.intensity, rate),
            xytext=(-7 if left else 7, -3),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=7,
        )


if __name__ == "__main__":
    main()
