"""Python and the extension declare losses and optimizers under the same names, with the same attributes."""

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import losses
from pysmorch.engine.extension import extension
from pysmorch.engine.forms import describe_optimizer, unsupported_form
from pysmorch.gradcheck.cases import LOSS_CASES
from pysmorch.optimizers import OPTIMIZERS

pytestmark = pytest.mark.skipif(extension() is None, reason="the native extension is not built")
LOSSES = [cls for cls in vars(losses).values() if isinstance(cls, type) and "native" in vars(cls)]


def test_every_loss_of_the_extension_is_declared_with_the_same_metric_and_attributes():
    declared = {cls.native: (cls.metric, cls.native_attributes) for cls in LOSSES if cls.native}
    declared["cross_entropy_of_rows"] = declared["cross_entropy"]
    assert dict(extension().losses) == declared


@pytest.mark.parametrize("case", [name for name, make in LOSS_CASES.items() if make().native])
def test_every_form_of_a_loss_is_known_to_the_extension(case):
    loss = LOSS_CASES[case]()
    assert loss.native_form(np.asarray(loss.labels)) in extension().losses


def test_every_optimizer_of_the_extension_is_declared_with_the_same_attributes():
    declared = {cls.native: cls.native_attributes for cls in OPTIMIZERS.values() if cls.native}
    assert dict(extension().optimizers) == declared


@pytest.mark.parametrize("cls", OPTIMIZERS.values())
def test_every_attribute_of_a_native_form_is_a_constructors_argument(cls):
    optimizer = cls(0.1)
    assert set(describe_optimizer(optimizer)["attributes"]) == set(cls.native_attributes)


def test_other_attributes_than_those_of_the_extension_are_an_error_and_no_wrong_number(monkeypatch):
    loss = ps.HuberLoss(ps.Data(np.zeros((2, 1))))
    monkeypatch.setattr(ps.HuberLoss, "native_attributes", ())
    with pytest.raises(
        RuntimeError, match=r"declares .* for HuberLoss, .* of different versions; install pysmorch again"
    ):
        unsupported_form(loss)
    monkeypatch.setattr(ps.Adam, "native_attributes", ("beta2", "beta1", "epsilon"))
    with pytest.raises(RuntimeError, match="for Adam"):
        unsupported_form(ps.SquareLoss(ps.Data(np.zeros((2, 1)))), ps.Adam())


def test_a_subclass_that_names_no_form_of_its_own_has_none():
    class Mine(ps.Adam):
        pass

    class MyLoss(ps.SquareLoss):
        pass

    data = ps.Data(np.zeros((2, 1)))
    assert unsupported_form(MyLoss(data)) == "MyLoss has no native operation"
    assert unsupported_form(ps.SquareLoss(data), Mine()) == "Mine has no native form"
    assert unsupported_form(ps.SquareLoss(data), ps.AdamW()) is None
