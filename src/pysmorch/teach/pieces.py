"""Tests for what the course has besides the layers."""

from __future__ import annotations

from pysmorch.teach.checks import Trial
from pysmorch.teach.pieces_of_care import OF_CARE
from pysmorch.teach.pieces_of_graphs import OF_GRAPHS
from pysmorch.teach.pieces_of_images import OF_IMAGES
from pysmorch.teach.pieces_of_networks import OF_NETWORKS
from pysmorch.teach.pieces_of_sequences import OF_SEQUENCES
from pysmorch.teach.pieces_of_steps import OF_STEPS
from pysmorch.teach.pieces_of_training import OF_TRAINING

PIECES: dict[str, list[Trial]] = {
    **OF_NETWORKS,
    **OF_TRAINING,
    **OF_IMAGES,
    **OF_CARE,
    **OF_STEPS,
    **OF_GRAPHS,
    **OF_SEQUENCES,
}
"""The tests of each class or function, by its name."""
