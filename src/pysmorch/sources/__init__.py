"""Where data come from: tables of many kinds, .npz, MNIST's idx files, folders of images, and the sets that scikit-learn carries."""

from pysmorch.sources.reading import BUNDLED, has_image_files, parts_of, read, read_part
from pysmorch.sources.source import Source, SourceError, describe_images
from pysmorch.sources.target import known_labels, split_target

__all__ = [
    "BUNDLED",
    "Source",
    "SourceError",
    "describe_images",
    "has_image_files",
    "known_labels",
    "parts_of",
    "read",
    "read_part",
    "split_target",
]
