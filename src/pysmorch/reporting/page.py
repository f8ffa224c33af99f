"""The page of a report: HTML made by Jinja2, which escapes every text, with its style and its script in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pysmorch.entries import escaped
from pysmorch.reporting.content import Section
from pysmorch.version import __version__

FOLDER = Path(__file__).parent / "page"
PALETTE = Path(__file__).parents[1] / "web" / "page" / "palette.css"
"""The colours of all pages."""

MISSING = "a report needs Jinja2: pip install 'pysmorch[report]'"


MOST_CELLS = 72
"""The most cells of a table with few columns that is set beside pictures."""


def _is_small(block: Any) -> bool:
    """Whether a block stands beside others where the page is wide enough."""
    if block.kind == "table":
        return len(block.head) <= 6 and len(block.head) * len(block.rows) <= MOST_CELLS
    return bool(block.kind == "figure")


def page(title: str, subtitle: str, comparison: Section | None, parts: Sequence[tuple[str, list[Section]]]) -> str:
    """Return a page.

    Parameters
    ----------
    title, subtitle : str
        Its heading, and a line below it.
    comparison : Section or None
        What comes first where there are several models.
    parts : sequence of (str, list of Section)
        The name of each model, and the sections about it.

    Returns
    -------
    str
        HTML that requests nothing: its policy allows its own style and script, and images that are in it.

    Raises
    ------
    ImportError
        Without Jinja2.
    """
    try:
        import jinja2
        import markupsafe
    except ImportError:
        raise ImportError(MISSING) from None

    def shown(value: Any) -> Any:
        """Return text without characters that a browser would obey."""
        return value if isinstance(value, markupsafe.Markup) else escaped(str(value))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["groupby_figures"] = lambda blocks: [
        (figures, list(group)) for figures, group in groupby(blocks, _is_small)
    ]
    environment.filters["svg"] = markupsafe.Markup  # pictures of this library, whose texts are escaped
    script = (FOLDER / "script.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html").render(
        title=title,
        subtitle=subtitle,
        comparison=comparison,
        parts=parts,
        style=markupsafe.Markup(
            PALETTE.read_text(encoding="utf-8") + (FOLDER / "style.css").read_text(encoding="utf-8")
        ),
        script=markupsafe.Markup(script),
        digest=digest,
        version=__version__,
    )
