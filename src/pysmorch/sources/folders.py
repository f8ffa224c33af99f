"""Which files of a folder are images, and of which class: folder/CLASS/FILE, or a folder of images without classes.

- The classes are the names of the folders, in the order of the alphabet, and so are the files of each. Names are compared in
  Unicode's NFC, so that the names of macOS, which are in NFD, are those of other systems.
- Files that are no images by their ending are left out and counted; so are hidden images (their name begins with a dot). What
  systems add is left out without a word.
- Images in folders of a class folder are of that class, unless the classes may be meant to be further down.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pysmorch.entries import list_names
from pysmorch.sources.source import SourceError

ENDINGS_OF = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx"),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""The formats that are read, by Pillow's names, and how the names of their files end."""

ENDINGS = tuple(ending for endings in ENDINGS_OF.values() for ending in endings)

OF_SYSTEMS = (
    "__MACOSX",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eaDir",
    "$RECYCLE.BIN",
    "System Volume Information",
)
"""What systems put beside images, besides hidden files."""

PARTS = ("train", "training", "test", "testing", "val", "valid", "validation", "dev")
"""Folders of these names are parts of a data set, and not classes, where they have folders of images."""

MOST_KINDS_SHOWN = 10


class Images(NamedTuple):
    """The images of a folder.

    Attributes
    ----------
    files : list of Path
        In order.
    classes : list of str or None
        The class of each, if they are in class folders.
    remarks : list of str
        What was left out.
    """

    files: list[Path]
    classes: list[str] | None
    remarks: list[str]


class _Entries(NamedTuple):
    images: list[Path]
    folders: list[Path]
    others: list[str]
    """The kinds of the files that are no images."""


def is_image_file(path: Path) -> bool:
    """Whether there is a file that is an image by its ending."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def text_of(name: str) -> str:
    """Return the name of a file in characters that can be printed and written."""
    return os.fsencode(name).decode("utf-8", "replace")


def in_nfc(name: str) -> str:
    """Return a name in the form in which names are compared."""
    return unicodedata.normalize("NFC", name)


def find_images(folder: Path) -> Images:
    """Find the images of a folder, and their classes where there are class folders.

    Raises SourceError when there are none, or when they lie elsewhere.
    """
    loose, folders, others = _entries_of(folder)
    of_class: dict[Path, list[Path]] = {}
    deeper: dict[Path, list[Path]] = {}
    for sub in folders:
        if _leads_back(sub, folder):
            continue
        images, inner, more = _entries_of(sub)
        others += more
        deeper[sub] = [path for one in inner if not one.is_symlink() for path in _images_below(one, others)]
        of_class[sub] = images + deeper[sub]
    files = [file for images in of_class.values() for file in images]
    if not loose and not files:
        left_out = f"; {_describe_others(folder, others)}" if others else ""
        raise SourceError(
            f"{folder} has no images; expected {folder}/CLASS/FILE, with files that end in "
            f"{', '.join(endings[0] for endings in ENDINGS_OF.values())}{left_out}"
        )
    _check_depth(folder, of_class, deeper)
    if loose and files:
        raise SourceError(
            f"{loose[0]} lies beside the class folders of {folder}, such as {files[0].relative_to(folder).parts[0]}; "
            "move it into one, or away"
        )
    remarks = [_describe_others(folder, others)] if others else []
    if loose:
        return Images(loose, None, remarks)
    classes = [in_nfc(text_of(sub.name)) for sub, images in of_class.items() for _ in images]
    return Images(files, classes, _describe_folders(of_class, deeper) + remarks)


def _entries_of(folder: Path) -> _Entries:
    """Return what is in a folder, in the order of the alphabet; a link that leads nowhere is an image that cannot be read."""
    found = _Entries([], [], [])
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: (in_nfc(entry.name), entry.name)):
            name, ending = entry.name, os.path.splitext(entry.name)[1].lower()
            if name in OF_SYSTEMS or (name.startswith(".") and (ending not in ENDINGS or name.startswith("._"))):
                continue
            path = folder / name
            is_folder = path.is_dir() if entry.is_symlink() else entry.is_dir()
            if name.startswith("."):
                found.others.extend([] if is_folder else ["hidden"])
            elif is_folder:
                found.folders.append(path)
            elif ending in ENDINGS:
                found.images.extend([path] if path.is_file() or not path.exists() else [])
            else:
                found.others.append(text_of(ending) or "without an ending")
    return found


def _images_below(folder: Path, others: list[str]) -> Iterator[Path]:
    """Go through the images of a folder and of those in it; links to folders are not followed, so that there is an end."""
    images, folders, more = _entries_of(folder)
    others += more
    yield from images
    for sub in folders:
        if not sub.is_symlink():
            yield from _images_below(sub, others)


def _leads_back(sub: Path, folder: Path) -> bool:
    return folder.resolve().is_relative_to(sub.resolve())


def _check_depth(folder: Path, of_class: dict[Path, list[Path]], deeper: dict[Path, list[Path]]) -> None:
    """Refuse images in folders of class folders where these may be the classes: that would be others, in silence."""
    names = [{path.relative_to(sub).parts[0] for path in paths} for sub, paths in deeper.items()]
    repeated = max(Counter(name for one in names for name in one).values(), default=0) > 1
    of_part = [path for sub, paths in deeper.items() if sub.name.lower() in PARTS for path in paths]
    only = [sub for sub, images in of_class.items() if images]
    alone = len(only) == 1 and of_class[only[0]] == deeper[only[0]]
    some = [path for paths in deeper.values() for path in paths]
    if some and (repeated or of_part or alone):
        deep = (of_part or some)[0]
        raise SourceError(
            f"{deep} lies too deep: images are expected as {folder}/CLASS/FILE; move it up, "
            f"or name {deep.parent.parent} if the classes are there"
        )


def _describe_folders(of_class: dict[Path, list[Path]], deeper: dict[Path, list[Path]]) -> list[str]:
    """Say which class folders have no images, and where images are deeper."""
    remarks = []
    empty = [text_of(str(sub)) for sub, images in of_class.items() if not images]
    if empty:
        which = f"folder {empty[0]} has" if len(empty) == 1 else f"folders {list_names(empty)} have"
        remarks.append(f"the class {which} no images, and so there are none of such a class")
    some = [path for paths in deeper.values() for path in paths]
    if some:
        remarks.append(
            f"{len(some)} images lie in folders of class folders, such as {text_of(str(some[0]))}; they are of the class whose "
            "folder they are in"
        )
    return remarks


def _describe_others(folder: Path, others: list[str]) -> str:
    kinds = [f"{count} {kind}" for kind, count in sorted(Counter(others).items(), key=lambda pair: (-pair[1], pair[0]))]
    more = ["others"] if len(kinds) > MOST_KINDS_SHOWN else []
    files = "file of {} is" if len(others) == 1 else "files of {} are"
    return f"{len(others)} {files.format(text_of(str(folder)))} left out: {', '.join(kinds[:MOST_KINDS_SHOWN] + more)}"
