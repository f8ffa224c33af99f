"""Files: models in one .safetensors each, written whole or not at all, and checked when they are read."""

from pysmorch.files.graph import graph_from_parts, graph_to_parts
from pysmorch.files.header import ModelFileError
from pysmorch.files.model import ModelPath, model_of, name_of, parts_of, read_parts, save, write_parts
from pysmorch.files.network import StoredNetwork
from pysmorch.files.registry import class_of, saved_as
from pysmorch.files.writing import write_whole

__all__ = [
    "ModelFileError",
    "ModelPath",
    "StoredNetwork",
    "class_of",
    "graph_from_parts",
    "graph_to_parts",
    "model_of",
    "name_of",
    "parts_of",
    "read_parts",
    "save",
    "saved_as",
    "write_parts",
    "write_whole",
]
