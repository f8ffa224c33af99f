"""Text of any encoding as UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain

from pysmorch.sources.source import SourceError

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks; that of UTF-32 begins with that of UTF-16 and comes before it."""

CONTROL = bytes(set(range(1, 32)) - set(b"\t\n\v\f\r\x1a\x1b"))
"""Bytes below 32 that text files do not have."""

NO_TEXT = "this is no text, or a damaged one; expected CSV, JSON, Parquet, Arrow, Excel, SQLite, DuckDB, .npz or idx"


def to_utf8(path: str, content: bytes, encoding: str | None) -> bytes:
    """Return a text in UTF-8 without a byte order mark.

    Args:
        path: what messages call the file.
        content: its bytes.
        encoding: a name that Python knows; None for UTF-8, or UTF-16 or UTF-32 where a byte order mark or the zeros in
            every other byte say so. Other encodings are not guessed, because a wrong guess changes letters in silence.

    Raises SourceError when the bytes are no text of that encoding.
    """
    found, mark = find_encoding(content, encoding)
    content = _recode(path, content, found, encoding is None) if found != "utf-8" else content.removeprefix(mark)
    check_text(path, content)
    return content


def find_encoding(content: bytes, encoding: str | None) -> tuple[str, bytes]:
    """Return the encoding of a text, and its byte order mark if it has one."""
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    return encoding or MARKS.get(mark) or _utf16_without_mark(content) or "utf-8", mark


def check_text(path: str, content: bytes, lines_before: int = 0) -> None:
    """Raise SourceError where a text has a zero byte, or is not UTF-8; of a piece of a file the lines before it are counted too."""
    zero = content.find(b"\0")
    if zero >= 0:
        raise SourceError(f"{path}: a zero byte in line {lines_before + _line_at(content, zero)}; {NO_TEXT}")
    if not content.isascii():
        _check_utf8(path, content, lines_before)


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
        raise _unknown(encoding) from None
    except UnicodeError as error:
        raise _not_in(path, encoding, detected, error, 0) from None
    return text.removeprefix("\ufeff").encode()


def _unknown(encoding: str) -> SourceError:
    return SourceError(f"--encoding {encoding!r} is not known; expected a name such as cp1252 or utf-16")


def _not_in(path: str, encoding: str, detected: bool, error: UnicodeError, before: int) -> SourceError:
    said = f"begins as {encoding}, but is truncated or damaged" if detected else f"is not in --encoding {encoding}"
    return SourceError(f"{path} {said} ({error.args[-1]} at byte {before + getattr(error, 'start', 0)})")


def recoded(path: str, chunks: Iterable[bytes], encoding: str, detected: bool) -> Iterator[bytes]:
    """Go through a text of another encoding in UTF-8, a chunk at a time, without a byte order mark; errors are those of `to_utf8`."""
    try:
        b"".decode(encoding)
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError:
        raise _unknown(encoding) from None
    done, start = 0, True
    for chunk in chain(chunks, [b""]):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            raise _not_in(path, encoding, detected, error, done - pending) from None
        done += len(chunk)
        yield (text.removeprefix("\ufeff") if start else text).encode()
        start = start and not text


def _check_utf8(path: str, content: bytes, lines_before: int) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = lines_before + _line_at(content, error.start)
        sample = content[:4096]
        if len(sample) - len(sample.translate(None, CONTROL)) > 0.02 * len(sample):
            raise SourceError(f"{path}: bytes that are no letters of any encoding; {NO_TEXT}") from None
        if error.reason == "unexpected end of data":
            raise SourceError(f"{path}, line {line}: the text ends within a letter; the file is truncated") from None
        begin = max(content.rfind(b"\n", 0, error.start), error.start - 20) + 1
        shown = content[begin : error.start + 10].splitlines()[0].decode("cp1252", "replace")
        raise SourceError(
            f"{path}, line {line}: the text is not UTF-8 (byte 0x{content[error.start]:02X}); say which encoding it has, "
            f"as in --encoding cp1252 (Windows, Latin-1) if {shown!r} reads right"
        ) from None


def _line_at(content: bytes, offset: int) -> int:
    return 1 + count_lines(content[:offset])


def count_lines(content: bytes) -> int:
    """Return how many lines end in a text."""
    return content.count(b"\n") + content.replace(b"\r\n", b"").count(b"\r")
