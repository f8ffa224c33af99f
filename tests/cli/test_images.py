"""The command line on images: folders, idx files and arrays."""

import os
import shutil

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image

import pysmorch as ps
from tests.cli.examples import interrupt_after
from tests.helpers import error_of, idx

RNG = np.random.default_rng(0)
CLASSES = ("high", "low")
QUICK = ["--epochs", "8", "--learning-rate", "0.02", "--batch-size", "16"]


def bars(count, side=6):
    """Images with a bright bar above or below, and which of both."""
    places = np.arange(count) % 2
    images = RNG.integers(0, 60, (count, side, side), dtype=np.uint8)
    for image, place in zip(images, places, strict=True):
        image[place * side // 2 : (place + 1) * side // 2] += 120
    return images, places


def write_folder(path="photos", count=60, side=6, mode="L"):
    for i, (image, place) in enumerate(zip(*bars(count, side), strict=True)):
        os.makedirs(f"{path}/{CLASSES[place]}", exist_ok=True)
        Image.fromarray(image).convert(mode).save(f"{path}/{CLASSES[place]}/{i:03}.png")


def write_idx(side=6, count=60):
    images, labels = bars(count, side)
    for name, array in (("images", images), ("labels", labels)):
        with open(name, "wb") as file:
            file.write(idx(array))


def accuracy(out):
    return float(out.split("accuracy")[1].split()[0])


def test_a_folder_is_trained_evaluated_shown_and_predicted_with_names(run):
    write_folder()
    code, out, err = run("train", "photos", *QUICK)
    assert code == 0, err
    assert "photos: 60 images of 6x6 pixels, grey" in out
    assert "classification: the target has 2 distinct text values" in out
    assert "network: mlp, the default for small images" in out
    assert accuracy(out) > 0.9
    code, out, _ = run("evaluate", "model.safetensors", "photos")
    assert code == 0
    assert accuracy(out) > 0.9
    code, out, _ = run("show", "model.safetensors")
    assert code == 0
    for text in ("images: 6x6 pixels, grey", "network: mlp", "classes: high, low", "Rescale1", "Flatten1"):
        assert text in out
    os.mkdir("new")
    shutil.copy("photos/low/001.png", "new/b.png")
    shutil.copy("photos/high/000.png", "new/a.png")
    code, out, err = run("predict", "model.safetensors", "new")
    assert code == 0, err
    lines = [line.split(",") for line in out.splitlines()]
    assert lines[0] == ['"file"', '"prediction"', '"probability of high"', '"probability of low"']
    assert [line[:2] for line in lines[1:]] == [['"a.png"', '"high"'], ['"b.png"', '"low"']]
    assert '"b.png","low"' in run("predict", "model.safetensors", "new/b.png")[1]
    assert run("predict", "model.safetensors", "photos", "--out", "p.parquet")[0] == 0
    assert pyarrow.parquet.read_table("p.parquet")["file"][0].as_py() == "high/000.png"


@pytest.mark.parametrize("name", ["lenet", "resnet20", "mobilenet_small"])
def test_networks_of_convolutions_are_trained_and_saved(run, name):
    write_idx(side=16, count=24)
    arguments = ["--labels", "labels", "--network", name, "--epochs", "1", "--batch-size", "8"]
    code, out, err = run("train", "images", *arguments, "--augment", "shift:1,flip")
    assert code == 0, err
    assert f"network: {name}\n" in out
    model = ps.load("model.safetensors")
    kinds = [type(layer).__name__ for layer in model.network_.layers]
    assert kinds[:4] == ["Data", "Rescale", "RandomShift", "RandomFlip"]
    assert "Conv2d" in kinds
    assert model.notes_["network"] == name
    assert model.notes_["augment"] == "shift:1,flip"
    assert run("evaluate", "model.safetensors", "images", "--labels", "labels")[0] == 0


def test_the_default_for_larger_images_is_lenet_with_settings_of_its_own(run):
    write_idx(side=16, count=40)
    code, out, err = run("train", "images", "--labels", "labels")
    assert code == 0, err
    assert "network: lenet, the default for images of 16x16 pixels and more" in out
    assert ps.load("model.safetensors").epochs == 30
    assert run("train", "images", "--labels", "labels", "--epochs", "1")[0] == 0
    assert ps.load("model.safetensors").epochs == 1
    code, out, err = run("train", "images", "--labels", "labels", "--epochs", "1", "--hidden", "4")
    assert code == 0, err
    assert "network: mlp, because of --hidden" in out
    assert ps.load("model.safetensors").hidden == (4,)


def test_npz_images_and_all_augmentations_go_with_the_dense_network(run):
    images, labels = bars(60, side=8)
    np.savez("d.npz", X=np.repeat(images[..., None], 3, axis=3), y=labels)
    augment = "shift,crop:6,flip:0.3,cutout:2"
    code, out, err = run("train", "d.npz", "--network", "mlp", "--augment", augment, "--hidden", "16", *QUICK)
    assert code == 0, err
    assert "d.npz: 60 images of 8x8 pixels, colour" in out
    layers = ps.load("model.safetensors").network_.layers
    made = [repr(layer) for layer in layers[2:6]]
    assert [type(layer).__name__ for layer in layers[2:6]] == ["RandomShift", "RandomCrop", "RandomFlip", "Cutout"]
    assert layers[2].pixels == 2, made
    assert tuple(layers[3].out_dims[1:]) == (6, 6, 3)
    assert layers[4].rate == 0.3
    assert layers[5].size == 2


def test_numbers_are_predicted_from_images(run):
    images, labels = bars(60)
    np.savez("d.npz", X=images, y=labels * 100.0 + images.mean((1, 2)))
    code, out, err = run("train", "d.npz", *QUICK)
    assert code == 0, err
    assert "regression: the target has" in out
    assert float(out.split("R²")[1].split()[0]) > 0.8


def test_crop_and_cutout_without_a_size_go_by_the_image(run):
    write_folder(side=8)
    assert run("train", "photos", "--augment", "crop,cutout", *QUICK)[0] == 0
    crop, cutout = ps.load("model.safetensors").network_.layers[2:4]
    assert tuple(crop.out_dims[1:]) == (7, 7, 1)
    assert cutout.size == 1


def test_a_model_that_was_trained_on_resized_images_takes_any_size_and_colours(run):
    write_folder()
    write_folder("colour", count=8, side=9, mode="RGB")
    code, out, err = run("train", "photos", "--resize", "4x5", *QUICK)
    assert code == 0, err
    assert "images of 4x5 pixels" in out
    assert "resize: 4x5" in run("show", "model.safetensors")[1]
    code, out, err = run("evaluate", "model.safetensors", "colour")
    assert code == 0, err
    assert accuracy(out) > 0.8
    assert run("predict", "model.safetensors", "colour")[0] == 0


def test_a_model_takes_images_of_another_size_when_they_are_to_be_resized(run):
    write_folder()
    write_folder("large", count=8, side=9)
    assert run("train", "photos", *QUICK)[0] == 0
    expected = "given large: 8 images of 9x9 pixels, grey; --resize 6x6 makes them fit"
    assert expected in error_of(run("predict", "model.safetensors", "large"))
    assert run("predict", "model.safetensors", "large", "--resize", "6x6")[0] == 0
    assert accuracy(run("evaluate", "model.safetensors", "large", "--resize", "6")[1]) > 0.8


def test_mixed_colours_train_with_grey_or_colour(run):
    write_folder()
    Image.new("RGB", (6, 6)).save("photos/low/x.png")
    for option, channels in (("--grey", 1), ("--colour", 3)):
        assert run("train", "photos", option, "--test", "0", *QUICK)[0] == 0
        assert ps.load("model.safetensors").encoder_.image_shape == (6, 6, channels)


def test_bad_files_are_counted_when_they_are_skipped(run):
    write_folder()
    with open("photos/low/x.png", "wb") as file:
        file.write(b"\x89PNG")
    said = "1 of 61 images cannot be read, the first is photos/low/x.png"
    assert said in error_of(run("train", "photos", *QUICK))
    code, out, err = run("train", "photos", "--skip-bad", *QUICK)
    assert code == 0, err
    assert said in out
    assert said in error_of(run("predict", "model.safetensors", "photos"))
    code, out, err = run("predict", "model.safetensors", "photos", "--skip-bad")
    assert code == 0
    assert said in err
    assert len(out.splitlines()) == 61
    assert said in error_of(run("evaluate", "model.safetensors", "photos"))
    code, out, _ = run("evaluate", "model.safetensors", "photos", "--skip-bad")
    assert said in out
    assert "on 60 rows" in out


def test_a_model_of_rows_of_pixels_takes_images(run):
    write_idx()
    images, labels = bars(60)
    ps.Classifier(hidden=(8,), epochs=8, random_state=0).fit(images.reshape(60, 36), labels).save("rows.safetensors")
    code, out, err = run("evaluate", "rows.safetensors", "images", "--labels", "labels")
    assert code == 0, err
    assert accuracy(out) > 0.9


def test_folders_named_by_numbers_and_labels_in_numbers_are_the_same_classes(run):
    write_idx()
    write_folder()
    os.rename("photos/high", "photos/0")
    os.rename("photos/low", "photos/1")
    assert run("train", "photos", *QUICK)[0] == 0
    assert ps.load("model.safetensors").classes_.tolist() == ["0", "1"]
    assert accuracy(run("evaluate", "model.safetensors", "images", "--labels", "labels")[1]) > 0.9
    assert run("train", "images", "--labels", "labels", *QUICK)[0] == 0
    assert accuracy(run("evaluate", "model.safetensors", "photos")[1]) > 0.9
    os.rename("photos/1", "photos/1.0")
    assert "'1.0'; the classes of this model are 0, 1" in error_of(run("evaluate", "model.safetensors", "photos"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "photos", "--network", "lnet"],
            "--network must be one of mlp, lenet, resnet20, resnet32, resnet44, ",
        ),
        (["train", "photos", "--network", "lnet"], "but is 'lnet'; did you mean lenet?"),
        (["train", "photos", "--network", "lenet", "--hidden", "8"], "--hidden is for --network mlp, not lenet"),
        (
            ["train", "photos", "--augment", "shft:2"],
            "--augment must be one of shift, flip, crop, cutout, but is 'shft'",
        ),
        (["train", "photos", "--augment", "shift:x"], "--augment shift takes a number of pixels such as shift:4"),
        (["train", "photos", "--augment", "flip:2"], "--augment flip takes a probability such as flip:0.5"),
        (["train", "photos", "--augment", "shift,,flip"], "--augment must be one of"),
        (["train", "photos", "--augment", "crop:9"], "RandomCrop: cannot cut 9"),
        (["train", "photos", "--resize", "0"], "--resize must be a height and a width such as 32x48, or 32 for both"),
        (["train", "photos", "--resize", "3x4x5"], "--resize must be a height and a width"),
        (["train", "photos", "--grey", "--colour"], "--grey and --colour exclude each other"),
        (["train", "photos", "--precision", "half"], 'precision must be "float32", "float64", "bf16" or "auto"'),
        (["train", "photos", "--labels", "labels"], "--labels is for an idx file"),
        (["train", "photos", "--drop", "1"], "--drop takes names of columns, but photos is an array"),
        (["train", "photos", "--task", "regression"], "--task regression needs numbers"),
        (
            ["train", "one"],
            "has one class only, 'low'; a classifier needs at least two; put the images of others into fol",
        ),
        (
            ["train", "photos/low"],
            "low has no class folders; put the images of each class into a folder of its own, low/",
        ),
        (["train", "photos/low/001.png"], "001.png has no class folders"),
        (["train", "digits", "--network", "lenet"], "--network lenet is for images, but digits has rows of columns"),
        (["train", "digits", "--augment", "flip"], "--augment is for images, but digits has rows of columns"),
        (["train", "digits", "--grey"], "--resize, --grey, --colour and --skip-bad are for folders of images"),
        (
            ["train", "first.npz", "--network", "lenet"],
            "if the channels come first, use numpy.transpose(X, (0, 2, 3, 1))",
        ),
        (["train", "nan.npz"], "X has NaN in row 3, position (1, 2, 3)"),
        (["evaluate", "model.safetensors", "photos/low"], "low has no class folders"),
        (
            ["evaluate", "model.safetensors", "other"],
            "unknown labels 'left'; the classes of this model are 'high', 'low'",
        ),
        (
            ["predict", "model.safetensors", "large"],
            "the model takes images of 6x6 pixels, grey, but is given large: 2 images of 9x9",
        ),
        (
            ["predict", "model.safetensors", "digits"],
            "the model takes images of 6x6 pixels, grey, but is given digits: 1797 rows",
        ),
        (
            ["predict", "model.safetensors", "wine"],
            "the model takes images of 6x6 pixels, grey, but is given wine: 178 rows",
        ),
        (["predict", "wine.safetensors", "photos"], "the model was trained on a table with columns alcohol"),
        (["predict", "model.safetensors", "no_such"], "no_such: no such file or folder"),
        (["train", "photos", "--resize", "6", "--validation", "no_such"], "no_such: no such file or folder"),
        (["train", "photos", "--validation", "digits"], "but is given digits: 1797 rows"),
        (["train", "photos", "--resize", "6", "--validation", "digits"], "but is given digits: 1797 rows"),
        (["train", "wine", "--validation", "photos"], "the model was trained on a table with columns alcohol"),
        (["train", "photos", "--validation", "0"], "validation_fraction must be between 0 and 1, but is 0.0"),
        (["train", "empty"], "empty has no images"),
    ],
)
def test_a_users_mistake_with_images_is_one_line_and_exit_code_2(run, arguments, message):
    write_folder(count=12)
    write_folder("large", count=2, side=9)
    os.makedirs("one")
    os.makedirs("empty")
    shutil.copytree("photos/low", "one/low")
    shutil.copytree("photos/low", "other/left")
    X = np.zeros((20, 3, 32, 32), np.float32)
    np.savez("first.npz", X=X, y=np.arange(20) % 2)
    X[3, 1, 2, 3] = np.nan
    np.savez("nan.npz", X=X, y=np.arange(20) % 2)
    if arguments[1] in ("model.safetensors", "wine.safetensors"):
        source = "photos" if arguments[1] == "model.safetensors" else "wine"
        code, _, err = run("train", source, "--out", arguments[1], "--hidden", "4", "--epochs", "1")
        assert code == 0, err
    assert message in error_of(run(*arguments))


def test_the_loss_of_held_out_images_is_shown_after_each_epoch_and_is_no_part_of_the_model(run):
    write_folder()
    code, _, err = run("train", "photos", *QUICK)
    assert code == 0
    assert "val_loss" in err.splitlines()[0]
    assert "val_accuracy" in err.splitlines()[0]
    assert ps.load("model.safetensors").validation_curve_ == []
    code, _, err = run("train", "photos", *QUICK, "--test", "0")
    assert "val_loss" not in err


def test_a_folder_of_validation_images_says_when_to_stop_and_is_made_like_those_of_the_training(run):
    write_folder()
    write_folder("others", count=12, side=9, mode="RGB")
    options = [
        "--validation",
        "others",
        "--resize",
        "6",
        "--epochs",
        "40",
        "--learning-rate",
        "0.02",
        "--patience",
        "1",
    ]
    code, out, err = run("train", "photos", *options)
    assert code == 0, err
    assert "others: 12 images of 6x6 pixels, grey" in out
    assert "val_loss was best in epoch" in err
    model = ps.load("model.safetensors")
    assert 0 < len(model.validation_curve_) == len(model.loss_curve_) < 40
    assert "on 12 held-out rows" in out
    assert run("train", "photos", *options, "--test-file", "others", "--quiet")[0] == 0
    code, _, err = run("train", "photos", *options[:4], *QUICK, "--no-early-stopping")
    assert len(ps.load("model.safetensors").validation_curve_) == 8


def test_idx_files_of_validation_and_test_images_have_labels_of_their_own(run):
    write_idx(count=24)
    for name in ("images", "labels"):
        os.rename(name, f"other-{name}")
    write_idx()
    options = ["train", "images", "--labels", "labels", *QUICK]
    validation = ["--validation", "other-images", "--validation-labels", "other-labels"]
    code, out, err = run(*options, *validation, "--test-file", "other-images", "--test-labels", "other-labels")
    assert code == 0, err
    assert "on 24 rows of other-images" in out
    assert len(ps.load("model.safetensors").validation_curve_) == 8
    assert "--validation-labels and --test-labels are for other files" in error_of(run(*options, *validation[:2]))
    assert "--validation-labels are those of --validation; add that" in error_of(run(*options, *validation[2:]))


def test_classes_may_be_missing_from_validation_and_held_out_images_but_not_be_unknown(run):
    write_folder()
    shutil.copytree("photos/low", "others/low")
    os.mkdir("others/high")
    code, out, err = run("train", "photos", "--validation", "others", "--test-file", "others", *QUICK)
    assert code == 0, err
    assert out.count("the class folder others/high has no images") == 2
    assert "no validation row is of the class high" in out
    assert "no held-out row is of the class high" in out
    assert accuracy(run("evaluate", "model.safetensors", "others")[1]) > 0.9
    os.rename("others/low", "others/left")
    message = error_of(run("train", "photos", "--validation", "others", *QUICK))
    assert "the class 'left' of row 1 of others is among the validation rows only" in message


def write_greys(path, levels, count=20):
    for name, level in levels.items():
        os.makedirs(f"{path}/{name}")
        for i in range(count):
            image = (level + RNG.integers(0, 5, (6, 6))).astype(np.uint16)
            Image.fromarray(image).save(f"{path}/{name}/{i}.png")


def test_greys_of_12_bits_are_told_apart_and_a_model_keeps_their_number_of_bits(run):
    write_greys("scans", {"a": 2000, "b": 2100})
    code, out, err = run("train", "scans", "--epochs", "60")
    assert code == 0, err
    assert "40 images of scans with greys of 16 bits, of which 12 are used" in out
    assert accuracy(out) == 1
    assert "bits: 12" in run("show", "model.safetensors")[1]
    assert accuracy(run("evaluate", "model.safetensors", "scans")[1]) == 1
    # One image alone, darker than those of the training, is scaled as they were.
    Image.fromarray(np.full((6, 6), 1000, np.uint16)).save("dark.png")
    assert '"dark.png","a"' in run("predict", "model.safetensors", "dark.png")[1]
    for level, expected in ((120, "a"), (140, "b")):  # of 255, as 1927 and 2248 are of 4095
        Image.fromarray(np.full((6, 6), level, np.uint8)).save("byte.png")
        assert f'"byte.png","{expected}"' in run("predict", "model.safetensors", "byte.png")[1]
    code, out, err = run("train", "scans", "--start-from", "model.safetensors", "--epochs", "1")
    assert code == 0, err
    assert ps.load("model.safetensors").notes_["bits"] == 12
    assert accuracy(out) == 1


def test_names_of_classes_are_the_same_in_all_normal_forms(run):
    write_folder()
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    os.rename("photos/high", f"photos/{decomposed}")
    assert run("train", "photos", *QUICK)[0] == 0
    assert ps.load("model.safetensors").classes_.tolist() == [composed, "low"]
    assert accuracy(run("evaluate", "model.safetensors", "photos")[1]) > 0.9
    images, places = bars(60)
    names = np.array([decomposed, "low"])
    ps.Classifier(hidden=(8,), epochs=8, random_state=0).fit(images, names[places]).save("older.safetensors")
    assert accuracy(run("evaluate", "older.safetensors", "photos")[1]) > 0.9


def test_an_interrupted_training_of_images_writes_what_it_has(run, monkeypatch):
    write_folder()
    interrupt_after(monkeypatch, 5)
    code, _, err = run("train", "photos", "--network", "lenet", "--resize", "16", "--epochs", "50")
    assert code == 130
    assert "interrupted after 5 epochs; the model is the best so far, of epoch" in err
    assert ps.load("model.safetensors").n_iter_ == 5
    assert run("predict", "model.safetensors", "photos")[0] == 0


def test_what_is_left_out_is_said_by_each_command(run):
    write_folder(count=12)
    for name in ("notes.txt", "Thumbs.db"):
        shutil.copy("photos/low/001.png", f"photos/low/{name}")
    said = "1 file of photos is left out: 1 .txt"
    assert said in run("train", "photos", *QUICK)[1]
    assert said in run("predict", "model.safetensors", "photos")[2]
    assert said in run("evaluate", "model.safetensors", "photos")[1]
