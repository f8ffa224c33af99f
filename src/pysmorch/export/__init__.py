"""Trained networks for other programs."""

from pysmorch.export.network import network_to_onnx
from pysmorch.export.targets import content_of

__all__ = ["content_of", "network_to_onnx"]
