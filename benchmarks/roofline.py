"""What a step of training computes and moves at least, for the roofline in docs/speed.md.

A dense network's step makes three products for each layer (outputs, gradient of the weights, gradient of the inputs, which the
first layer needs not), and reads and writes each weight and each momentum once. Weights are read once more on the way forward
and once in the backward pass. Values of the batch stay in the L2 caches for the sizes that are measured.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

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
