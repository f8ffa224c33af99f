import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers import PLAIN_ENVIRONMENT

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not on the path")
def test_without_a_compiler_the_library_is_installed_without_the_engine_and_the_build_says_so(tmp_path):
    environment = PLAIN_ENVIRONMENT | {"CXX": str(tmp_path / "no-compiler")}
    command = ["cmake", "-S", str(ROOT), "-B", str(tmp_path / "build")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "installed without its compiled engine: networks are trained layer by layer with NumPy" in said
    assert "Install a C++20 compiler" in said
    assert "_native" not in (tmp_path / "build" / "cmake_install.cmake").read_text()
