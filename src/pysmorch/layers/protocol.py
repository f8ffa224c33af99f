"""What a layer can read from: one of ours, or a class of your own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class LayerLike(Protocol):
    """Anything that can be an input layer: an object with `forward`, `backward` and `out_dims`.

    Every `Layer` is one; a class of your own needs no base class.

    Attributes
    ----------
    out_dims : sequence of int or None
        Shape of the output; the first entry is the batch size, None where it is not known.
    """

    @property
    def out_dims(self) -> Sequence[int | None]:
        """Shape of the output."""
        ...

    def forward(self) -> Any:
        """Return the output.

        Returns
        -------
        array
            In the shape `out_dims`.
        """
        ...

    def backward(self, dwnstrm: Any, /) -> Any:
        """Backpropagate.

        Parameters
        ----------
        dwnstrm : array
            The gradient of the loss with respect to the output, in its shape.
        """
        ...
