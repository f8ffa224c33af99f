"""Where models are written to and read from: open files, bytes, links, the home folder, protected files, newer versions."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.files import ModelFileError, write_whole
from tests.helpers import rewritten

X = np.random.default_rng(0).standard_normal((40, 3))


def network(seed=0):
    return ps.Network(ps.SquareLoss(ps.mlp(ps.Data(shape=(None, 3)), [4], 1, seed=seed)))


def same(a, b):
    return np.array_equal(a.predict(X), b.predict(X))


def test_a_model_goes_through_bytes_and_open_files(tmp_path):
    model, memory = network(), io.BytesIO()
    model.save(memory)
    content = memory.getvalue()
    memory.seek(0)
    for given in (content, bytearray(content), memoryview(content), memory):
        assert same(ps.load(given), model)
    with open(tmp_path / "m.safetensors", "wb") as file:
        model.save(file)
    with open(tmp_path / "m.safetensors", "rb") as file:
        assert same(ps.load(file), model)
    assert (tmp_path / "m.safetensors").read_bytes() == content


class Trickle(io.RawIOBase):
    """A file without a buffer that takes a few bytes at a time, as a pipe may."""

    def __init__(self, most):
        self.most, self.content = most, b""

    def writable(self):
        return True

    def write(self, data):
        taken = bytes(data[: self.most])
        self.content += taken
        return len(taken)


def test_a_file_that_takes_a_part_at_a_time_gets_all_of_it():
    trickle, memory = Trickle(100), io.BytesIO()
    network().save(trickle)
    network().save(memory)
    assert trickle.content == memory.getvalue()
    with pytest.raises(BlockingIOError, match="takes no more now"):
        network().save(Trickle(0))


@pytest.mark.parametrize("place", [None, 3, b"model.safetensors"])
def test_what_is_neither_a_path_nor_a_file_is_refused_in_words(place):
    with pytest.raises(TypeError, match=f"save takes a path or a file .* but got a {type(place).__name__}"):
        network().save(place)
    if not isinstance(place, bytes):
        with pytest.raises(TypeError, match=f"load takes a path, bytes or a file .* but got a {type(place).__name__}"):
            ps.load(place)


def test_two_models_lie_behind_something_else_in_one_file():
    memory = io.BytesIO(b"kept")
    memory.seek(4)
    network().save(memory)
    memory.seek(4)
    assert same(ps.load(memory), network())
    assert memory.getvalue()[:4] == b"kept"


def test_files_that_are_open_for_text_or_at_their_end_are_refused_in_words(tmp_path):
    path = tmp_path / "m.safetensors"
    network().save(path)
    with open(tmp_path / "text", "w") as file, pytest.raises(TypeError, match='open it with mode "wb"'):
        network().save(file)
    with open(path, encoding="latin-1") as file, pytest.raises(TypeError, match='open it with mode "rb"'):
        ps.load(file)
    memory = io.BytesIO()
    network().save(memory)
    with pytest.raises(ModelFileError, match=r"the BytesIO: nothing to read from the current position on; seek\(0\)"):
        ps.load(memory)


@pytest.mark.parametrize("content", [b"x", b"not a model", b"\x80\x04\x95pickle", b"\xff" * 100])
def test_other_bytes_are_no_model(content):
    with pytest.raises(ModelFileError, match="the bytes: not a model"):
        ps.load(content)


@pytest.mark.parametrize("kind", [str, Path])
def test_the_home_folder_has_its_short_name(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    network().save(kind("~/m.safetensors"))
    assert (tmp_path / "m.safetensors").is_file()
    assert same(ps.load(kind("~/m.safetensors")), network())


def test_the_home_folder_of_nobody_is_a_missing_folder():
    with pytest.raises(FileNotFoundError, match=r"the folder ~nobody-of-this-name for m.safetensors does not exist"):
        network().save("~nobody-of-this-name/m.safetensors")
    with pytest.raises(FileNotFoundError, match=r"^~nobody-of-this-name/m.safetensors: no such file$"):
        ps.load("~nobody-of-this-name/m.safetensors")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe is not a regular file; to read a pipe, pass it open"):
        ps.load(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="pipe is not a regular file; name another"):
        network().save(tmp_path / "pipe")


@pytest.mark.parametrize("relative", [True, False])
def test_a_link_stays_a_link_and_its_target_is_replaced(relative, tmp_path):
    target, link = tmp_path / "versions" / "v3", tmp_path / "current"
    target.parent.mkdir()
    network().save(target)
    os.chmod(target, 0o640)
    link.symlink_to("versions/v3" if relative else target)
    network(seed=1).save(link)
    assert link.is_symlink()
    assert same(ps.load(target), network(seed=1))
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(target.parent) == ["v3"]


def test_a_link_to_a_file_that_is_not_there_yet_makes_it(tmp_path):
    (tmp_path / "current").symlink_to("v1")
    write_whole(tmp_path / "current", lambda file: file.write(b"x"))
    assert (tmp_path / "v1").read_bytes() == b"x"


def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "m"
    path.write_bytes(b"old")
    os.chmod(path, 0o444)
    # The administrator of a machine may write everything; this is what others are told.
    monkeypatch.setattr(os, "access", lambda file, mode: Path(file) != path)
    with pytest.raises(PermissionError, match="m is write-protected"):
        write_whole(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(format=2),
        lambda header: header.update(kind="forest"),
        lambda header: header["model"]["layers"][1].update(type="Attention"),
        lambda header: header["model"]["layers"][1]["config"].update(sparse=True),
        lambda header: header["model"]["loss"].update(type="NewLoss"),
    ],
)
@pytest.mark.parametrize("version", ["9.0.0", "0.2", "0.1.1", "0.1.0"])
def test_an_error_about_a_file_of_a_newer_version_names_both_versions(change, version, tmp_path):
    path = tmp_path / "m.safetensors"
    network().save(path)

    def newer(header):
        header["versions"]["pysmorch"] = version
        change(header)

    rewritten(path, newer)
    with pytest.raises(ModelFileError) as info:
        ps.load(path)
    said = f"it was written by pysmorch {version}, which is newer than this 0.1.0: update pysmorch"
    assert (said in str(info.value)) == (version != "0.1.0")
