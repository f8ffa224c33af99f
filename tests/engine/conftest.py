"""What tests of the engine have in common."""

import pytest

from pysmorch import engine


@pytest.fixture(params=["avx512_bf16", "amx"])
def unit(request, monkeypatch):
    """Products of bfloat16 on the vectors of the processor, and on its matrix unit where there is one."""
    if not engine.has_bf16():
        pytest.skip("this processor has no instructions for bfloat16")
    if request.param == "amx" and not engine.extension.extension().has_matrix_unit():
        pytest.skip("this processor has no matrix unit")
    monkeypatch.setenv("PYSMORCH_INSTRUCTIONS", request.param)
