"""Every message about a wrong argument has its name, what was found and what was expected."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import pysmorch as ps
from pysmorch import plots, teach

SOURCES = Path(ps.__file__).parent
ERRORS = {"ValueError", "TypeError", "ShapeError"}

DATA_ARGUMENTS = {"X", "y", "labels", "sample_weight", "metrics"}
"""What the data of `fit` are called, wherever they are checked."""

NAMING_ARGUMENTS = {"argument", "what", "path", "source"}
"""Parameters of checking functions that hold the name of what is checked."""

ELSEWHERE = ("cli", "sources", "files", "teach", "playground", "serving", "web", "export")
"""Files, columns and layers are named there; `cli` and `sources` have tests of their own for each message, `teach` judges classes of others,
`playground` names what its page has sent, `serving` the column and the row of a request, `web` an option."""

EXCEPTIONS = {
    ("cluster/jobs.py", "_check_alike"): "the node is named; no argument is wrong",
    ("cluster/joining.py", "check_versions"): "the node is named; no argument is wrong",
    ("engine/shards.py", "in_shards"): "the engine was chosen, and what it cannot do is named",
    ("entries.py", "integer_of_json"): "what is in a file, which whoever reads it names",
    ("many/file.py", "_arrays"): "what is wrong with a file, whose name is added",
    ("many/file.py", "_contents"): "what is wrong with a file, whose name is added",
    ("many/grouping.py", "_column"): "the caller says which argument or column it is",
    ("many/file.py", "save_many"): "the file is named, as where one model is saved",
    ("layers/graph.py", "_with_feeders"): "the graph has a cycle: no single argument is wrong",
    ("layers/graph.py", "_check_shapes"): "what a class of the user's passes back; the class is named",
    ("layers/own_passes.py", "own_forward"): "what a class of the user's does in a pass; the class is named",
    ("layers/base.py", "_pull_back"): "what a class of the user's returns in a pass; the class is named",
    ("layers/object_functions.py", "refuse_object_functions"): "the layer is named, and its pass",
    ("engine/own_layers.py", "_refuse_other_numbers"): "the layer of the user's is named, and its attribute",
    ("engine/own_layers.py", "refuse_untrained"): "what a class of the user's does in a pass; the layer is named",
    ("engine/own_layers.py", "__call__"): "what a class of the user's does in a pass; the layer is named",
    ("engine/jax/support.py", "refuse_untraceable"): "the layer is named that cannot be traced",
    ("engine/jax/passes.py", "_refuse"): "the layer is named that cannot be traced",
    ("engine/parameters.py", "_own_gradient"): "what a class of the user's sets in a pass; the class is named",
    ("engine/parameters.py", "owners_of_arrays"): "the class of the user's is named whose W is no array",
    ("losses/base.py", "compute"): "an empty batch is the output of a layer, and no argument",
    ("layers/quantized.py", "refuse_training"): "the network cannot be trained, whatever the arguments are",
    ("encoders/exported.py", "form"): "the model cannot be written, whatever the arguments are",
    ("encoders/exported.py", "form_of_table"): "the columns are named that have no form",
    ("encoders/exported.py", "_refuse_nothing"): "the model cannot be written, whatever the arguments are",
    ("prediction/regressor.py", "_default_outputs"): "`of` is an argument of `explain`, for which it works",
    ("layers/embedding.py", "whole_indices"): "entries of the data at run time; the layer and the entry are named",
}


def constructor_arguments(cls):
    """Return the names of a class's parameters: of its __init__, or the fields of a dataclass."""
    names = set()
    for node in cls.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            names |= arguments(node)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def arguments(function):
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg]
    return {argument.arg for argument in named if argument is not None} - {"self", "cls"}


ESTIMATOR_ARGUMENTS = set(ps.Classifier().get_params()) | set(ps.Regressor().get_params())


def messages_of(path):
    """Yield (function, words that may name an argument, the raised call) for each wrong argument in a file."""
    tree = ast.parse(path.read_text())
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    owner = {id(function): cls for cls in classes for function in ast.walk(cls)}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = arguments(function) | DATA_ARGUMENTS
        names |= {"in_layer", "in_layers"} if path.parent.name == "layers" else set()
        if id(function) in owner:
            names |= constructor_arguments(owner[id(function)])
            names |= {function.name} if any(isinstance(d, ast.Attribute) for d in function.decorator_list) else set()
        if path.parent.name in ("estimators", "prediction"):
            names |= ESTIMATOR_ARGUMENTS
        for node in ast.walk(function):
            error = node.exc if isinstance(node, ast.Raise) else None
            if isinstance(error, ast.Call) and getattr(error.func, "id", "") in ERRORS:
                yield function.name, names, error


def names_an_argument(error, names):
    constants = [
        node.value for node in ast.walk(error) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    filled_in = {node.id for node in ast.walk(error) if isinstance(node, ast.Name)}
    return bool(names & set(re.findall(r"\w+", " ".join(constants))) or filled_in & NAMING_ARGUMENTS)


FILES = [path for path in sorted(SOURCES.rglob("*.py")) if path.relative_to(SOURCES).parts[0] not in ELSEWHERE]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCES).as_posix())
def test_every_message_about_a_wrong_argument_has_its_name(path):
    name = path.relative_to(SOURCES).as_posix()
    for function, names, error in messages_of(path):
        if (name, function) not in EXCEPTIONS:
            assert names_an_argument(error, names), f"{name}, {function}: no argument in {ast.unparse(error)}"


def test_the_exceptions_are_still_needed():
    unnamed = {
        (path.relative_to(SOURCES).as_posix(), function)
        for path in FILES
        for function, names, error in messages_of(path)
        if not names_an_argument(error, names)
    }
    assert set(EXCEPTIONS) <= unnamed


ROWS = ps.Data(shape=(None, 4))
IMAGES = ps.Data(shape=(None, 8, 8, 4))
SEQUENCES = ps.Data(shape=(None, 8, 4))
X, CLASSES = np.arange(24.0).reshape(6, 4), np.array([0, 1, 2, 0, 1, 2])


def network():
    return ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 4)), [3], 3, seed=0)))


def set_labels(labels):
    return ps.CrossEntropy(ps.Data(X), labels).forward()


def fit(**options):
    return network().fit(X, CLASSES, progress=False, **options)


def fit_classifier(**options):
    data = {"X": X, "y": CLASSES} | {name: options.pop(name) for name in ("X", "y") if name in options}
    arguments = {name: options.pop(name) for name in ("sample_weight", "eval_set") if name in options}
    return ps.Classifier(**({"epochs": 1} | options)).fit(**data, **arguments)


def fit_regressor(**options):
    data = {"X": X, "y": CLASSES} | {name: options.pop(name) for name in ("X", "y") if name in options}
    return ps.Regressor(**({"epochs": 1} | options)).fit(**data)


NOT_A_LAYER, FRACTION, COUNT = np.zeros((2, 4)), (1.5, -0.1, "half"), (0, -1, 2.5, "two", None)

WRONG = [
    (ps.Data, {}, {"data": [["a"], 3.0], "shape": [(None, -1)]}),
    (
        ps.Linear,
        {"in_layer": ROWS, "num_out_features": 2},
        {"in_layer": [NOT_A_LAYER, IMAGES], "num_out_features": COUNT},
    ),
    (ps.Bias, {"in_layer": ROWS}, {"in_layer": [NOT_A_LAYER]}),
    (ps.Rescale, {"in_layer": ROWS, "scale": 1.0}, {"scale": ["a", np.inf], "shift": ["a", np.nan]}),
    (ps.LeakyRelu, {"in_layer": ROWS}, {"slope": ["a", np.nan]}),
    (ps.Dropout, {"in_layer": ROWS}, {"rate": [1.0, *FRACTION]}),
    (
        ps.Embedding,
        {"in_layer": ROWS, "num_entries": 3, "num_out_features": 2},
        {"num_entries": COUNT, "num_out_features": COUNT},
    ),
    (ps.Normalize, {"in_layer": ROWS}, {"momentum": [*FRACTION], "epsilon": [0, -1]}),
    (ps.LayerNormalize, {"in_layer": ROWS}, {"epsilon": [0, -1]}),
    (ps.GroupNormalize, {"in_layer": IMAGES, "num_groups": 2}, {"num_groups": [3, 0, 1.5], "epsilon": [0, -1]}),
    (
        ps.Conv2d,
        {"in_layer": IMAGES, "num_filters": 4, "kernel_size": 3},
        {
            "in_layer": [ROWS, NOT_A_LAYER],
            "num_filters": COUNT,
            "kernel_size": COUNT,
            "stride": COUNT,
            "padding": ["full", -1, 1.5],
            "dilation": COUNT,
            "groups": [3, *COUNT],
        },
    ),
    (
        ps.Conv1d,
        {"in_layer": SEQUENCES, "num_filters": 4, "kernel_size": 3},
        {"in_layer": [ROWS], "num_filters": COUNT, "kernel_size": COUNT, "padding": ["full", (1, 1)], "groups": [3]},
    ),
    (
        ps.ConvTranspose2d,
        {"in_layer": IMAGES, "num_filters": 4, "kernel_size": 3},
        {"in_layer": [ROWS], "num_filters": COUNT, "kernel_size": COUNT, "stride": COUNT, "padding": ["full", 5]},
    ),
    (
        ps.MaxPool2d,
        {"in_layer": IMAGES},
        {"in_layer": [ROWS], "size": COUNT, "stride": COUNT[:-1], "padding": ["full"]},
    ),
    (
        ps.AvgPool2d,
        {"in_layer": IMAGES},
        {"in_layer": [ROWS], "size": COUNT, "stride": COUNT[:-1], "padding": ["full"]},
    ),
    (ps.GlobalAvgPool2d, {"in_layer": IMAGES}, {"in_layer": [ROWS]}),
    (ps.Upsample2d, {"in_layer": IMAGES}, {"in_layer": [ROWS], "factor": COUNT}),
    (ps.Pad2d, {"in_layer": IMAGES, "padding": 1}, {"in_layer": [ROWS], "padding": [-1, "same", (1, 2, 3)]}),
    (ps.Reshape, {"in_layer": ROWS, "shape": (2, 2)}, {"shape": [(3, 3), (-2, 2)]}),
    (ps.RandomFlip, {"in_layer": IMAGES}, {"in_layer": [ROWS], "rate": [*FRACTION]}),
    (ps.RandomShift, {"in_layer": IMAGES}, {"in_layer": [ROWS], "pixels": [-1, 1.5, "two"]}),
    (ps.RandomCrop, {"in_layer": IMAGES, "size": 4}, {"in_layer": [ROWS], "size": [9, *COUNT]}),
    (ps.Cutout, {"in_layer": IMAGES, "size": 4}, {"in_layer": [ROWS], "size": COUNT}),
    (ps.dense, {"in_layer": ROWS, "num_out_features": 2}, {"in_layer": [NOT_A_LAYER], "num_out_features": COUNT}),
    (ps.conv, {"in_layer": IMAGES, "num_filters": 2}, {"in_layer": [ROWS], "num_filters": COUNT, "stride": COUNT}),
    (ps.conv_norm, {"in_layer": IMAGES, "num_filters": 2}, {"in_layer": [ROWS], "kernel_size": [2, 1.5]}),
    (ps.models.lenet, {"in_layer": IMAGES, "num_outputs": 2}, {"in_layer": [ROWS]}),
    (
        ps.CrossEntropy,
        {"in_layer": ROWS},
        {"in_layer": [NOT_A_LAYER], "label_smoothing": [1.0, *FRACTION], "class_weights": [[1.0]]},
    ),
    (ps.HuberLoss, {"in_layer": ROWS}, {"delta": [0, -1.0]}),
    (ps.QuantileLoss, {"in_layer": ROWS}, {"quantile": [0, 1.0, (0.1, 0.9)]}),
    (
        ps.SGD,
        {},
        {
            "learning_rate": [-1, "fast", None],
            "momentum": [*FRACTION],
            "weight_decay": [-1],
            "clip_norm": [0, -1],
            "nesterov": [True],
        },
    ),
    (
        ps.Adam,
        {},
        {"learning_rate": [-1, "fast"], "beta1": [1.0], "beta2": [*FRACTION], "epsilon": [-1], "clip_norm": [0]},
    ),
    (ps.AdamW, {}, {"learning_rate": [-1], "beta1": [1.0], "weight_decay": ["much"]}),
    (ps.RMSprop, {}, {"learning_rate": [-1], "rho": [1.0], "epsilon": [-1]}),
    (ps.Step, {"learning_rate": 0.1}, {"every": [0, -1]}),
    (ps.OneCycle, {"peak": 0.1}, {"rise": [0, 1.0]}),
    (ps.WarmUp, {"then": ps.Cosine(0.1), "epochs": 1}, {"then": [3.0], "epochs": [0]}),
    (ps.EarlyStopping, {}, {"patience": [0, -1], "mode": ["up"]}),
    (set_labels, {}, {"labels": [CLASSES + 2, CLASSES * 1.5, -CLASSES, CLASSES[:3]]}),
    (ps.Network, {"loss": None}, {"loss": [None, 3, ROWS]}),
    (
        fit,
        {},
        {
            "optimizer": ["sgdd", 3],
            "epochs": COUNT,
            "batch_size": COUNT,
            "seed": [-1, 1.5],
            "sample_weight": [np.ones(5), -np.ones(6), np.zeros(6)],
            "validation_data": [X, (X,)],
            "metrics": ["auc", ["nothing"], {"mine": 3}],
            "dtype": ["float16"],
            "engine": ["fast"],
            "threads": [0, 1.5],
            "precision": ["bf17"],
        },
    ),
    (network().fit, {"X": X, "y": CLASSES}, {"X": [X[:, :2], [["a"] * 4] * 6, X * np.nan], "y": [CLASSES[:3]]}),
    (network().predict, {"X": X}, {"X": [X[:, :2], [["a"] * 4] * 6, X * np.nan], "engine": ["fast"]}),
    (
        fit_classifier,
        {},
        {
            "hidden": [3, (0,), ("a",)],
            "activation": ["rely", 3],
            "dropout": [1.0, -0.1],
            "optimizer": ["sgdd", None],
            "learning_rate": [-1.0],
            "weight_decay": [-1.0],
            "batch_size": COUNT,
            "epochs": COUNT[:-1],
            "early_stopping": ["no"],
            "validation_fraction": [0.0, 1.0],
            "patience": [0],
            "label_smoothing": [1.0, -0.1],
            "class_weight": ["equal"],
            "network": ["mlp"],
            "precision": ["bf17"],
            "predict_precision": ["bf17"],
            "pixels": ["yes"],
            "X": [np.full((6, 4), np.inf)],
            "y": [CLASSES * 0, CLASSES[:3], None],
            "sample_weight": [np.zeros(6), np.ones(5)],
            "eval_set": [X, (X,)],
        },
    ),
    (fit_regressor, {}, {"loss": ["squared"], "y": [CLASSES * np.nan, np.zeros((6, 1, 1))]}),
    (fit_regressor, {"loss": "quantile"}, {"quantile": [0.0, 1.0]}),
    (ps.check, {"target": None}, {"target": [3, NOT_A_LAYER]}),
    (ps.set_num_threads, {"count": 1}, {"count": [0, 1.5, "two"]}),
    (plots.diagram, {"target": None}, {"target": [3]}),
    (plots.loss_curves, {"history": None}, {"history": [3, {}]}),
    (plots.weights, {"target": None}, {"target": [ROWS, 3]}),
    (plots.confusion, {"model": None, "X": X, "y": CLASSES}, {"model": [3]}),
    (
        plots.decision_boundary,
        {"model": network(), "X": X[:, :2], "y": CLASSES},
        {"model": [3], "X": [X], "y": [CLASSES[:2]]},
    ),
    (teach.grade, {"cls": ps.Relu, "name": "Relu"}, {"cls": [3], "parts": [["sideways"]]}),
]

CALLS = [
    pytest.param(call, right | {name: value}, name, id=f"{getattr(call, '__qualname__', call)}({name}={i})")
    for call, right, wrong in WRONG
    for name, values in wrong.items()
    for i, value in enumerate(values)
]


@pytest.mark.parametrize(("call", "arguments", "name"), CALLS)
def test_a_wrong_value_is_refused_with_the_name_of_its_argument(call, arguments, name):
    with pytest.raises((ValueError, TypeError)) as error:
        call(**arguments)
    assert re.search(rf"\b{name}\b", str(error.value)), f"{name} is not in: {error.value}"
