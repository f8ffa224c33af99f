"""Networks of other programs, as layers that can be trained further."""

from pysmorch.importing.network import from_onnx

__all__ = ["from_onnx"]
