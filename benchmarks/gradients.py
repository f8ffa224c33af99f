"""What bfloat16 does to the gradients of a ResNet-20, beside PyTorch's autocast.

    python benchmarks/gradients.py [--seeds 3] [--save]

Both libraries start from the same weights and take one batch of 64 random images for each seed. The error of a gradient is its distance
from that without bfloat16 (float64 in PySmorch, float32 in PyTorch), over the norm of that one, all parameters together.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import image_peers
import machine
import numpy as np

NETWORK, BATCH, SIZE = "ResNet-20", 64, 32


def of_pysmorch(X: Any, y: Any, dtype: str, precision: str) -> Any:
    """Return the gradient of all parameters: what one step of gradient descent with rate 1 takes away from them."""
    import pysmorch as ps
    from pysmorch.models import resnet20

    network = ps.Network(ps.CrossEntropy(resnet20(ps.Data(shape=(None, SIZE, SIZE, 3)), image_peers.NUM_CLASSES)))
    start = image_peers.weights(NETWORK)
    for parameters, W in zip(network.parameters.values(), start, strict=True):
        parameters[...] = W
    network.fit(
        *(X, y), optimizer=ps.SGD(1.0), epochs=1, batch_size=BATCH, dtype=dtype, precision=precision, progress=False
    )
    return np.concatenate([(W - w).ravel() for W, w in zip(start, network.parameters.values(), strict=True)])


def of_torch(X: Any, y: Any, bf16: bool) -> Any:
    """Return the gradient of all parameters."""
    import torch

    model = image_peers.torch_model(torch, NETWORK)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = torch.nn.functional.cross_entropy(
            model(torch.from_numpy(X.transpose(0, 3, 1, 2).copy())), torch.from_numpy(y)
        )
    loss.backward()
    return torch.cat([parameter.grad.double().ravel() for parameter in model.parameters()]).numpy()


def error(found: Any, right: Any) -> float:
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/amx/gradients.json")
    arguments = parser.parse_args()

    errors: dict[str, list[float]] = {"PySmorch bf16": [], "PyTorch autocast": []}
    for seed in range(arguments.seeds):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((BATCH, SIZE, SIZE, 3)).astype(np.float32)
        y = rng.integers(0, image_peers.NUM_CLASSES, BATCH)
        right = of_pysmorch(X, y, "float64", "float32")
        errors["PySmorch bf16"].append(error(of_pysmorch(X, y, "float32", "bf16"), right))
        errors["PyTorch autocast"].append(error(of_torch(X, y, True), of_torch(X, y, False)))
        print(f"seed {seed}: " + ", ".join(f"{name} {values[-1]:.3f}" for name, values in errors.items()), flush=True)
    if arguments.save:
        content = {"machine": machine.describe(), "network": NETWORK, "batch": BATCH, "errors": errors}
        path = Path(__file__).parent / "results" / "amx" / "gradients.json"
        path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
