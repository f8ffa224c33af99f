"""The network of the page as lines of a program."""

from __future__ import annotations

from pysmorch.layers.activations import ACTIVATIONS
from pysmorch.optimizers import OPTIMIZERS
from pysmorch.playground.points import Points
from pysmorch.playground.settings import UPLOAD, Settings


def as_code(settings: Settings, data: Points, epochs: int, file: str) -> str:
    """Return a program that makes and trains the same network: with the same settings it has the same weights, bit by bit.

    Parameters
    ----------
    settings : Settings
        What was chosen.
    data : Points
        What the network is for.
    epochs : int
        How long it was trained.
    file : str
        The name of the table that was uploaded.

    Returns
    -------
    str
        Python.
    """
    loss = "CrossEntropy" if data.classes else "SquareLoss"
    optimizer = OPTIMIZERS[settings.optimizer].__name__
    used = {"Data", "Network", "dense", "weights_from", loss, optimizer}
    used |= {ACTIVATIONS[hidden.activation].__name__ for hidden in settings.layers}
    used |= {"Dropout"} if settings.dropout and settings.layers else set()
    if settings.data == UPLOAD:
        source = "points_of_file"
        drawn = f"points_of_file({file!r}, {list(settings.features)!r}, {settings.target!r}, seed={settings.seed})"
    else:
        source = "points"
        drawn = f'points("{settings.data}", count={settings.count}, noise={settings.noise!r}, seed={settings.seed})'
    layers = ["    x = Data(shape=(None, 2))"]
    for hidden in settings.layers:
        layers.append(f"    x = dense(x, {hidden.units}, {ACTIVATIONS[hidden.activation].__name__})")
        if settings.dropout:
            layers.append(f"    x = Dropout(x, {settings.dropout!r})")
    layers.append(f"    x = dense(x, {data.num_outputs}, None)")
    return "\n".join(
        [
            f"from pysmorch import {', '.join(sorted(used, key=lambda name: (name.islower(), name)))}",
            f"from pysmorch.playground import {source}",
            "",
            f"data = {drawn}",
            f"with weights_from({settings.seed}):",
            *layers,
            f"network = Network({loss}(x))",
            "network.fit(",
            "    data.X_train,",
            "    data.y_train,",
            f"    optimizer={optimizer}(learning_rate={settings.learning_rate!r}),",
            f"    epochs={max(epochs, 1)},",
            f"    batch_size={settings.batch_size},",
            f"    seed={settings.seed},",
            "    validation_data=(data.X_test, data.y_test),",
            ")",
            "print(network.evaluate(data.X_test, data.y_test))",
            "",
        ]
    )
