"""Where JAX is not installed, and before it is needed."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch.engine.jax import support
from tests.helpers import printed_by


@pytest.fixture
def without_jax(monkeypatch):
    def fails(module, needs, extra):
        raise ImportError(f'{needs}: install it with  pip install "pysmorch[{extra}]"')

    monkeypatch.setattr(support, "module_of_extra", fails)


@pytest.mark.parametrize(
    "call",
    [
        lambda network, X, y: network.fit(X, y, engine="jax"),
        lambda network, X, y: network.predict(X, engine="jax"),
        lambda network, X, y: network.evaluate(X, y, engine="jax"),
    ],
)
def test_one_sentence_says_how_to_install_it(call, without_jax):
    network = ps.Network(ps.CrossEntropy(ps.Linear(ps.Data(shape=(None, 3)), 2)))
    with pytest.raises(ImportError, match=r'engine="jax" needs JAX: install it with  pip install "pysmorch\[jax\]"'):
        call(network, np.ones((4, 3)), [0, 1, 0, 1])


def test_nothing_of_jax_is_imported_unless_it_is_asked_for():
    program = """
X = np.random.default_rng(0).standard_normal((40, 3))
network = ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 3)), [4], 2, seed=0)))
network.fit(X, (X[:, 0] > 0).astype(int), epochs=1, validation_data=(X, (X[:, 0] > 0).astype(int)))
network.predict(X), network.evaluate(X, (X[:, 0] > 0).astype(int))
import sys
print(*(name for name in sys.modules if name.partition(".")[0] in ("jax", "jaxlib")))
"""
    assert printed_by(program) == []
