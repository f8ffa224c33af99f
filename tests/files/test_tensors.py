"""Model files are .safetensors files, as the library of that format writes and reads them, in pieces of any size."""

import numpy as np
import pytest
from safetensors.numpy import load, save

from pysmorch.files import tensors

ARRAYS = {
    "b": np.arange(12, dtype=np.float32).reshape(3, 4),
    "a": np.arange(5),
    'ü\x01"\\': np.zeros((0, 3)),
    "scalar": np.ones((), np.int32),
    "small": np.array([-1, 2, 3], np.int8),
    "bytes": np.array([1, 200], np.uint8),
    "bool": np.array([[True, False]]),
    "z": np.arange(7.0),
}
METADATA = {"pysmorch": '{"é": "\\n"}'}


@pytest.mark.parametrize("piece", [1, 3, 2**24])
def test_what_is_written_and_read_is_what_the_library_of_the_format_writes_and_reads(monkeypatch, piece):
    monkeypatch.setattr(tensors, "PIECE", piece)
    content = tensors.to_content(ARRAYS, METADATA)
    assert bytes(content) == save(ARRAYS, metadata=METADATA)
    assert tensors.metadata_of(content) == METADATA
    read = tensors.arrays_of(content)
    for name, array in load(bytes(content)).items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == array.tobytes()
    assert read.keys() == ARRAYS.keys()
    assert tensors.same_bytes(content, bytes(content))
    assert not tensors.same_bytes(content, bytes(content[:-1]))
    assert not tensors.same_bytes(content, bytes(content[:-1]) + b"x")


def test_a_file_without_arrays_is_one_too():
    assert bytes(tensors.to_content({}, METADATA)) == save({}, metadata=METADATA)
    assert tensors.arrays_of(save({}, metadata=METADATA)) == {}


def file_with(header, content=b""):
    text = header.encode()
    return len(text).to_bytes(8, "little") + text + content


F32 = '"dtype":"F32"'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x05\0\0\0\0\0\0",
        file_with("{}")[:-1],
        file_with("[]"),
        file_with("{") + b"}",
        file_with("{}", b"rest"),
        file_with('{"a":1}'),
        file_with(f'{{"a":{{{F32},"shape":[1],"data_offsets":[0,4]}}}}', b"abc"),
        file_with(f'{{"a":{{{F32},"shape":[1],"data_offsets":[1,5]}}}}', b"abcde"),
        file_with(f'{{"a":{{{F32},"shape":[1],"data_offsets":[0,4],"more":1}}}}', b"abcd"),
        file_with(f'{{"a":{{{F32},"shape":[true],"data_offsets":[0,4]}}}}', b"abcd"),
        file_with(f'{{"a":{{{F32},"shape":[1.0],"data_offsets":[0,4]}}}}', b"abcd"),
        file_with(f'{{"a":{{{F32},"shape":[-1,-1],"data_offsets":[0,4]}}}}', b"abcd"),
        file_with(f'{{"a":{{{F32},"shape":[2],"data_offsets":[0,4]}}}}', b"abcd"),
        file_with(f'{{"a":{{{F32},"shape":[1],"data_offsets":[0]}}}}', b"abcd"),
        file_with(f'{{"a":{{{F32},"shape":{[1] * 65},"data_offsets":[0,4]}}}}', b"abcd"),
        file_with(f'{{"a":{{{F32},"shape":[0,{2**64}],"data_offsets":[0,0]}}}}'),
        file_with('{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}', b"abcd"),
        file_with('{"a":{"dtype":[],"shape":[2],"data_offsets":[0,4]}}', b"abcd"),
        file_with(f'{{"a":{{{F32},"shape":[1],"data_offsets":[0,4]}},"b":{{{F32},"shape":[1],"data_offsets":[0,4]}}}}', b"abcd"),
        file_with(f'{{"a":{{{F32},"shape":[0],"data_offsets":[0,0]}},"a":{{{F32},"shape":[0],"data_offsets":[0,0]}}}}'),
        b"\xff" * 8 + b"{}",
    ],
)  # fmt: skip
def test_other_files_are_refused(content):
    with pytest.raises(ValueError, match=r"."):
        tensors.arrays_of(content)


def test_arrays_in_any_order_of_memory_are_copied():
    for array in (np.arange(6.0).reshape(2, 3).T, np.arange(6, dtype=">f4"), np.zeros((0, 2))):
        copy = tensors.native_copy(array)
        assert not np.shares_memory(copy, array)
        assert (copy.flags.c_contiguous, copy.dtype.isnative) == (True, True)
        assert np.array_equal(copy, array)
