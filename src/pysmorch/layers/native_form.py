"""What a layer declares about its form in the native engine."""

from __future__ import annotations

from typing import Any


class NativeForm:
    """The declarations that `engine/lowering.py` reads; they hold for the class that sets `native`, not for its subclasses."""

    native: str | None = None
    """Name of the operation of the native engine; None where there is none."""
    native_attributes: tuple[str, ...] = ()
    """Attributes that are arguments of the native operation, as numbers."""
    reads_indices: bool = False
    """Whether the input is indices, which must not become floating-point numbers."""
    moves_entries: bool = False
    """Whether the output is entries of the input and zeros, so that integers stay integers."""
    is_view: bool = False
    """Whether the output has the entries of the input in their order, so that no operation is needed."""
    identity_in_prediction: bool = False
    """Whether the output is the input where `training` is False."""
    fuses: tuple[str, ...] = ()
    """Which layers after it the native operation can include, by their `fused_as` and in this order."""
    fused_as: str | None = None
    """What the layer is to a native operation that includes it: "scale", "bias", "sum" or "activation"."""

    @property
    def geometry(self) -> dict[str, int]:
        """Further arguments of the native operation: sizes that are fixed when the layer is made."""
        return {}


def is_ours(layer: Any) -> bool:
    """Whether the class itself names its operation: a subclass may have changed what it computes."""
    return "native" in vars(type(layer))
