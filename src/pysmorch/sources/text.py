"""Text of any encoding as UTF-8."""

from __future__ import annotations

import codecs

from pysmorch.sources.source import SourceError

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks; that of UTF-32 begins with that of UTF-16 and comes before it."""


def to_utf8(path: str, content: bytes, encoding: str | None) -> bytes:
    """Return a text in UTF-8 without a byte order mark.

    Args:
        path: what messages call the file.
        content: its bytes.
        encoding: a name that Python knows; None for UTF-8, or UTF-16 or UTF-32 where a byte order mark or the zeros in
            every other byte say so. Other encodings are not guessed, because a wrong guess changes letters in silence.

    Raises SourceError when the bytes are no text of that encoding.
    """
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    found = encoding or MARKS.get(mark) or _utf16_without_mark(content) or "utf-8"
    content = _recode(path, content, found, encoding is None) if found != "utf-8" else content.removeprefix(mark)
    if not content.isascii():
        _check_utf8(path, content)
    zero = content.find(b"\0")
    if zero >= 0:
        raise SourceError(
            f"{path}: a zero byte in line {_line_at(content, zero)}; this is no text, or a damaged one; "
            "expected CSV, JSON, Parquet, Arrow, Excel, SQLite, .npz or idx"
        )
    return content


def _utf16_without_mark(content: bytes) -> str | None:
    """Return the encoding of a text with most letters below 256: every other byte is then zero."""
    sample = content[:4096]
    pairs = len(sample) // 2
    zeros = [sample[offset::2].count(0) for offset in (0, 1)]
    if len(content) % 2 or pairs == 0 or min(zeros) > 0 or max(zeros) < 0.5 * pairs:
        return None
    return "utf-16-be" if zeros[0] else "utf-16-le"


def _recode(path: str, content: bytes, encoding: str, detected: bool) -> bytes:
    try:
        text = content.decode(encoding)
    except LookupError:
        raise SourceError(f"--encoding {encoding!r} is not known; expected a name such as cp1252 or utf-16") from None
    except UnicodeError as error:
        said = f"begins as {encoding}, but is truncated or damaged" if detected else f"is not in --encoding {encoding}"
        raise SourceError(f"{path} {said} ({error.args[-1]} at byte {getattr(error, 'start', 0)})") from None
    return text.removeprefix("\ufeff").encode()


def _check_utf8(path: str, content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = _line_at(content, error.start)
        if error.reason == "unexpected end of data":
            raise SourceError(f"{path}, line {line}: the text ends within a letter; the file is truncated") from None
        begin = max(content.rfind(b"\n", 0, error.start), error.start - 20) + 1
        shown = content[begin : error.start + 10].splitlines()[0].decode("cp1252", "replace")
        raise SourceError(
            f"{path}, line {line}: the text is not UTF-8 (byte 0x{content[error.start]:02X}); say which encoding it has, "
            f"as in --encoding cp1252 (Windows, Latin-1) if {shown!r} reads right"
        ) from None


def _line_at(content: bytes, offset: int) -> int:
    before = content[:offset]
    return 1 + before.count(b"\n") + before.replace(b"\r\n", b"").count(b"\r")
