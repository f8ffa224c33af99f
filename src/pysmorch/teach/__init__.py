"""Help for those who teach and learn with PySmorch."""

from pysmorch.teach.reward import good_job

__all__ = ["good_job"]
