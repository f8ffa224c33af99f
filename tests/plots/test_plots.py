"""Plots show the numbers that they are made from, and leave Matplotlib as it was."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import pysmorch as ps
from pysmorch import check, plots
from pysmorch.explaining import Explanation, Importance, PartialDependence
from pysmorch.training import History

matplotlib = pytest.importorskip("matplotlib", reason="plots need Matplotlib, which is not installed here")
from matplotlib.figure import Figure  # noqa: E402


def numbers(*shape):
    """The same standard normal numbers every time."""
    return np.random.default_rng(0).standard_normal(shape)


POINTS = 0.5 * numbers(40, 2) + np.repeat([[-2.0], [2.0]], 20, axis=0)
SIDES = np.repeat([0, 1], 20)


class Rule:
    """A classifier that goes by the sign of the first feature."""

    classes_ = np.array(["left", "right"])

    def predict_proba(self, X):
        right = 1 / (1 + np.exp(-np.asarray(X, float)[:, 0]))
        return np.stack([1 - right, right], axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]


def history(**columns):
    made = History()
    for values in zip(*columns.values(), strict=True):
        made.append(dict(zip(columns, values, strict=True)))
    return made


def axes():
    return Figure().subplots()


def label_of(ax):
    return f"{ax.get_title()}|{ax.get_xlabel()}|{ax.get_ylabel()}"


CONTRIBUTIONS = np.array([[0.5, -2.0], [1.0, 0.0]])
EXPLAINED = Explanation(
    CONTRIBUTIONS,
    np.zeros(2),
    CONTRIBUTIONS.sum(1),
    np.zeros(2),
    ["a", "b"],
    [[1.0, 2.0], ["x", None]],
    ["yes", "no"],
    "log-odds",
)
BY_NUMBER = PartialDependence(
    "a",
    [1, 2, None],
    np.array([1.0, 2.0, np.nan]),
    np.array([[0.2], [0.6], [0.4]]),
    np.full((3, 1), 0.1),
    ["prediction"],
)
BY_CATEGORY = PartialDependence(
    "town", ["Ulm", "Bonn"], None, np.array([[0.2, 0.8], [0.6, 0.4]]), np.zeros((2, 2)), [0, 1]
)

DRAWINGS = {
    "explanation": lambda ax: plots.explanation(EXPLAINED, 0, ax),
    "explanation of all rows": lambda ax: plots.explanation(EXPLAINED, None, ax),
    "importance": lambda ax: plots.importance(Importance(["a", "b"], 0.9, np.array([[0.1, 0.2], [0.0, 0.5]])), ax),
    "partial_dependence": lambda ax: plots.partial_dependence(BY_NUMBER, ax),
    "partial_dependence of a category": lambda ax: plots.partial_dependence(BY_CATEGORY, ax),
    "loss_curves": lambda ax: plots.loss_curves(history(loss=[3.0, 2.0]), ax),
    "weights": lambda ax: plots.weights(ps.Linear(ps.Data(shape=(None, 64)), 5), ax),
    "decision_boundary": lambda ax: plots.decision_boundary(Rule(), POINTS, Rule.classes_[SIDES], ax),
    "confusion": lambda ax: plots.confusion(Rule(), POINTS, Rule.classes_[SIDES], ax),
    "gradient_check": lambda ax: plots.gradient_check(ps.Relu(ps.Data(POINTS)), ax),
}
every_plot = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)


@every_plot
def test_a_plot_goes_into_given_axes_or_a_figure_of_its_own(draw):
    ax = axes()
    assert draw(ax) is ax
    figure = draw(None)
    assert isinstance(figure, Figure)
    assert len(figure.axes[0].get_children()) == len(ax.get_children())


@every_plot
def test_a_plot_has_a_title_and_changes_no_settings(draw):
    before = dict(matplotlib.rcParams)
    figure = draw(None)
    figure.canvas.draw()
    assert figure.axes[0].get_title()
    assert dict(matplotlib.rcParams) == before


@every_plot
def test_a_figure_shows_itself_as_png_in_a_notebook(draw):
    figure = draw(None)
    data, size = figure._repr_png_()
    assert data.startswith(b"\x89PNG")
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    assert (width, height) == pytest.approx((2 * size["width"], 2 * size["height"]), abs=1)


def test_neither_pyplot_nor_a_window_is_needed():
    code = (
        "import sys; from pysmorch import plots; assert 'matplotlib' not in sys.modules; "
        "plots.loss_curves({'loss': [1.0]}).canvas.draw(); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loss_curves_show_every_epoch_and_mark_the_best_one():
    ax = axes()
    plots.loss_curves(history(loss=[3.0, 2.0, 1.0], val_loss=[3.0, 1.5, 1.75]), ax)
    training, validation, best = ax.get_lines()
    np.testing.assert_array_equal(training.get_xydata(), [[1, 3], [2, 2], [3, 1]])
    np.testing.assert_array_equal(validation.get_xydata(), [[1, 3], [2, 1.5], [3, 1.75]])
    np.testing.assert_array_equal(best.get_xydata(), [[2, 1.5]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        *("training", "validation", "lowest: 1.5 in epoch 2")
    ]
    assert label_of(ax) == "Loss during training|epoch|loss (mean over the rows)"
    assert ax.get_yscale() == "linear"


def test_without_validation_the_best_epoch_is_that_of_the_training():
    ax = axes()
    plots.loss_curves({"loss": [5.0, 1.0, np.nan]}, ax)
    assert ax.get_lines()[-1].get_xydata().tolist() == [[2, 1]]


def test_losses_over_several_powers_of_ten_have_a_logarithmic_scale():
    assert plots.loss_curves({"loss": [100.0, 1.0]}, axes()).get_yscale() == "log"
    assert plots.loss_curves({"loss": [100.0, -1.0]}, axes()).get_yscale() == "linear"


def test_an_estimator_shows_its_loss_curves():
    model = ps.Classifier(hidden=(4,), epochs=3, early_stopping=True, random_state=0).fit(POINTS, SIDES)
    ax = axes()
    plots.loss_curves(model, ax)
    assert ax.get_lines()[0].get_ydata().tolist() == model.loss_curve_
    assert ax.get_lines()[1].get_ydata().tolist() == model.validation_curve_


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ([1.0], TypeError, "history must be a History or a fitted estimator, but is a list"),
        (History(), ValueError, "no epoch"),
    ],
)
def test_what_is_no_history_is_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        plots.loss_curves(wrong)


def flattened(height, width, channels, num_outputs):
    return ps.Linear(ps.Flatten(ps.Data(shape=(None, height, width, channels))), num_outputs)


@pytest.mark.parametrize(
    "layer", [ps.Linear(ps.Data(shape=(None, 64)), 5), flattened(8, 8, 1, 5)], ids=["square rows", "flattened images"]
)
def test_weights_of_pixels_are_an_image_for_each_output(layer):
    ax = axes()
    plots.weights(layer, ax)
    shown = ax.images[0].get_array()
    assert shown.shape == (2 * 9 - 1, 3 * 9 - 1)  # five images in three columns with a line between them
    np.testing.assert_array_equal(shown[:8, :8], layer.W[:, 0].reshape(8, 8))
    np.testing.assert_array_equal(shown[:8, 9:17], layer.W[:, 1].reshape(8, 8))
    np.testing.assert_array_equal(shown[9:, :8], layer.W[:, 3].reshape(8, 8))
    assert np.ma.getmaskarray(shown)[8].all()
    largest = np.abs(layer.W).max()
    assert ax.images[0].get_clim() == (-largest, largest)
    assert ax.get_title() == "Linear: 5 images of 8 × 8"


def test_weights_of_colour_images_are_colours_around_grey():
    layer = flattened(2, 3, 3, 1)
    ax = axes()
    plots.weights(layer, ax)
    shown = ax.images[0].get_array()
    assert shown.shape == (2, 3, 3)
    np.testing.assert_allclose(shown, 0.5 + layer.W[:, 0].reshape(2, 3, 3) / (2 * np.abs(layer.W).max()))


def test_filters_are_images_and_of_many_channels_a_row_of_images():
    class Filters(ps.Layer):
        def __init__(self, in_layer, num_channels):
            super().__init__(in_layer)
            self.W = numbers(3, 2, num_channels, 4)

    layer = Filters(ps.Data(shape=(None, 8, 8, 1)), 1)
    shown = plots.weights(layer, axes()).images[0].get_array()
    np.testing.assert_array_equal(shown[:3, 3:5], layer.W[:, :, 0, 1])
    layer = Filters(ps.Data(shape=(None, 8, 8, 5)), 5)
    shown = plots.weights(layer, axes()).images[0].get_array()
    assert shown.shape == (4 * 4 - 1, 5 * 3 - 1)
    np.testing.assert_array_equal(shown[8:11, 3:5], layer.W[:, :, 1, 2])
    layer = Filters(ps.Data(shape=(None, 8, 8, 20)), 20)
    ax = plots.weights(layer, axes())
    assert ax.images[0].get_array().shape == (4 * 4 - 1, 12 * 3 - 1)
    assert ax.get_title() == "Filters: 4 filters of 3 × 2 × 20\n4 filters (rows), 12 channels (columns)"


def test_filters_of_one_pixel_are_a_matrix():
    layer = ps.Linear(ps.Data(shape=(None, 5)), 3)
    layer._W = numbers(1, 1, 5, 3)
    np.testing.assert_array_equal(plots.weights(layer, axes()).images[0].get_array(), layer.W[0, 0])
    network = ps.Network(ps.SquareLoss(ps.Bias(layer)))
    assert [ax.get_title() for ax in plots.weights(network).axes if ax.get_title()] == ["Linear1: 5 × 3"]


@pytest.mark.parametrize(
    "layer",
    [
        ps.Linear(ps.Data(shape=(None, 9)), 2),
        ps.Linear(ps.Relu(ps.Linear(ps.Data(shape=(None, 3)), 64)), 2),
        ps.Linear(ps.Concat(ps.Data(shape=(None, 32)), ps.Data(shape=(None, 32))), 2),
    ],
    ids=["few features", "hidden features", "two inputs"],
)
def test_weights_of_what_is_no_image_are_a_matrix(layer):
    ax = axes()
    plots.weights(layer, ax)
    np.testing.assert_array_equal(ax.images[0].get_array(), layer.W)
    assert label_of(ax) == f"Linear: {len(layer.W)} × 2|output (column of W)|input (row of W)"


def test_a_network_shows_every_matrix_and_no_biases():
    network = ps.Network(ps.CrossEntropy(ps.mlp(ps.Data(shape=(None, 64)), [6, 5, 4], 3, seed=0)))
    figure = plots.weights(network)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["Linear1: 6 images of 8 × 8", "Linear2: 6 × 5", "Linear3: 5 × 4", "Linear4: 4 × 3"]
    with pytest.raises(ValueError, match="weights would draw Linear1, Linear2, Linear3, Linear4; leave out ax"):
        plots.weights(network, axes())


def test_weights_that_are_all_zero_are_drawn():
    layer = ps.Linear(ps.Data(shape=(None, 64)), 2)
    layer.W[:] = 0
    plots.weights(layer).canvas.draw()


def test_what_has_no_weights_is_refused():
    with pytest.raises(
        TypeError, match="weights: target must be a layer with parameters W, or a network, but is a Relu"
    ):
        plots.weights(ps.Relu(ps.Data(shape=(None, 2))))
    network = ps.Network(ps.SquareLoss(ps.Bias(ps.Data(shape=(None, 2)))))
    with pytest.raises(ValueError, match="target has no layer with a matrix of weights"):
        plots.weights(network)


def test_the_boundary_is_where_two_classes_are_equally_likely():
    ax = axes()
    plots.decision_boundary(Rule(), POINTS, Rule.classes_[SIDES], ax)
    lines = [path.vertices for c in ax.collections for path in c.get_paths() if len(path.vertices) > 50]
    assert lines
    on_lines = [line[(abs(line[:, 1]) < 1.9)] for line in lines if abs(line[:, 0]).max() < 0.5]
    assert on_lines
    assert all(np.abs(line[:, 0]).max() < 0.05 for line in on_lines)
    assert ax.get_xlabel() == "feature 1"
    assert ax.get_ylabel() == "feature 2"


def test_the_colours_are_those_of_the_classes_and_fade_towards_the_boundary():
    ax = axes()
    plots.decision_boundary(Rule(), POINTS, Rule.classes_[SIDES], ax)
    shading = ax.images[0].get_array()
    points = [c for c in ax.collections if len(c.get_offsets()) == 20]
    for side, scatter in zip((0, -1), points, strict=True):
        np.testing.assert_allclose(shading[100, side, :3], scatter.get_facecolor()[0, :3])
    np.testing.assert_array_equal(points[0].get_offsets(), POINTS[:20])
    assert shading[100, 0, 3] > shading[100, 80, 3] > shading[100, 99, 3]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["left", "right"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_a_data_frame_is_asked_about_with_its_columns(make):
    frame = make({"length in cm": POINTS[:, 0], "width in cm": POINTS[:, 1]})
    model = ps.Classifier(hidden=(4,), epochs=5, random_state=0).fit(frame, SIDES)
    ax = axes()
    plots.decision_boundary(model, frame, SIDES, ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length in cm", "width in cm")


def made(loss, W):
    network = ps.Network(loss)
    network.layers[1].W = W
    return network


NETWORKS = {
    "cross-entropy": lambda: made(ps.CrossEntropy(ps.Linear(ps.Data(shape=(None, 2)), 2)), [[-1.0, 1.0], [0, 0]]),
    "binary cross-entropy": lambda: made(ps.BinaryCrossEntropy(ps.Linear(ps.Data(shape=(None, 2)), 1)), [[1.0], [0]]),
    "scikit-learn": lambda: LogisticRegression().fit(POINTS, SIDES),
}


@pytest.mark.parametrize("model", NETWORKS.values(), ids=NETWORKS)
def test_networks_and_other_libraries_classifiers_are_drawn_too(model):
    shading = plots.decision_boundary(model(), POINTS, SIDES, axes()).images[0].get_array()
    assert (shading[:, 0, :3] != shading[:, -1, :3]).any()
    assert plots.confusion(model(), POINTS, SIDES, axes()).get_title() == "100.0% of 40 rows are right"
    assert plots.confusion(model(), POINTS, np.eye(2)[SIDES], axes()).get_title() == "100.0% of 40 rows are right"


def test_one_class_everywhere_has_no_boundary():
    everywhere = Rule()
    everywhere.predict_proba = lambda X: np.tile([0.9, 0.1], (len(X), 1))
    plots.decision_boundary(everywhere, POINTS, ["left"] * 40).canvas.draw()
    plots.decision_boundary(Rule(), np.ones((3, 2)), ["left"] * 3).canvas.draw()


def test_names_with_dollars_are_no_formulas():
    model = Rule()
    model.classes_ = np.array(["$5\\x", "{$}$"])
    frame = pd.DataFrame(POINTS, columns=["$a_$", "b$$"])
    for plot in (plots.decision_boundary, plots.confusion):
        plot(model, frame, model.classes_[SIDES]).canvas.draw()


def test_a_model_that_knows_one_class_has_no_boundary():
    model = Rule()
    model.classes_ = np.array(["all"])
    with pytest.raises(ValueError, match="needs at least two classes, but the model knows only all"):
        plots.decision_boundary(model, POINTS, ["all"] * 40)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((4, 3)), ["left"] * 4, r"shape \(N, 2\), but it has \(4, 3\)"),
        (np.zeros((0, 2)), [], r"shape \(N, 2\), but it has \(0, 2\)"),
        (POINTS, ["left"] * 3, "y has 3 labels, but X has 40 rows"),
        (POINTS, ["up"] * 40, "a class that the model does not know: up; it knows left, right"),
    ],
)
def test_data_that_do_not_fit_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        plots.decision_boundary(Rule(), X, y)


@pytest.mark.parametrize("plot", [plots.decision_boundary, plots.confusion])
def test_what_is_no_classifier_is_refused(plot):
    network = ps.Network(ps.SquareLoss(ps.Linear(ps.Data(shape=(None, 2)), 1)))
    with pytest.raises(TypeError, match="must be a fitted classifier, or a Network with CrossEntropy"):
        plot(network, POINTS, SIDES)


def test_confusion_counts_and_shares_of_the_true_class():
    X = np.array([[-1.0, 0]] * 3 + [[1.0, 0]] * 5)
    y = ["left", "left", "right", "left", "right", "right", "right", "right"]
    ax = axes()
    plots.confusion(Rule(), X, y, ax)
    np.testing.assert_allclose(ax.images[0].get_array(), [[2 / 3, 1 / 3], [1 / 5, 4 / 5]])
    cells = {tuple(text.get_position()): text.get_text() for text in ax.texts}
    assert cells == {(0, 0): "2\n67%", (1, 0): "1\n33%", (0, 1): "1\n20%", (1, 1): "4\n80%"}
    assert label_of(ax) == "75.0% of 8 rows are right|predicted class|true class"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["left", "right"]


@pytest.mark.parametrize(("num_classes", "words"), [(13, "1"), (30, None)])
def test_many_classes_have_less_text_and_a_scale(num_classes, words):
    data = np.eye(num_classes)
    network = made(ps.CrossEntropy(ps.Linear(ps.Data(shape=(None, num_classes)), num_classes)), data)
    figure = plots.confusion(network, data, np.arange(num_classes))
    assert {text.get_text() for text in figure.axes[0].texts} == ({words} if words else set())
    assert figure.axes[1].get_ylabel() == "fraction of the true class"


class Wrong(ps.Linear):
    """A product whose gradient is wrong in one row."""

    def pull_back(self, dwnstrm):
        back = super().pull_back(dwnstrm)
        self.G[1] *= 1.01
        return back


def test_gradient_check_shows_where_the_errors_are():
    layer = Wrong(ps.Data(numbers(7, 4)), 3)
    figure = plots.gradient_check(layer)
    w, data = (ax for ax in figure.axes if ax.get_title())
    shown = w.images[0].get_array()
    assert shown.shape == (4, 3)
    np.testing.assert_allclose(shown[1], 0.01 / 1.01, rtol=1e-4)
    assert (np.delete(shown, 1, axis=0) < 1e-7).all()
    assert w.get_title().startswith("Wrong1, gradient for W: wrong\nlargest error 9.9e-03 of 12 entries")
    assert (w.get_ylabel(), w.get_xlabel()) == ("row of W", "column of W")
    assert data.images[0].get_array().shape == (7, 4)
    assert data.get_title().startswith("Wrong1, gradient for input: right")
    assert data.images[0].norm(1e-7) == pytest.approx(0.5)


def test_a_report_is_drawn_as_it_is_and_what_was_not_compared_is_left_out():
    report = check(ps.Linear(ps.Data(numbers(2, 30)), 20))
    figure = plots.gradient_check(report)
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (30, 20)
    assert np.ma.count(shown) == 400
    with pytest.raises(ValueError, match="gradient_check would draw Linear1 W, Linear1 input; leave out ax"):
        plots.gradient_check(report, axes())


def test_arrays_of_other_dimensions_are_laid_out_as_a_matrix():
    report = check(ps.Flatten(ps.Data(numbers(2, 3, 4, 5))))
    assert plots.gradient_check(report, axes()).images[0].get_array().shape == (24, 5)


def test_a_check_without_entries_says_what_it_found():
    class Broken(ps.Linear):
        def compute(self, x):
            raise ZeroDivisionError("oh")

    with pytest.raises(ValueError, match="the check found: Broken1: ZeroDivisionError was raised in forward: oh"):
        plots.gradient_check(Broken(ps.Data(POINTS), 2))


def test_an_explanation_has_a_bar_for_each_column_the_longest_first():
    ax = axes()
    plots.explanation(EXPLAINED, 0, ax)
    assert [bar.get_width() for bar in ax.patches] == [-2.0, 0.5]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["b = x", "a = 1"]
    with pytest.raises(ValueError, match="row must be below 2, the number of rows that were explained, but is 2"):
        plots.explanation(EXPLAINED, 2)


def test_the_contributions_of_pixels_are_an_image():
    images = Explanation(np.ones((1, 2, 3)), np.zeros(1), np.full(1, 6.0), np.zeros(1), [], [], ["cat"], "log-odds")
    ax = axes()
    plots.explanation(images, 0, ax)
    np.testing.assert_array_equal(ax.images[0].get_array(), np.ones((2, 3)))


def test_a_dependence_is_a_line_for_numbers_and_points_for_categories():
    ax = axes()
    plots.partial_dependence(BY_NUMBER, ax)
    line, missing = ax.get_lines()
    np.testing.assert_array_equal(line.get_xydata(), [[1, 0.2], [2, 0.6]])
    assert missing.get_ydata()[0] == 0.4
    ax = axes()
    plots.partial_dependence(BY_CATEGORY, ax)
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), [0.8, 0.4])  # of the second class
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["Ulm", "Bonn"]
