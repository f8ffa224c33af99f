"""The version of the library, for all who tell it."""

__version__ = "0.1.0"
