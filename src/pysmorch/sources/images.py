"""Images as files: folder/CLASS/FILE, a folder of images without classes, or one image.

- Of an animation or of several pages the first is taken. Photos are turned upright as their EXIF data say.
- Transparent pixels become white. An image with a palette is grey if all its colours are grey, else in colour.
- Greys of more than 8 bits keep all of them. How many are used is learned from the images of the training: white is the largest
  number of so many bits, also where there are images of 8 bits beside them. A model of images of 8 bits is given their upper 8 bits.
- Floating-point pixels are refused, because nothing says which number is white.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.sources.folders import ENDINGS_OF, find_images, text_of
from pysmorch.sources.limits import check_memory
from pysmorch.sources.source import Source, SourceError
from pysmorch.sources.stack import UPPER_BITS, Stack

if TYPE_CHECKING:
    from PIL import Image

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what is wrong with a file is said once, by the library

FORMATS = tuple(name for name in ENDINGS_OF if name != "HEIF")
"""What Pillow reads without a plugin."""

GREYS = ("1", "L", "LA", "La")
PALETTES = ("P", "PA")
"""Modes of Pillow."""

HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

LARGE = 2**24
"""Pixels of an image from which the memory for its decoding is checked."""


@dataclass(frozen=True)
class Decoding:
    """How image files are read.

    Attributes
    ----------
    resize : tuple of int or None, default=None
        (height, width) that they are brought to.
    colours : "grey", "colour" or None, default=None
        What they are converted to; None takes them as they are, if all are alike.
    skip_bad : bool, default=False
        Whether those that cannot be read are left out.
    bits : int or None, default=None
        How many bits of greys the training used, or `UPPER_BITS`; None learns it.
    """

    resize: tuple[int, int] | None = None
    colours: str | None = None
    skip_bad: bool = False
    bits: int | None = None


class ImageContent(io.BytesIO):
    """The content of an image file that lies nowhere.

    Parameters
    ----------
    name : str
        What messages call it.
    content : bytes
        All of the file.
    """

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self._name = name

    def __str__(self) -> str:
        return self._name


ImageFile = Path | ImageContent


def read_images(where: str, named: Sequence[tuple[str, bytes]], decoding: Decoding) -> Source:
    """Read images that lie in memory.

    Parameters
    ----------
    where : str
        What they are called together.
    named : sequence of (str, bytes)
        The name and the content of each file.
    decoding : Decoding
        How they are read.

    Returns
    -------
    Source
        Images of one size.

    Raises
    ------
    SourceError
        One cannot be read, or is unlike the others.
    """
    files = [ImageContent(text_of(name), content) for name, content in named]
    stack, good, remarks = _load(where, files, decoding)
    return _source(where, stack, None, [str(files[i]) for i in good], remarks)


def read_image(path: Path, decoding: Decoding) -> Source:
    """Read one image."""
    stack, _, remarks = _load(path.name, [path], decoding)
    return _source(path.name, stack, None, [text_of(path.name)], remarks)


def read_image_folder(folder: Path, decoding: Decoding) -> Source:
    """Read the images of a folder, with the names of the class folders as labels where there are such.

    Raises SourceError when there are none, when they lie elsewhere or are not all alike, or when one cannot be read.
    """
    files, classes, left_out = find_images(folder)
    stack, good, remarks = _load(str(folder), files, decoding)
    labels = None if classes is None else np.array([classes[i] for i in good])
    names = [text_of(files[i].relative_to(folder).as_posix()) for i in good]
    return _source(text_of(folder.resolve().name), stack, labels, names, left_out + remarks)


def _source(name: str, stack: Stack, labels: Array | None, files: list[str], remarks: list[str]) -> Source:
    images, of_bits = stack.finished()
    return Source(name, images, labels, files, remarks + of_bits, bits=stack.bits)


def _load(where: str, files: Sequence[ImageFile], decoding: Decoding) -> tuple[Stack, list[int], list[str]]:
    """Return the images, the indices of those that can be read, and remarks."""
    from PIL import Image

    stack = Stack(where, len(files), decoding.bits)
    good: list[int] = []
    bad: list[tuple[ImageFile, Exception]] = []
    oddities: dict[str, int] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow finds odd in a file that it can read
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for index, file in enumerate(files):
            try:
                pixels, odd = _decode(file, decoding)
            except MemoryError:
                raise SourceError(f"{file} does not fit into the memory that is left") from None
            except Exception as error:  # decoders raise all kinds for damaged files
                bad.append((file, error))
                continue
            stack.add(pixels, file)
            good.append(index)
            for what in odd:
                oddities[what] = oddities.get(what, 0) + 1
    remarks = [_describe_bad(where, bad, len(files))] if bad else []
    if not good or (bad and not decoding.skip_bad):
        advice = "mend or remove them, or leave them out with --skip-bad" if good else "nothing is left"
        raise SourceError(f"{remarks[0]}; {advice}")
    odd_ones = [f"{count} image{'s' * (count != 1)} of {where}: {what}" for what, count in oddities.items()]
    return stack, good, [f"{remark}; left out" for remark in remarks] + odd_ones


def _decode(file: ImageFile, decoding: Decoding) -> tuple[Array, list[str]]:
    """Return an image as (H, W, 1) or (H, W, 3), of bytes or of greys of 16 bits, and what is unusual about it."""
    from PIL import Image, ImageOps

    odd = []
    with _open(file) as opened:
        size = opened.size
        if size[0] * size[1] > LARGE:
            check_memory(size[0] * size[1] * len(opened.getbands()), f"the image of {size[1]}x{size[0]} pixels")
        if (
            decoding.resize is not None
        ):  # a JPEG can be decoded at half the size, a quarter, ..., which is many times faster
            opened.draft(opened.mode, (2 * max(decoding.resize), 2 * max(decoding.resize)))
        stored = str(getattr(opened, "tile", "")) if opened.format in ("PNG", "TIFF") else ""
        opened.load()
        image = ImageOps.exif_transpose(opened)
        if _has_several(opened):
            odd.append("several pictures or pages in one file; the first is taken")
    if image.mode == "F":
        raise ValueError("its pixels have 32 bits; convert it to 8 or 16")
    if image.mode.startswith("I"):
        greys = _greys(np.asarray(image))
        if decoding.bits != UPPER_BITS:
            return _wide_pixels(greys, decoding), odd
        image = Image.fromarray((greys >> 8).astype(np.uint8))
        odd += (
            []
            if greys.max() >> 15
            else ["greys of 16 bits, the upper ones empty, for a model of 8 bits; they are dark"]
        )
    elif ";16" in stored and image.mode not in PALETTES:
        odd.append("16 bits a channel, of which the upper 8 are taken")
    return _pixels(image, decoding), odd


def _open(file: ImageFile) -> Image.Image:
    """Open an image, which is not decoded yet; the plugin for HEIC photos is loaded when there is one."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        start = _start_of(file, 12)
        if start[4:8] != b"ftyp" or start[8:] not in HEIF_BRANDS:
            raise
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise ValueError("a HEIC photo, which needs pip install 'pysmorch[heic]'") from None
    register_heif_opener()
    return Image.open(file, formats=["HEIF"])


def _start_of(file: ImageFile, size: int) -> bytes:
    if isinstance(file, ImageContent):
        return file.getvalue()[:size]
    with open(file, "rb") as stream:
        return stream.read(size)


def _has_several(opened: Any) -> bool:
    """Whether there are further pictures or pages; photos with a preview, a depth map and the like are one picture."""
    if opened.format not in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        return False
    try:
        return bool(getattr(opened, "is_animated", False))
    except Exception:  # what comes after the first picture may be damaged
        return False


def _greys(values: Array) -> Array:
    """Return greys of more than 8 bits as they are stored."""
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0 or highest >= 2**16:
        raise ValueError(f"its greys are from {lowest} to {highest}; convert it to 8 or 16 bits")
    return values.astype(np.uint16)


def _wide_pixels(greys: Array, decoding: Decoding) -> Array:
    """Return greys of 16 bits as (H, W, 1), or (H, W, 3) where all images are in colour."""
    from PIL import Image

    resize = decoding.resize
    if resize is not None and greys.shape != resize:
        resized = Image.fromarray(greys.astype(np.float32)).resize(resize[::-1], Image.Resampling.BILINEAR)
        greys = np.rint(np.asarray(resized)).astype(np.uint16)
    return np.repeat(greys[:, :, None], 3 if decoding.colours == "colour" else 1, axis=2)


def _pixels(image: Image.Image, decoding: Decoding) -> Array:
    """Return an image of 8 bits a channel as (H, W, 1) or (H, W, 3)."""
    from PIL import Image

    mode, colours, resize = image.mode, decoding.colours, decoding.resize
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


def _describe_bad(where: str, bad: list[tuple[ImageFile, Exception]], count: int) -> str:
    from PIL import Image, UnidentifiedImageError

    file, error = bad[0]
    if isinstance(error, UnidentifiedImageError):
        reason = f"not an image of a known format: {', '.join(ENDINGS_OF)}"
    elif isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        reason = f"more than {Image.MAX_IMAGE_PIXELS} pixels, perhaps a decompression bomb"
    else:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return f"{len(bad)} of {count} images cannot be read, the first is {file} ({' '.join(reason.split())})"
