"""A picture as SVG text, and the elements it is written from."""

from __future__ import annotations

import base64
import re
from typing import Any

NOT_SHOWN = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""Characters that XML does not allow, not even escaped, and those that control a terminal or the direction of text."""


class Svg(str):
    """An SVG document as text, which a notebook displays as an image.

    Write it to a file with `Path("picture.svg").write_text(picture, encoding="utf-8")`.
    """

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto">{as_image(self)}</div>'

    def _repr_svg_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<SVG picture of {len(self)} characters>"


def as_image(picture: str) -> str:
    """Return an SVG document as an image of HTML with its data in it.

    A notebook that JupyterLab does not trust shows such an image; it takes elements of SVG out.
    """
    label = re.search(r"""aria-label=(["'])(.*?)\1""", picture)
    data = base64.b64encode(picture.encode()).decode("ascii")
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{label[2] if label else ""}" style="max-width:none">'


def document(width: float, height: float, label: str, *content: str) -> Svg:
    """Return a whole picture; `label` says in words what is to be seen."""
    size = {"width": width, "height": height, "viewBox": f"0 0 {width:g} {height:g}"}
    return Svg(element("svg", *content, xmlns="http://www.w3.org/2000/svg", role="img", aria_label=label, **size))


def element(tag: str, *content: str, **attributes: Any) -> str:
    """Return an element; `content` is SVG already, attributes are escaped, and _ in their names stands
    for -, or for nothing at the end.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(f"{value:g}" if isinstance(value, float) else value)}"'
        for name, value in attributes.items()
    )
    return f"<{tag}{written}>{''.join(content)}</{tag}>" if content else f"<{tag}{written}/>"


def text(x: float, y: float, words: str, **attributes: Any) -> str:
    """Return words as text whose baseline begins at (x, y)."""
    return element("text", escape(words), x=x, y=y, **attributes)


def escape(value: object) -> str:
    """Return text that stands for itself in XML and HTML; what cannot be shown becomes U+FFFD."""
    words = NOT_SHOWN.sub("\ufffd", str(value))
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        words = words.replace(character, entity)
    return words
