"""Trained networks for other programs."""

from pysmorch.export.network import network_to_onnx

__all__ = ["network_to_onnx"]
