"""All libraries of the benchmark for images train the same network: from the same weights they go the same steps."""

import image_peers
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("jax")

NUM_IMAGES, NUM_STEPS = 16, 3


def after_steps(name, network):
    """Return a library's losses in the first steps, on all images every time, and the trainer."""
    rng = np.random.default_rng(0)
    X = rng.random((NUM_IMAGES, *image_peers.SHAPES[network]), dtype=np.float32)
    y = rng.integers(0, image_peers.NUM_CLASSES, NUM_IMAGES)
    trainer = image_peers.TRAINERS[name](network, NUM_IMAGES, X, y, threads=1)
    if name == "PySmorch":
        options = {"epochs": NUM_STEPS, "batch_size": NUM_IMAGES, "shuffle": False, "seed": 0, "progress": False}
        return trainer.network.fit(X, y, optimizer=trainer.optimizer, **options)["loss"], trainer
    rows = np.arange(NUM_IMAGES) if name.startswith("JAX") else torch.arange(NUM_IMAGES)
    return [trainer.step(rows).item() for _ in range(NUM_STEPS)], trainer


@pytest.mark.parametrize("network", image_peers.SHAPES)
@pytest.mark.parametrize("name", ["PySmorch", "JAX jit", "PyTorch channels last", "PyTorch bf16"])
def test_the_losses_are_those_of_pytorch(network, name):
    expected, by_torch = after_steps("PyTorch", network)
    losses, trainer = after_steps(name, network)
    np.testing.assert_allclose(losses, expected, rtol=0.02 if "bf16" in name else 1e-4)
    if name == "PySmorch":  # prediction depends on the running statistics as well
        with torch.inference_mode():
            outputs = by_torch.model.eval()(by_torch.X).numpy()
        np.testing.assert_allclose(trainer.network.predict(trainer.data[0]), outputs, atol=0.01 * np.abs(outputs).max())
