"""Images as files: folder/CLASS/FILE, a folder of images without classes, or one image.

- The classes are the names of the folders, in the order of the alphabet, and so are the files of each. What is hidden (its
  name begins with a dot), and what is no image by its ending, is left out.
- Of an animation or of several pages the first is taken. Photos are turned upright as their EXIF data say.
- Transparent pixels become white. An image with a palette is grey if all its colours are grey, else in colour.
- Of 16-bit greys the upper 8 bits are taken. Pixels of 32 bits are refused, because nothing says which number is white.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.sources.limits import check_memory
from pysmorch.sources.source import Source, SourceError

if TYPE_CHECKING:
    from PIL import Image

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what is wrong with a file is said once, by the library

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")

GREYS = ("1", "L", "LA", "La")
PALETTES = ("P", "PA")
"""Modes of Pillow."""


def is_image_file(path: Path) -> bool:
    """Whether there is a file that is an image by its ending."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def read_image(path: Path, resize: tuple[int, int] | None, colours: str | None, skip_bad: bool) -> Source:
    """Read one image."""
    images, _, _ = _load(path.name, [path], resize, colours, skip_bad)
    return Source(path.name, images, files=[_text(path.name)])


def read_image_folder(folder: Path, resize: tuple[int, int] | None, colours: str | None, skip_bad: bool) -> Source:
    """Read the images of a folder, with the names of the class folders as labels where there are such.

    Raises SourceError when there are none, when they lie elsewhere or are not all alike, or when one cannot be read.
    """
    files, classes = _find(folder)
    images, good, remarks = _load(str(folder), files, resize, colours, skip_bad)
    labels = None if classes is None else np.array([_text(classes[i]) for i in good])
    names = [_text(files[i].relative_to(folder).as_posix()) for i in good]
    return Source(_text(folder.resolve().name), images, labels, names, remarks)


# Finding the files.


def _find(folder: Path) -> tuple[list[Path], list[str] | None]:
    """Return the image files, and the class of each if they are in class folders."""
    loose = _images_in(folder)
    of_class = {sub.name: _images_in(sub) for sub in _folders_in(folder) if not _leads_back(sub, folder)}
    for name in of_class:
        deep = next(_deeper_images(folder / name), None)
        if deep is not None:
            raise SourceError(
                f"{deep} lies too deep: images are expected as {folder}/CLASS/FILE; move it up, "
                f"or name {deep.parent.parent} if the classes are there"
            )
    classes = [name for name, files in of_class.items() for _ in files]
    if not loose and not classes:
        raise SourceError(
            f"{folder} has no images; expected {folder}/CLASS/FILE, with files that end in {', '.join(ENDINGS)}"
        )
    if loose and classes:
        raise SourceError(
            f"{loose[0]} lies beside the class folders of {folder}, such as {classes[0]}; move it into one, or away"
        )
    if loose:
        return loose, None
    empty = [name for name, files in of_class.items() if not files]
    if empty:
        raise SourceError(f"the class folder {folder / empty[0]} has no images; put some into it, or remove it")
    return [file for files in of_class.values() for file in files], classes


def _visible(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _images_in(folder: Path) -> list[Path]:
    """Return the files that are images by their ending; a link that leads nowhere is one that cannot be read."""
    named = [path for path in _visible(folder) if path.suffix.lower() in ENDINGS]
    return [path for path in named if path.is_file() or not path.exists()]


def _leads_back(sub: Path, folder: Path) -> bool:
    return folder.resolve().is_relative_to(sub.resolve())


def _deeper_images(class_folder: Path) -> Iterator[Path]:
    """Go through the images in the folders of a class folder; links are not followed, so that there is an end."""
    for sub in _folders_in(class_folder):
        for path, folders, files in os.walk(sub) if not sub.is_symlink() else ():
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith(".") and Path(name).suffix.lower() in ENDINGS:
                    yield Path(path, name)


def _text(name: str) -> str:
    """Return the name of a file in characters that can be printed and written."""
    return os.fsencode(name).decode("utf-8", "replace")


# Reading them.


def _load(
    where: str, files: list[Path], resize: tuple[int, int] | None, colours: str | None, skip_bad: bool
) -> tuple[Array, list[int], list[str]]:
    """Return the images (N, H, W, C), the indices of those that can be read, and remarks."""
    from PIL import Image

    images: Array | None = None
    good: list[int] = []
    bad: list[tuple[Path, Exception]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow finds odd in a file that it can read
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for index, file in enumerate(files):
            try:
                image = _open(file, resize)
            except Exception as error:  # decoders raise all kinds for damaged files
                bad.append((file, error))
                continue
            pixels = _pixels(image, resize, colours)
            if images is None:
                images = _room_for(len(files), pixels.shape, where)
            elif pixels.shape != images.shape[1:]:
                _refuse(where, files[good[0]], images.shape[1:], file, pixels.shape)
            images[len(good)] = pixels
            good.append(index)
    remarks = [_describe_bad(where, bad, len(files))] if bad else []
    if images is None or (bad and not skip_bad):
        advice = "mend or remove them, or leave them out with --skip-bad" if images is not None else "nothing is left"
        raise SourceError(f"{remarks[0]}; {advice}")
    return images[: len(good)], good, [f"{remark}; left out" for remark in remarks]


def _open(file: Path, resize: tuple[int, int] | None) -> Image.Image:
    """Return a decoded image of 8 bits a channel, upright."""
    from PIL import Image, ImageOps

    with Image.open(file, formats=FORMATS) as opened:
        if resize is not None:  # a JPEG can be decoded at half the size, a quarter, ..., which is many times faster
            opened.draft(opened.mode, (2 * max(resize), 2 * max(resize)))
        opened.load()
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits; convert it to 8 or 16")
    return image


def _pixels(image: Image.Image, resize: tuple[int, int] | None, colours: str | None) -> Array:
    """Return an image as (H, W, 1) or (H, W, 3)."""
    from PIL import Image

    mode = image.mode
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    image = image.convert("L" if mode in GREYS else "RGB")
    if colours is not None:
        image = image.convert("L" if colours == "grey" else "RGB")
    elif mode in PALETTES and _is_grey(np.asarray(image)):
        image = image.convert("L")
    if resize is not None and image.size != resize[::-1]:
        image = image.resize(resize[::-1], Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def _is_grey(pixels: Array) -> bool:
    return bool((pixels == pixels[:, :, :1]).all())


def _room_for(count: int, shape: tuple[int, ...], where: str) -> Array:
    try:
        check_memory(count * prod(shape), f"the {count} images of {where}")
        return np.empty((count, *shape), np.uint8)
    except (MemoryError, SourceError):
        size = count * float(np.prod(shape)) / 2**30
        raise SourceError(
            f"the {count} images of {where} need {size:.0f} GiB, which is more than there is, or than --max-memory; "
            "make them smaller with --resize HxW"
        ) from None


def _refuse(where: str, first: Path, shape: tuple[int, ...], other: Path, other_shape: tuple[int, ...]) -> None:
    """Say how two images differ."""
    if shape[2] != other_shape[2]:
        grey, colour = (first, other) if shape[2] == 1 else (other, first)
        raise SourceError(
            f"{where} has grey and colour images: {grey} is grey, {colour} is in colour; "
            "make them alike with --grey or --colour"
        )
    sizes = [f"{height}x{width}" for height, width, _ in (shape, other_shape)]
    raise SourceError(
        f"{where} has images of different sizes: {first} has {sizes[0]} pixels (height x width), {other} has {sizes[1]}; "
        f"make them alike with --resize, as in --resize {sizes[0]}"
    )


def _describe_bad(where: str, bad: list[tuple[Path, Exception]], count: int) -> str:
    from PIL import Image, UnidentifiedImageError

    file, error = bad[0]
    if isinstance(error, UnidentifiedImageError):
        reason = f"not an image of a known format: {', '.join(FORMATS)}"
    elif isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        reason = f"more than {Image.MAX_IMAGE_PIXELS} pixels, perhaps a decompression bomb"
    else:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return f"{len(bad)} of {count} images cannot be read, the first is {file} ({' '.join(reason.split())})"
