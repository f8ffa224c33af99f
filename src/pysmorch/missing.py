"""Libraries that are not installed: those of an extra, and all others where PySmorch was installed alone (`pip install --no-deps`)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

LIBRARIES = {
    "PIL": "pillow",
    "narwhals": "narwhals",
    "pyarrow": "pyarrow",
    "rich": "rich",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "threadpoolctl": "threadpoolctl",
    "typer": "typer",
}
"""What is imported, and the name by which it is installed."""


def missing_library(error: ModuleNotFoundError, what: str) -> ModuleNotFoundError:
    """Return the error to raise where a library is missing: one that says what to install.

    Parameters
    ----------
    error : ModuleNotFoundError
        Of an import.
    what : str
        What needs the library, as the beginning of a sentence.

    Returns
    -------
    ModuleNotFoundError
        Of the same module; `error` itself where PySmorch is not installed with that.

    Examples
    --------
    >>> print(missing_library(ModuleNotFoundError(name="sklearn"), "Classifier"))
    Classifier needs scikit-learn, which is not installed: pip install scikit-learn
    """
    library = LIBRARIES.get((error.name or "").partition(".")[0])
    if library is None:
        return error
    return ModuleNotFoundError(
        f"{what} needs {library}, which is not installed: pip install {library}", name=error.name
    )


def module_of_extra(module: str, needs: str, extra: str) -> Any:
    """Return a module that an extra brings.

    Parameters
    ----------
    module : str
        Its full name.
    needs : str
        What needs which library, as in "plots need Matplotlib".
    extra : str
        The extra of PySmorch that brings it.

    Returns
    -------
    module
        Imported.

    Raises
    ------
    ImportError
        It is not installed; the message says what to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(f'{needs}: install it with  pip install "pysmorch[{extra}]"') from error
