"""Images as files, in class folders and without; small ones, made here."""

import io
import logging
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from pysmorch.sources import SourceError, images, read
from pysmorch.sources.folders import ENDINGS, ENDINGS_OF
from pysmorch.sources.limits import set_max_memory
from pysmorch.sources.stack import UPPER_BITS

RNG = np.random.default_rng(0)


def picture(*shape):
    return Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make the folder `photos` from a dictionary of paths and images, bytes, or links; it is named relatively."""
    monkeypatch.chdir(tmp_path)

    def make(files):
        os.mkdir("photos")
        for name, content in files.items():
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Image.Image):
                content.save(path)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            elif content is None:
                path.mkdir()
            else:
                path.symlink_to(content)
        return "photos"

    return make


def message_of(source, **options):
    with pytest.raises(SourceError) as info:
        read(source, **options)
    assert "\n" not in str(info.value)
    return str(info.value)


def test_class_folders_are_read_in_the_order_of_the_alphabet(folder):
    grey = {name: picture(3, 4) for name in ("cat/2.png", "cat/10.png", "ant/b.bmp", "ant/a.TIF")}
    source = read(folder(grey | {"bee/only.png": picture(3, 4)}))
    assert source.description == "photos: 5 images of 3x4 pixels, grey"
    assert source.files == ["ant/a.TIF", "ant/b.bmp", "bee/only.png", "cat/10.png", "cat/2.png"]
    assert source.labels.tolist() == ["ant", "ant", "bee", "cat", "cat"]
    assert source.features.dtype == np.uint8
    np.testing.assert_array_equal(source.features[4, :, :, 0], np.asarray(grey["cat/2.png"]))
    assert source.remarks == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_is_read(folder, ending):
    if ending in ENDINGS_OF["HEIF"]:
        pytest.importorskip("pillow_heif").register_heif_opener()
    # Very small images have too few blocks for the lossy formats; bits and greys are what .pbm and .pgm hold.
    colour = Image.new("RGB", (32, 24), (200, 100, 50))
    if ending in (".pbm", ".pgm"):
        source = read(folder({f"a/1{ending}": colour.convert("1" if ending == ".pbm" else "L", dither=0)}))
        assert (source.features == (0 if ending == ".pbm" else 124)).all()
        return
    source = read(folder({f"a/1{ending}": colour, f"b/1{ending}": colour}))
    assert source.features.shape == (2, 24, 32, 3)
    assert np.abs(source.features.astype(int) - [200, 100, 50]).max() < 10


def test_hidden_files_and_files_that_are_no_images_by_their_ending_are_left_out(folder):
    files = {"a/1.png": picture(2, 2), "a/.2.png": b"hidden", "a/notes.txt": b"text", ".git/3.png": b"hidden"}
    assert read(folder(files | {"b/1.png": picture(2, 2), "readme.md": b"text"})).files == ["a/1.png", "b/1.png"]


def test_images_without_class_folders_have_names_and_no_labels(folder):
    source = read(folder({"b.png": picture(2, 2), "a.png": picture(2, 2), "empty": None}))
    assert source.files == ["a.png", "b.png"]
    assert source.labels is None
    one = read("photos/a.png")
    assert one.files == ["a.png"]
    assert one.description == "a.png: 1 image of 2x2 pixels, grey"


def test_a_folder_without_images_is_refused(folder):
    files = {"a/notes.txt": b"text", "b": None}
    assert message_of(folder(files)).startswith("photos has no images; expected photos/CLASS/FILE")


def test_an_empty_class_folder_is_a_remark(folder):
    source = read(folder({"a/1.png": picture(2, 2), "b": None, "c/1.png": picture(2, 2), "d/notes.txt": b"text"}))
    assert source.labels.tolist() == ["a", "c"]
    assert source.remarks == [
        "the class folders photos/b, photos/d have no images, and so there are none of such a class",
        "1 file of photos is left out: 1 .txt",
    ]
    (Path("photos") / "d" / "1.png").write_bytes(png(2, 2))
    assert read("photos").remarks[0] == "the class folder photos/b has no images, and so there are none of such a class"


def test_what_is_left_out_is_counted_by_its_kind(folder):
    left_out = {"a/notes.txt": b"", "readme.TXT": b"", "b/labels.csv": b"", "b/README": b"", "a/.x.png": b""}
    source = read(folder({"a/1.png": picture(2, 2), "b/1.png": picture(2, 2)} | left_out))
    assert source.files == ["a/1.png", "b/1.png"]
    assert source.remarks == ["5 files of photos are left out: 2 .txt, 1 .csv, 1 hidden, 1 without an ending"]


def test_what_is_left_out_is_said_where_there_are_no_images(folder):
    assert message_of(folder({"a/1.psd": b"8BPS", "a/2.psd": b"8BPS"})).endswith(
        "; 2 files of photos are left out: 2 .psd"
    )


def test_what_systems_add_is_left_out_without_a_word(folder):
    added = {
        "__MACOSX/a/._1.png": b"AppleDouble",
        "a/._1.png": b"AppleDouble",
        "a/.DS_Store": b"",
        ".DS_Store": b"",
        "a/Thumbs.db": b"",
        "b/desktop.ini": b"",
        "b/@eaDir/1.png": b"thumbnail",
    }
    source = read(folder({"a/1.png": picture(2, 2), "b/1.png": picture(2, 2)} | added))
    assert source.labels.tolist() == ["a", "b"]
    assert source.remarks == []


def test_names_are_compared_in_nfc(folder):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    try:
        source = read(folder({f"{composed}/1.png": picture(2, 2), f"{decomposed}/2.png": picture(2, 2)}))
    except FileExistsError:
        pytest.skip("this file system has one form of a name")
    assert source.labels.tolist() == [composed, composed]
    # In NFD the e without its accent would be before the z; in NFC it is after it.
    Path(f"photos/{composed}").rename("photos/cafz")
    assert read("photos").labels.tolist() == ["cafz", composed]


def test_images_beside_class_folders_are_refused(folder):
    message = message_of(folder({"a/1.png": picture(2, 2), "2.png": picture(2, 2)}))
    assert message.startswith("photos/2.png lies beside the class folders of photos, such as a;")


def test_images_in_folders_of_class_folders_are_of_that_class(folder):
    files = {"cat/siam/1.png": picture(2, 2), "cat/2.png": picture(2, 2), "dog/poodle/x/3.png": picture(2, 2)}
    source = read(folder(files))
    assert source.files == ["cat/2.png", "cat/siam/1.png", "dog/poodle/x/3.png"]
    assert source.labels.tolist() == ["cat", "cat", "dog"]
    assert source.remarks == [
        "2 images lie in folders of class folders, such as photos/cat/siam/1.png; they are of the class whose folder they are in"
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("train/cat/1.png", "val/dog/1.png"),
        ("2019/cat/1.png", "2020/cat/1.png"),
        ("images/cat/1.png", "images/dog/1.png"),
    ],
    ids=["parts", "same_names", "one_folder"],
)
def test_deeper_folders_that_may_be_the_classes_are_refused(folder, names):
    source = folder({name: picture(2, 2) for name in names})
    assert f"or name {Path('photos', names[0]).parent.parent} if the classes are there" in message_of(source)


def test_deeper_folders_are_refused_with_the_folder_that_may_be_meant(folder):
    message = message_of(folder({"train/a/1.png": picture(2, 2), "train/.x/2.png": b"", "train/a/.3.png": b""}))
    assert message == (
        "photos/train/a/1.png lies too deep: images are expected as photos/CLASS/FILE; move it up, "
        "or name photos/train if the classes are there"
    )


def test_links_that_lead_back_do_no_harm(folder, tmp_path):
    files = {"a/1.png": picture(2, 2), "a/loop": "..", "b/1.png": picture(2, 2), "loop": ".", "up": ".."}
    source = read(folder(files | {"self": "self", "a/self.png": picture(2, 2)}))
    assert source.labels.tolist() == ["a", "a", "b"]


def test_a_class_folder_may_be_a_link(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    picture(2, 2).save(tmp_path / "elsewhere" / "1.png")
    assert read(folder({"a/1.png": picture(2, 2), "b": tmp_path / "elsewhere"})).labels.tolist() == ["a", "b"]


def png(*shape):
    file = io.BytesIO()
    picture(*shape).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (png(20, 20)[:-100], "image file is truncated"),
        (png(20, 20)[:20], ""),
        (b"", "not an image of a known format: PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM, AVIF, JPEG2000, HEIF"),
        (b"GARBAGE", "not an image of a known format"),
        ("nowhere", "No such file or directory"),
        (Image.new("F", (2, 2)), "its pixels have 32 bits; convert it to 8 or 16"),
        (Image.new("I", (2, 2), 70000), "its greys are from 70000 to 70000; convert it to 8 or 16 bits"),
    ],
    ids=["truncated", "header", "empty", "unknown", "dead_link", "32_bits", "large_integers"],
)
def test_files_that_cannot_be_read_are_counted_and_named_and_can_be_skipped(folder, content, reason):
    ending = "tif" if isinstance(content, Image.Image) else "png"
    good = {f"{name}/{i}.png": picture(20, 20) for name in "ab" for i in range(4)}
    source = folder(good | {f"a/x.{ending}": content, f"b/x.{ending}": content})
    expected = f"2 of 10 images cannot be read, the first is photos/a/x.{ending} ({reason}"
    message = message_of(source)
    assert message.startswith(expected)
    assert message.endswith("; mend or remove them, or leave them out with --skip-bad")
    skipped = read(source, skip_bad=True)
    assert len(skipped.features) == len(skipped.labels) == len(skipped.files) == 8
    assert skipped.remarks[0].startswith(expected)
    assert skipped.remarks[0].endswith("; left out")


def test_what_pillow_logs_of_a_damaged_file_is_not_printed(folder, monkeypatch, capfd):
    content = io.BytesIO()
    picture(3, 4, 3).save(content, "TIFF")
    samples = b"\x15\x01\x03\x00\x01\x00\x00\x00"  # the tag of how many there are for each pixel
    assert samples + b"\x03" in content.getvalue()
    source = folder(
        {"a/x.tiff": content.getvalue().replace(samples + b"\x03", samples + b"\x23"), "b/y.png": picture(3, 4)}
    )
    monkeypatch.setattr(logging.root, "handlers", [])
    assert "1 of 2 images cannot be read" in message_of(source)
    assert capfd.readouterr().err == ""


def test_a_damaged_file_of_any_kind_is_an_error_and_no_crash(folder):
    files = {}
    for ending in (ending for ending in ENDINGS if ending not in (*ENDINGS_OF["HEIF"], ".pbm", ".pgm")):
        name = f"a/x{ending}"
        source = folder({name: picture(30, 30, 3)})
        content = bytearray((Path(source) / name).read_bytes())
        files |= {f"a/{i}{ending}": bytes(content[: i * len(content) // 8]) for i in range(8)}
        for i in range(8):
            changed = content.copy()
            for place in RNG.integers(0, len(content), 20):
                changed[place] = RNG.integers(256)
            files[f"b/{i}{ending}"] = bytes(changed)
        Path(source).rename(f"made{ending}")
    source = folder(files)
    assert "images cannot be read" in message_of(source, resize=(4, 4), colours="grey")
    assert 0 < len(read(source, resize=(4, 4), colours="grey", skip_bad=True).features) < len(files)


def test_when_no_image_can_be_read_there_is_nothing_to_skip_to(folder):
    source = folder({"a/1.png": b"", "b/1.png": b""})
    assert "2 of 2 images cannot be read" in message_of(source, skip_bad=True)


def test_a_decompression_bomb_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    source = folder({"a/1.png": picture(5, 5), "b/bomb.png": picture(11, 11), "b/larger.png": picture(20, 20)})
    message = message_of(source)
    expected = (
        "2 of 3 images cannot be read, the first is photos/b/bomb.png (more than 100 pixels, perhaps a decompress"
    )
    assert message.startswith(expected)


def test_images_of_different_sizes_are_named_and_can_be_resized(folder):
    source = folder({"a/1.png": picture(28, 28), "b/1.png": picture(32, 48)})
    assert message_of(source) == (
        "photos has images of different sizes: photos/a/1.png has 28x28 pixels (height x width), photos/b/1.png has 32x48; "
        "make them alike with --resize, as in --resize 28x28"
    )
    assert read(source, resize=(5, 7)).features.shape == (2, 5, 7, 1)


def test_resizing_averages_what_is_dropped(folder):
    chequered = Image.fromarray((np.indices((32, 32)).sum(0) % 2 * 255).astype(np.uint8))
    source = folder({"1.png": chequered, "2.png": chequered.resize((64, 64))})
    assert np.abs(read(source, resize=(4, 4)).features.astype(int) - 128).max() < 3


def test_a_photo_is_resized_from_a_smaller_decoding_with_the_same_look(folder):
    gradient = np.linspace(0, 255, 400).astype(np.uint8)[:, None] * np.ones((1, 600), np.uint8)
    source = folder({"1.jpg": Image.fromarray(gradient), "2.png": Image.fromarray(gradient)})
    jpg, png = read(source, resize=(20, 30)).features.astype(int)
    assert np.abs(jpg - png).max() < 5


def test_grey_and_colour_mixed_are_named_and_can_be_converted(folder):
    source = folder({"a/1.png": Image.new("RGB", (2, 2), (255, 0, 0)), "b/1.png": Image.new("L", (2, 2), 9)})
    assert message_of(source) == (
        "photos has grey and colour images: photos/b/1.png is grey, photos/a/1.png is in colour; "
        "make them alike with --grey or --colour"
    )
    assert read(source, colours="grey").features[:, 0, 0].tolist() == [[76], [9]]
    assert read(source, colours="colour").features[:, 0, 0].tolist() == [[255, 0, 0], [9, 9, 9]]


def greys(*values):
    return Image.fromarray(np.array([values], np.uint16))


@pytest.mark.parametrize(
    ("highest", "bits"), [(1000, 10), (1023, 10), (1024, 11), (4095, 12), (16383, 14), (65535, 16)]
)
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_greys_of_more_than_8_bits_keep_them_and_their_number_is_learned(folder, ending, highest, bits):
    source = read(folder({f"a/1.{ending}": greys(3, highest), f"b/1.{ending}": greys(700, 7)}))
    assert source.features.dtype == np.uint16
    assert source.features[:, 0, :, 0].tolist() == [[3, highest], [700, 7]]
    assert source.bits == bits
    used = (
        f"2 images of photos with greys of 16 bits, of which {bits} are used: the largest grey is {highest}, "
        f"white is {2**bits - 1}"
    )
    assert source.remarks == ([used] if bits < 16 else [])


def test_white_is_the_same_in_images_of_8_and_of_12_bits(folder):
    source = read(folder({"1.png": Image.fromarray(np.array([[0, 51, 255]], np.uint8)), "2.png": greys(0, 819, 4095)}))
    assert source.features[:, 0, :, 0].tolist() == [[0, 819, 4095]] * 2


def test_greys_of_16_bits_that_use_8_are_bytes(folder):
    source = read(folder({"1.png": greys(0, 200), "2.png": Image.fromarray(np.array([[1, 2]], np.uint8))}))
    assert source.features.dtype == np.uint8
    assert source.features[:, 0, :, 0].tolist() == [[0, 200], [1, 2]]
    assert source.bits == 8


def test_greys_are_scaled_by_the_bits_of_the_training(folder):
    folder({"1.png": greys(0, 1000), "2.png": Image.fromarray(np.array([[0, 255]], np.uint8))})
    source = read("photos", bits=12)
    assert source.features[:, 0, :, 0].tolist() == [[0, 1000], [0, 4095]]
    assert source.remarks == []
    assert read("photos/2.png", bits=12).features.ravel().tolist() == [0, 4095]
    source = read("photos", bits=9)
    assert source.features[:, 0, :, 0].tolist() == [[0, 1000], [0, 511]]
    assert source.remarks == [
        "1 image of photos with greys of 16 bits up to 1000, but those of the training are up to 511"
    ]
    assert read("photos/1.png", bits=8).features.ravel().tolist() == [0, 255]


def test_a_model_of_images_of_8_bits_is_given_the_upper_8_of_16(folder):
    folder({"1.png": greys(255, 51300), "2.png": greys(256, 1000)})
    source = read("photos", bits=UPPER_BITS)
    assert source.features[:, 0, :, 0].tolist() == [[0, 200], [1, 3]]
    assert source.features.dtype == np.uint8
    assert source.bits is None
    assert source.remarks == [
        "1 image of photos: greys of 16 bits, the upper ones empty, for a model of 8 bits; they are dark"
    ]


def test_greys_of_16_bits_are_resized_and_made_colour(folder):
    source = read(folder({"1.png": Image.fromarray(np.full((8, 8), 3000, np.uint16))}), resize=(2, 4), colours="colour")
    assert source.features.shape == (1, 2, 4, 3)
    assert (source.features == 3000).all()


def test_a_grey_map_of_12_bits_is_read(folder):
    folder({"1.pgm": b"P5 2 1 4095\n" + np.array([0, 4095], ">u2").tobytes()})
    assert read("photos").features.ravel().tolist() == [0, 65535]  # Pillow scales what says where its white is


def test_colours_of_16_bits_are_said_to_lose_8(folder):
    raw = np.array([[[1000, 40000, 65535]]], ">u2").tobytes()
    folder({"1.png": png_of(1, 1, 16, 2, raw)})
    source = read("photos")
    assert source.features.ravel().tolist() == [3, 156, 255]
    assert source.remarks == ["1 image of photos: 16 bits a channel, of which the upper 8 are taken"]


def png_of(width, height, depth, kind, raw):
    """The bytes of a PNG that Pillow does not write."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    row = len(raw) // height
    lines = b"".join(b"\0" + raw[i * row : (i + 1) * row] for i in range(height))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def test_a_heic_photo_without_the_plugin_is_named_with_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    folder({"a/1.heic": b"\0\0\0\x18ftypheic" + bytes(40)})
    assert (
        "the first is photos/a/1.heic (a HEIC photo, which needs pip install 'pysmorch[heic]'); nothing is left"
        in message_of("photos")
    )


def test_a_large_photo_is_not_decoded_in_full_where_it_is_made_small(folder, monkeypatch):
    decoded = []
    load = JpegImagePlugin.JpegImageFile.load

    def watched(self):
        decoded.append(self.size)
        return load(self)

    source = folder({"1.jpg": Image.new("RGB", (1600, 1200), (200, 100, 50))})
    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", watched)
    assert read(source, resize=(32, 32)).features.shape == (1, 32, 32, 3)
    assert decoded[0] == (200, 150)


def test_an_image_that_would_take_too_much_memory_is_not_decoded(folder, monkeypatch):
    monkeypatch.setattr(images, "LARGE", 100)
    source = folder({"1.png": picture(20, 20, 3)})
    set_max_memory(1000)
    try:
        message = message_of(source, resize=(2, 2))
    finally:
        set_max_memory(None)
    assert (
        "the first is photos/1.png (the image of 20x20 pixels takes 1 KiB of memory, but 1000 bytes may be" in message
    )


def test_all_modes_become_eight_bits_of_grey_or_colour(folder):
    red, half_black = (255, 0, 0), (0, 0, 0, 128)
    transparent_entry = Image.new("P", (2, 2), 0)
    transparent_entry.putpalette([*red, 0, 0, 255])
    transparent_entry.info["transparency"] = 0
    grey_palette = Image.new("P", (2, 2), 1)
    grey_palette.putpalette([9, 9, 9, 70, 70, 70])
    colour_palette = Image.new("P", (2, 2), 0)
    colour_palette.putpalette(red)
    cases = {
        "bits.png": (Image.new("1", (2, 2), 1), [255]),
        "grey_alpha.png": (Image.new("LA", (2, 2), (0, 128)), [127]),
        "grey_palette.png": (grey_palette, [70]),
        "palette.png": (colour_palette, [255, 0, 0]),
        "transparent.png": (Image.new("RGBA", (2, 2), half_black), [127, 127, 127]),
        "transparent_entry.png": (transparent_entry, [255]),
        "cmyk.tif": (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), [255, 0, 0]),
        "webp.webp": (Image.new("L", (2, 2), 80), [80, 80, 80]),
    }
    source = folder({name: image for name, (image, _) in cases.items()})
    for name, (_, expected) in cases.items():
        assert read(f"{source}/{name}").features[0, 0, 0].tolist() == expected, name


def test_a_photo_is_turned_upright(folder):
    lying = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 8, 0).repeat(8, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # its right side is the upper one
    folder({})
    lying.save("photos/1.jpg", exif=exif, quality=95)
    upright = read("photos").features[0]
    assert upright.shape == (16, 8, 1)
    assert upright[:6].max() < 20
    assert upright[-6:].min() > 235


def test_the_first_picture_of_an_animation_is_taken(folder):
    folder({})
    Image.new("L", (2, 2), 40).save("photos/1.gif", save_all=True, append_images=[Image.new("L", (2, 2), 200)])
    source = read("photos")
    assert source.features.ravel().tolist() == [40] * 4
    assert source.remarks == ["1 image of photos: several pictures or pages in one file; the first is taken"]


def test_images_that_do_not_fit_into_memory_are_refused_with_advice(folder, monkeypatch):
    def no_room(*shape):
        raise MemoryError

    source = folder({"1.png": picture(2, 2)})
    monkeypatch.setattr(np, "empty", no_room)
    assert "make them smaller with --resize HxW" in message_of(source)


def test_names_in_bytes_that_are_no_text_can_be_printed(folder):
    try:
        os.mkdir(b"photos-\xff")
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    source = os.fsdecode(b"photos-\xff")
    picture(2, 2).save(os.path.join(source, os.fsdecode(b"\xfe.png")))
    assert read(source).files == ["�.png"]
    assert read(source).description.startswith("photos-�: 1 image")


def test_labels_of_an_idx_file_do_not_go_with_image_files(folder):
    assert message_of(folder({"1.png": picture(2, 2)}), labels="x").startswith("--labels is for an idx file")
