"""The room that values and gradients share."""

import subprocess
import sys
from math import prod

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import Data, Network, models
from pysmorch.engine import NativeProgram, ReferenceProgram, StepRates, has_bf16, step_memory
from pysmorch.engine.dataset import Dataset
from pysmorch.engine.extension import extension
from tests.engine.test_image_descriptions import LAYERS, LOSS, lowered
from tests.helpers import without_sanitizers

pytestmark = pytest.mark.skipif(extension() is None, reason="the native extension is not built")


def resnet(size=32):
    return Network(ps.CrossEntropy(models.resnet20(Data(shape=(None, size, size, 3)), 10)))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@without_sanitizers
@pytest.mark.parametrize("name", ["lenet", "resnet20"])
def test_the_summary_says_what_a_training_step_takes(name):
    code = (
        "import numpy as np, pysmorch as ps, re\n"
        "from pysmorch import models\n"
        "def peak(name):\n"
        "    return int(re.search(name + r':\\s+(\\d+)', open('/proc/self/status').read()).group(1)) / 1024\n"
        f"network = ps.Network(ps.CrossEntropy(models.{name}(ps.Data(shape=(None, 32, 32, 3)), 10)))\n"
        "X, y = np.ones((256, 32, 32, 3), np.uint8), np.arange(256) % 10\n"
        "network.fit(X[:2], y[:2], epochs=1, batch_size=2, seed=0, engine='native', progress=False)\n"
        "said = float(re.search(r'with 256 rows takes ([\\d.]+) MiB', network.summary(256)).group(1))\n"
        "before = peak('VmRSS')\n"
        "network.fit(X, y, epochs=1, batch_size=256, seed=0, engine='native', progress=False)\n"
        "print(said, peak('VmHWM') - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said, taken = map(float, done.stdout.split())
    assert 0.9 * said - 10 < taken < 1.1 * said + 10


def test_gradients_that_are_not_needed_at_the_same_time_share_room():
    network = resnet()
    values = sum(int(np.prod(layer.out_dims[1:])) for layer in network.layers) * 4 * 64
    fused = values / 2  # about half of the layers are taken in by those before them
    assert step_memory(network.layers, network.loss, 64) < 1.5 * fused


@pytest.mark.skipif(not has_bf16(), reason="this processor has no instructions for bfloat16")
@pytest.mark.parametrize("make", [models.resnet20, models.mobilenet_small])
def test_images_between_convolutions_take_half_the_room_as_bfloat16(make):
    network = Network(ps.CrossEntropy(make(Data(shape=(None, 32, 32, 3)), 10)))
    network.loss.set_labels(np.zeros(1, np.int64))
    data = Dataset([np.zeros((4, 32, 32, 3), np.float32)], np.zeros(4, np.int64), None)
    sizes = []
    for bf16 in (False, True):
        program = NativeProgram(network.loss, ps.SGD(), "float32", 0, data, threads=2, bf16=bf16)
        program.train(data, np.arange(4), 4, [StepRates(0.1)], 0)
        sizes.append(program._program.memory(256, 2))
    assert sizes[1] < 0.55 * sizes[0]


def test_a_network_that_is_not_native_has_no_line_about_memory():
    class Own(ps.Bias):
        """With a parameter, so that the native program does not call it."""

    assert "MiB" not in Network(ps.SquareLoss(Own(Data(shape=(None, 3))))).summary()
    assert (
        "a training step with 128 rows takes" in Network(ps.SquareLoss(ps.Linear(Data(shape=(None, 3)), 2))).summary()
    )


@pytest.mark.parametrize("name", LAYERS)
def test_what_any_number_of_rows_takes_is_counted_and_not_taken(name):
    values, operation, _ = lowered(LAYERS[name]())
    program = extension().Program32(values, [operation], [0], LOSS)
    many, more = program.memory(2**28, 1), program.memory(2**31 - 1, 1)
    numbers = sum(prod(value["shape"]) for value in values) * 4
    assert 2 * numbers * 2**28 < many < 8 * (numbers + 2**7) * 2**28
    assert 7.9 * many < more < 8.1 * many


def test_decay_that_is_not_there_takes_no_room():
    network = Network(ps.CrossEntropy(ps.mlp(Data(shape=(None, 5)), [16], 3)))
    assert isinstance(ReferenceProgram(network.loss, ps.SGD(0.1), "float32", 0).decay_factors, float)
    program = ReferenceProgram(network.loss, ps.SGD(0.1, weight_decay=0.1), "float32", 0)
    assert program.decay_factors.shape == program.parameters.shape  # the biases have none
