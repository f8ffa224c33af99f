"""The engine among the libraries that threadpoolctl knows, so that `threadpool_limits` limits its threads, too."""

from __future__ import annotations

import threadpoolctl

from pysmorch.engine.extension import extension
from pysmorch.engine.threads import limit_num_threads, num_threads
from pysmorch.version import __version__


class EngineController(threadpoolctl.LibController):  # type: ignore[misc]
    """What threadpoolctl asks of a library."""

    user_api = "pysmorch"
    internal_api = "pysmorch"
    filename_prefixes = ("_native_",)

    def get_num_threads(self) -> int:
        """Return how many threads a program may use."""
        return num_threads()

    def set_num_threads(self, num_threads: int) -> None:
        """Limit the threads of programs, in all threads."""
        limit_num_threads(num_threads)

    def get_version(self) -> str:
        """Return the version of PySmorch."""
        return __version__


threadpoolctl.register(EngineController)
extension()  # threadpoolctl finds libraries that are loaded
