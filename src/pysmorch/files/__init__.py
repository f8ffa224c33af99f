"""Files: models in one .safetensors each, written whole or not at all, and checked when they are read."""

from pysmorch.files.graph import network_from_parts, network_to_parts
from pysmorch.files.header import ModelFileError
from pysmorch.files.model import load, save
from pysmorch.files.writing import write_whole

__all__ = ["ModelFileError", "load", "network_from_parts", "network_to_parts", "save", "write_whole"]
