"""ONNX files that are damaged, that lie, or that need what there is not: each is refused by a sentence that says what is wrong with it."""

import itertools
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.export import messages
from pysmorch.export.messages import bytes_field, number_field, text_field, varint
from tests.helpers import without_sanitizers
from tests.importing.files import images, integers, model, node, output, rows, tensor, weights

GOOD = model([node("MatMul", ["x", "w"])], [weights()])
TWELVE = np.zeros(12, "<f4").tobytes()


def of(*nodes, constants=(), **options):
    return model(list(nodes), list(constants), **options)


def matmul(constant):
    return of(node("MatMul", ["x", "w"]), constants=[constant])


def elsewhere(**entries):
    return matmul(tensor(external=entries, location=1))


BROKEN = {
    "an empty file": (b"", "no ONNX file"),
    "a text": (b"hello, this is no model at all", "damaged|no ONNX file"),
    "a file that ends too early": (GOOD[:-20], "damaged"),
    "a length of 2 GB": (
        bytes([0x3A]) + varint(2**31) + b"abc",
        "a field of 2,147,483,648 bytes begins where 3 are left",
    ),
    "a length of 2^63": (bytes([0x3A]) + varint(2**63) + b"abc", "are left"),
    "an integer that does not end": (b"\x08" + b"\xff" * 12, "does not end"),
    "an integer of more than 64 bits": (b"\x08" + b"\xff" * 9 + b"\x7f", "more than 64 bits"),
    "a wire type that there is not": (b"\x0b\x00", "wire type 3"),
    "a graph that is a number": (number_field(7, 5), "its graph has wire type 0"),
    "two graphs": (GOOD + bytes_field(7, b""), "its graph is there twice"),
    "no operators": (bytes_field(7, b""), "no version of its operators"),
    "operators twice": (GOOD + bytes_field(8, number_field(2, 18)), "two versions"),
    "old operators": (of(node("Relu", ["x"]), version=5), "of version 5"),
    "a name that is no UTF-8": (
        of(messages.node("Relu", ["x"], ["y"], "n", "", {}) + bytes_field(7, b"\xff\xfe")),
        "no UTF-8",
    ),
    "a very long name": (of(node("Relu", ["x" * 5000])), "5,000 bytes, more than 1000"),
    "no outputs": (
        number_field(1, 9) + bytes_field(7, bytes_field(1, node("Relu", ["x"]))) + bytes_field(8, number_field(2, 17)),
        "no outputs",
    ),
    "a cycle": (
        of(node("Add", ["x", "y"], "a"), node("Relu", ["a"], "y")),
        "'Add 1' .* reads the value 'y', which only a later node",
    ),
    "a node that reads itself": (of(node("Relu", ["y"], "y")), "without a cycle"),
    "a value that nobody makes": (of(node("Add", ["x", "nothing"])), "'nothing', which is neither"),
    "an output that nobody makes": (of(node("Relu", ["x"], "z")), "its output 'y' is made by no node"),
    "a value that is made twice": (of(node("Relu", ["x"]), node("Tanh", ["x"])), "'y', which is there already"),
    "two inputs of one name": (of(node("Relu", ["x"]), inputs=[rows(), rows()]), "two inputs 'x'"),
    "an initialiser twice": (of(node("MatMul", ["x", "w"]), constants=[weights(), weights()]), "'w' is there twice"),
    "a missing initialiser": (of(node("MatMul", ["x", "w"])), "'w', which is neither"),
    "a missing input": (of(node("MatMul", ["x"])), "input 1 is missing"),
    "an input that is left out": (of(node("MatMul", ["x", ""])), "input 1 is missing"),
    "an operator without a name": (of(node("", ["x"])), "cannot be imported"),
    "an unknown operator": (of(node("LSTM", ["x"])), r"1 of its operators cannot be imported: LSTM \(node 'LSTM 1'\)"),
    "an operator with control characters": (
        of(node("\x1b[31mA\nB", ["x"], domain="\x1b]0;x\x07")),
        r"imported: \\x1b\]0;x\\x07:\\x1b\[31mA\\nB \(node",
    ),
    "an operator of another domain": (of(node("Relu", ["x"], domain="my.own")), "my.own:Relu"),
    "an input with a free size": (
        of(node("Relu", ["x"]), inputs=[messages.value_info("x", 1, ["N", "width"])]),
        "'width' of axis 1",
    ),
    "an input of texts": (of(node("Relu", ["x"]), inputs=[rows(kind=messages.STRING)]), "elements of type 8"),
    "an input without a shape": (of(node("Relu", ["x"]), inputs=[text_field(1, "x")]), "elements of type 0|no shape"),
    "an input without axes": (
        of(node("Relu", ["x"]), inputs=[messages.value_info("x", 1, [])]),
        "no axis for the batch",
    ),
    "an input with a negative size": (
        of(node("Relu", ["x"]), inputs=[messages.value_info("x", 1, ["N", -4])]),
        "size of -4",
    ),
    "an input of 2^40 numbers": (
        of(node("Relu", ["x"]), inputs=[messages.value_info("x", 1, ["N", 2**20, 2**20])]),
        "1,099,511,627,776 values",
    ),
    "a shape larger than its data": (matmul(tensor(shape=(4, 300), raw=TWELVE)), "1,200 numbers, but there are 12"),
    "a shape of 2 GB": (matmul(tensor(shape=(2**20, 2**9), raw=TWELVE)), "536,870,912 numbers, but there are 12"),
    "a shape that overflows": (matmul(tensor(shape=(2**30,) * 4, raw=TWELVE)), "but there are 12"),
    "a negative size": (matmul(tensor(shape=(-4, 3), raw=TWELVE)), "out of range"),
    "thirty axes": (matmul(tensor(shape=(1,) * 30, raw=TWELVE)), "out of range"),
    "a part of a number": (matmul(tensor(raw=TWELVE + b"\0")), "12 numbers, but there are 12|but there are"),
    "floats of three bytes": (matmul(tensor(floats=TWELVE[:-1])), "no multiple of 4"),
    "numbers in two forms": (matmul(tensor(floats=TWELVE, raw=TWELVE)), "several forms"),
    "floats as doubles": (matmul(tensor(doubles=TWELVE)), "has its numbers as doubles"),
    "numbers of an unknown type": (matmul(tensor(kind=99, raw=TWELVE)), "elements of type 99"),
    "texts as weights": (matmul(tensor(kind=messages.STRING)), "elements of type 8"),
    "integers that do not end": (matmul(tensor(kind=7, int64s=b"\xff\xff")), "does not end"),
    "segments": (matmul(tensor(raw=TWELVE, segment=b"")), "several forms"),
    "weights that are not finite": (
        matmul(tensor(raw=np.full(12, np.nan, "<f4").tobytes())),
        "'w' have entries that are not finite",
    ),
    "weights of another size": (matmul(weights(shape=(5, 3))), r"shape \(N, 4\) by 'w', which has shape \(5, 3\)"),
    "sparse weights": (of(node("Relu", ["x"]), more=bytes_field(15, b"")), "sparse"),
    "another folder": (elsewhere(location="../weights.bin"), "only a file in the folder"),
    "an absolute path": (elsewhere(location="/etc/passwd"), "only a file in the folder"),
    "a folder below": (elsewhere(location="below/weights.bin"), "only a file in the folder"),
    "the folder itself": (elsewhere(location=".."), "only a file in the folder"),
    "a path of Windows": (elsewhere(location="C:\\weights.bin"), "only a file in the folder"),
    "a path with a zero": (elsewhere(location="weights.bin\0"), "only a file in the folder"),
    "no path": (elsewhere(offset="0"), "only a file in the folder"),
    "a file that is not there": (elsewhere(location="nowhere.bin"), "cannot be read: No such file"),
    "a link": (elsewhere(location="link.bin"), "which is a link"),
    "a pipe": (elsewhere(location="pipe.bin"), "no regular file"),
    "a folder as data": (elsewhere(location="folder.bin"), "no regular file|Is a directory"),
    "an offset beyond the end": (
        elsewhere(location="data.bin", offset="4096"),
        "48 bytes from 4,096 on, but 'data.bin' has 48",
    ),
    "an offset of 2^70": (elsewhere(location="data.bin", offset=str(2**70)), "no number"),
    "a negative offset": (elsewhere(location="data.bin", offset="-8"), "no number"),
    "a length that lies": (elsewhere(location="data.bin", length="2147483647"), "2,147,483,647 bytes, but its shape"),
    "data that are used twice": (
        of(
            node("MatMul", ["x", "w"], "a"),
            node("Relu", ["a"], "b"),
            node("MatMul", ["x", "v"], "c"),
            node("Add", ["b", "c"]),
            constants=[tensor(name, external={"location": "data.bin"}, location=1) for name in ("w", "v")],
        ),
        "some are used twice",
    ),
    "external data without a location": (matmul(tensor(location=1)), "contradict each other"),
    "a location that there is not": (matmul(tensor(raw=TWELVE, location=7)), "location 7"),
    "an attribute of a graph": (
        of(
            messages.node("Relu", ["x"], ["y"], "r", "", {})
            + bytes_field(5, text_field(1, "body") + number_field(20, 5))
        ),
        "'body', has no value",
    ),
    "an attribute twice": (
        of(node("LeakyRelu", ["x"], alpha=0.1) + bytes_field(5, messages.attribute("alpha", 0.2))),
        "'alpha' twice",
    ),
    "an attribute of another type": (of(node("LeakyRelu", ["x"], alpha=3)), "alpha has another type"),
    "an attribute of an unknown type": (
        of(node("Relu", ["x"]) + bytes_field(5, text_field(1, "a") + number_field(20, 77))),
        "of type 77",
    ),
    "an attribute that nobody knows": (of(node("Relu", ["x"], slope=0.5)), "attribute slope is not known"),
    "a number that is not finite": (of(node("LeakyRelu", ["x"], alpha=float("inf"))), "alpha is inf"),
    "strides of zero": (
        of(node("MaxPool", ["x"], kernel_shape=[2, 2], strides=[0, 1]), inputs=[images()]),
        "strides is",
    ),
    "a window of 2^40": (of(node("MaxPool", ["x"], kernel_shape=[2**40, 1]), inputs=[images()]), "kernel_shape is"),
    "a border of 2^19": (
        of(node("AveragePool", ["x"], kernel_shape=[2, 2], pads=[2**19] * 4), inputs=[images()]),
        "too many",
    ),
    "a window larger than the image": (
        of(node("MaxPool", ["x"], kernel_shape=[9, 9]), inputs=[images()]),
        "MaxPool2d: a window covers 9 x 9",
    ),
    "groups that do not fit": (
        of(node("Conv", ["x", "w"], group=3), constants=[weights(shape=(3, 2, 3, 3))], inputs=[images()]),
        "group is 3",
    ),
    "a kernel that lies": (
        of(node("Conv", ["x", "w"], kernel_shape=[5, 5]), constants=[weights(shape=(3, 2, 3, 3))], inputs=[images()]),
        "kernel_shape is",
    ),
    "images of rows": (of(node("Conv", ["x", "w"]), constants=[weights(shape=(3, 2, 3, 3))]), "its input has 2 axes"),
    "a shape that lies": (
        of(node("Relu", ["x"]), outputs=[messages.value_info("y", 1, ["N", 7])]),
        r"\('N', 4\), but the file says \('N', 7\)",
    ),
    "a reshape that mixes the batch": (
        of(node("Reshape", ["x", "s"]), constants=[integers("s", [-1, 8])]),
        "mixes the batch",
    ),
    "a reshape of 2^60": (
        of(node("Reshape", ["x", "s"]), constants=[integers("s", [0, 2**30, 2**30])]),
        "mixes the batch",
    ),
    "two free sizes": (of(node("Reshape", ["x", "s"]), constants=[integers("s", [-1, -1])]), "is none"),
    "a shape of the data": (of(node("Reshape", ["x", "x"])), "'x' depends on the data"),
    "a softmax of rows": (
        of(node("Softmax", ["x"], axis=0), node("Relu", ["y"], "z"), outputs=[output("z")]),
        "axis 0, which is the batch",
    ),
    "an axis that there is not": (
        of(node("ReduceMean", ["x"], axes=[5], keepdims=1)),
        "the axis 5, but its input has 2",
    ),
    "a repetition of 2^40": (of(node("Tile", ["x", "r"]), constants=[integers("r", [1, 2**40])]), "repeats are"),
    "an expansion of 2^30": (
        of(
            node("Unsqueeze", ["x", "a"], "z"),
            node("Expand", ["z", "s"]),
            constants=[integers("a", [2]), integers("s", [1, 4, 2**30])],
        ),
        "it makes 1073741824 of 1 entries",
    ),
    "constants that double": (
        of(
            *(node("Concat", [f"c{i}", f"c{i}"], f"c{i + 1}", axis=0) for i in range(40)),
            node("Add", ["x", "c40"]),
            constants=[weights("c0", (64, 1))],
        ),
        "larger than any network needs",
    ),
    "weights that are used by very many nodes": (
        of(
            *(node("MatMul", [f"v{i}" if i else "x", "w"], f"v{i + 1}") for i in range(300)),
            constants=[weights(shape=(512, 512))],
            inputs=[rows(512)],
            outputs=[output("v300")],
        ),
        "larger than any network needs",
    ),
    "normalisation of 2^26 channels": (
        of(
            node("BatchNormalization", ["x", "w", "w", "w", "w"]),
            constants=[weights(shape=(4,))],
            inputs=[rows(2**26)],
        ),
        "it needs 67108864",
    ),
    "a bias for 2^20 channels": (
        of(
            node("Conv", ["x", "w", "b"]),
            constants=[weights(shape=(3, 2, 3, 3)), weights("b", (2,))],
            inputs=[images()],
        ),
        "but there are 3 channels",
    ),
    "a constant of 2^50": (
        of(node("ConstantOfShape", ["s"], "c"), node("Add", ["x", "c"]), constants=[integers("s", [2**25, 2**25])]),
        "larger than any network needs",
    ),
    "a constant with a negative shape": (
        of(node("ConstantOfShape", ["s"], "c"), node("Add", ["x", "c"]), constants=[integers("s", [-3])]),
        "out of range",
    ),
    "integers that are multiplied": (
        of(node("Mul", ["x", "x"]), inputs=[rows(kind=messages.INT64)]),
        "'x' holds integers",
    ),
    "an integer that is divided by zero": (
        of(
            node("Div", ["a", "b"], "c"),
            node("Reshape", ["x", "c"]),
            constants=[integers("a", [4]), integers("b", [0])],
        ),
        "by zero",
    ),
    "a variance below zero": (
        of(
            node("BatchNormalization", ["x", "s", "b", "m", "v"]),
            constants=[weights(n, (4,)) for n in "sbm"] + [messages.tensor("v", -np.ones(4, np.float32))],
        ),
        "'v' has shape",
    ),
    "a dropout of everything": (
        of(node("Dropout", ["x", "r"]), constants=[messages.tensor("r", np.float32(1))]),
        "rate must be at least 0 and below 1",
    ),
    "a constant as the output": (of(node("Identity", ["w"]), constants=[weights()]), "does not depend on its inputs"),
    "an embedding of three axes": (
        of(node("Gather", ["w", "x"]), constants=[weights(shape=(4, 3, 2))], inputs=[rows(kind=7)]),
        "another axis than its rows",
    ),
}


@pytest.fixture
def folder(tmp_path):
    """A folder with external data of twelve numbers, a link to them, a pipe and a folder."""
    (tmp_path / "data.bin").write_bytes(TWELVE)
    (tmp_path / "folder.bin").mkdir()
    try:
        (tmp_path / "link.bin").symlink_to(tmp_path / "data.bin")
        os.mkfifo(tmp_path / "pipe.bin")
    except (AttributeError, OSError):
        pytest.skip("this system has no links or pipes")
    return tmp_path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_by_a_sentence_that_says_why(name, folder):
    content, message = BROKEN[name]
    path = folder / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ps.ModelFileError) as caught:
        ps.from_onnx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


def test_there_are_sixty_broken_files_and_more():
    assert len(BROKEN) > 60


def test_all_that_cannot_be_imported_is_named_at_once(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(
        of(node("LSTM", ["x"], "a"), node("GRU", ["x"], "b"), node("LSTM", ["a"], "c"), node("Sum", ["b", "c"]))
    )
    with pytest.raises(
        ps.ModelFileError, match=r"3 of its operators .* LSTM \(node 'LSTM 1', 'LSTM 1'\), GRU \(node 'GRU 1'\)"
    ):
        ps.from_onnx(path)
    path.write_bytes(
        of(
            node("Flatten", ["x"], "a", axis=0),
            node("Softmax", ["x"], "b", axis=0),
            node("Add", ["a", "b"], "c"),
            node("Relu", ["c"]),
        )
    )
    with pytest.raises(ps.ModelFileError, match=r"\(Flatten\): .*; the node 'Softmax 1' \(Softmax\): "):
        ps.from_onnx(path)
    path.write_bytes(
        of(
            node("Add", ["x", "z"]),
            inputs=[messages.value_info("x", 1, ["N", "h"]), messages.value_info("z", 1, ["N", "w"])],
        )
    )
    with pytest.raises(
        ps.ModelFileError, match=r"'x' has free sizes .*; 'z' has free sizes .*export the model with fixed sizes"
    ):
        ps.from_onnx(path)


def test_a_folder_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        ps.from_onnx(tmp_path / "nothing.onnx")
    with pytest.raises((IsADirectoryError, PermissionError)):
        ps.from_onnx(tmp_path)
    (tmp_path / "model.onnx").write_bytes(GOOD)
    with pytest.raises(ps.ModelFileError, match="no output 'z'; its outputs are 'y'"):
        ps.from_onnx(tmp_path / "model.onnx", output="z")


def test_external_data_of_the_same_folder_are_read(folder):
    path = folder / "model.onnx"
    (folder / "data.bin").write_bytes(b"abcd" + np.arange(12, dtype="<f4").tobytes())
    path.write_bytes(elsewhere(location="data.bin", offset="4", length="48"))
    np.testing.assert_array_equal(ps.from_onnx(path).predict([[1.0, 0, 0, 0]]), [[0, 1, 2]])


def test_five_thousand_nodes_one_after_the_other(tmp_path):
    names = ["x", *(f"v{i}" for i in range(5000))]
    nodes = [messages.node("Relu", [a], [b], b, "", {}) for a, b in itertools.pairwise(names)]
    path = tmp_path / "model.onnx"
    path.write_bytes(of(*nodes, outputs=[output("v4999")]))
    assert len(ps.from_onnx(path).layers) == 5001


@without_sanitizers
def test_files_that_were_changed_at_random_are_refused_or_imported():
    tool = os.path.join(os.path.dirname(__file__), "..", "..", "tools", "mutate_onnx.py")
    if not os.path.exists(tool) or not sys.platform.startswith("linux"):
        pytest.skip("the campaigns run on Linux, in the repository")
    command = [sys.executable, "-W", "ignore", tool, "--count", "200", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
