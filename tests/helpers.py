"""Functions that tests of several folders call."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save as to_bytes

from pysmorch.files import model

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The browser in which pages are tested, or None."""

without_sanitizers = pytest.mark.skipif(
    any(name in os.environ.get("LD_PRELOAD", "") for name in ("libasan", "libtsan")),
    reason="a sanitizer takes memory of its own, needs all addresses, and is not loaded into the processes of graded files",
)

PLAIN_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
"""For programs of others and compiled ones, which do not run with the sanitizer of a build of the extension."""

THREAD_SANITIZER = "libtsan" in os.environ.get("LD_PRELOAD", "")
"""Whether the tests run with ThreadSanitizer."""

without_thread_sanitizer = pytest.mark.skipif(
    THREAD_SANITIZER, reason="with ThreadSanitizer a child starts no threads, and has no Polars"
)


def error_of(result):
    """The one line of a command's error."""
    code, _, err = result
    lines = [line for line in err.splitlines() if line.startswith("pysmorch: error:")]
    assert code == 2, err
    assert len(lines) == 1
    assert "Traceback" not in err
    return lines[0]


def idx(array):
    """The bytes of a file in MNIST's idx format."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def rewritten(path, change, tensors=None):
    """Write a model file with a changed header and a checksum that fits, as somebody who means harm could."""
    header, arrays = model.read_parts(path)
    arrays = {name: np.array(array) for name, array in arrays.items()} | (tensors or {})
    change(header)
    header["checksum"] = model._checksum({k: v for k, v in header.items() if k != "checksum"}, arrays)
    path.write_bytes(to_bytes(arrays, metadata={"pysmorch": json.dumps(header)}))


def rounded(x):
    """The nearest bfloat16, ties to even."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def printed_by(program):
    """Return the words that a program prints, which has a process to itself."""
    code = "import numpy as np, os, pysmorch as ps\n" + program
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
