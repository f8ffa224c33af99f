"""Images as files, in class folders and without; small ones, made here."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pysmorch.sources import SourceError, read
from pysmorch.sources.folders import ENDINGS

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
    colour = Image.new("RGB", (5, 4), (200, 100, 50))
    source = read(folder({f"a/1{ending}": colour, f"b/1{ending}": colour}))
    assert source.features.shape == (2, 4, 5, 3)
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


def test_an_empty_class_folder_is_named(folder):
    message = message_of(folder({"a/1.png": picture(2, 2), "b": None}))
    assert message == "the class folder photos/b has no images; put some into it, or remove it"


def test_images_beside_class_folders_are_refused(folder):
    message = message_of(folder({"a/1.png": picture(2, 2), "2.png": picture(2, 2)}))
    assert message.startswith("photos/2.png lies beside the class folders of photos, such as a;")


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
        (b"", "not an image of a known format: PNG, JPEG, BMP, GIF, WEBP, TIFF"),
        (b"P5 2 2 255 0123", "not an image of a known format"),
        ("nowhere", "No such file or directory"),
        (Image.new("F", (2, 2)), "its pixels have 32 bits; convert it to 8 or 16"),
    ],
    ids=["truncated", "header", "empty", "unknown", "dead_link", "32_bits"],
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


def test_a_damaged_file_of_any_kind_is_an_error_and_no_crash(folder):
    files = {}
    for ending in ENDINGS:
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
        "sixteen.png": (Image.fromarray(np.full((2, 2), 51300, np.uint16)), [200]),
        "sixteen.tif": (Image.fromarray(np.full((2, 2), 51300, np.uint16)), [200]),
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
    assert read("photos").features.ravel().tolist() == [40] * 4


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
