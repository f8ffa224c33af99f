"""A reward for work that is done."""

from __future__ import annotations

import base64
import itertools
import os
import time
import urllib.request
from importlib import import_module
from pathlib import Path
from typing import Any

from pysmorch.diagram.svg import escape
from pysmorch.teach.mascot import JOKES, smorch
from pysmorch.training.progress import in_notebook

SECONDS = 4.0
"""How long a picture may take to arrive."""
MOST_BYTES = 8_000_000
BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
"""How files of these types begin."""

TEXT_ART = (
    r"""
   *  .   /\___/\   .  *
  .    \ (  o.o  ) /    .
    *   \(   w   )/   *
         (_______)
          "     "
""",
    r"""
  .  *   (\_/)   *  .
   *   \ (^.^) /   *
  .     \(   )/     .
        (")_(")
""",
    r"""
   .  *   ,___,   *  .
  *    \  (O,O)  /    *
    .   \ /)__) /   .
         --"-"--
""",
)

_turns = itertools.count()


def good_job(picture: str | os.PathLike[str] | None = None) -> None:
    """Show a reward: in a notebook a picture with a joke, in a terminal a small one made of characters.

    Parameters
    ----------
    picture : str or path-like, default=None
        A path or an http(s) address of a PNG, JPEG, GIF or WebP file to be shown in a notebook instead. When it does not arrive
        within four seconds, is larger than 8 MB or is something else, there is one of ours.

    Notes
    -----
    Nothing is raised, whatever the picture is; and nothing is fetched where it could not be shown.

    Examples
    --------
    >>> good_job()  # doctest: +ELLIPSIS
    <BLANKLINE>
    ...
    Good job! ...
    """
    celebrate(next(_turns), picture)


def celebrate(turn: int, picture: str | os.PathLike[str] | None = None) -> None:
    """Show the reward with this number, which says the joke and the Smorch."""
    joke = f"Good job! {JOKES[turn % len(JOKES)]}"
    if not in_notebook():
        print(f"{TEXT_ART[turn % len(TEXT_ART)]}\n{joke}")
        return
    image = None if picture is None else _load(picture)
    html = smorch(turn)._repr_html_() if image is None else image
    if picture is not None and image is None:
        html += f"<small>{escape(picture)} could not be shown, so here is a Smorch.</small>"
    import_module("IPython.display").display({"text/html": html, "text/plain": joke}, raw=True)


def _load(picture: Any) -> str | None:
    """Return a picture as an element of HTML with the data in it, or None."""
    try:
        address = os.fspath(picture)
        is_address = address.lower().startswith(("http://", "https://"))
        data = _download(address) if is_address else _read(address)
    except Exception:  # whatever may go wrong with a path or a server: a reward must not end in an error
        return None
    kind = next((kind for beginning, kind in BEGINNINGS.items() if data.startswith(beginning)), None)
    if kind is None or (kind == "image/webp" and data[8:12] != b"WEBP"):
        return None
    written = base64.b64encode(data).decode("ascii")
    return f'<img src="data:{kind};base64,{written}" alt="Good job!" style="max-width:100%;max-height:420px">'


def _read(path: str) -> bytes:
    if not Path(path).is_file() or Path(path).stat().st_size > MOST_BYTES:
        raise ValueError("no file, or one that is too large")
    return Path(path).read_bytes()


def _download(address: str) -> bytes:
    """Return what is at an http(s) address if it says that it is a picture, comes in time, and is not too large."""
    last_moment = time.monotonic() + SECONDS
    request = urllib.request.Request(address, headers={"User-Agent": "pysmorch", "Accept": "image/*"})
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        if response.headers.get_content_type() not in BEGINNINGS.values():
            raise ValueError("not a picture")
        data = b""
        while piece := response.read1(2**16):
            data += piece
            if len(data) > MOST_BYTES or time.monotonic() > last_moment:
                raise ValueError("too large or too slow")
        return data
