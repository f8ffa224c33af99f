"""Files: models in one .safetensors each, written whole or not at all, and checked when they are read."""

from pysmorch.files.graph import graph_from_parts, graph_to_parts
from pysmorch.files.header import ModelFileError
from pysmorch.files.model import ModelPath, name_of, read_parts, said_of_version, save
from pysmorch.files.registry import class_of, saved_as
from pysmorch.files.writing import write_whole

__all__ = [
    "ModelFileError",
    "ModelPath",
    "class_of",
    "graph_from_parts",
    "graph_to_parts",
    "name_of",
    "read_parts",
    "said_of_version",
    "save",
    "saved_as",
    "write_whole",
]
