"""What the recipes of CONTRIBUTING.md write, for a new thing of each kind."""

LAYER = '''

class Reverse(Layer):
    """The features of each example in the opposite order.

    Parameters
    ----------
    in_layer : Layer
        The input layer, of any shape.
    """

    def compute(self, x: Array) -> Array:
        """Y[..., k] = X[..., -1 - k]."""
        return x[..., ::-1]

    def pull_back(self, dwnstrm: Array) -> Array:
        """dwnstrm in the opposite order."""
        return dwnstrm[..., ::-1]
'''

LOSS = '''

class LogCoshLoss(Loss):
    """Squares near 0 and absolute values far away, and smooth: L = 1/M sum_i w_i sum_k log cosh(x_ik - y_ik).

    Parameters
    ----------
    in_layer : Layer
        The output layer of the network, (M, K).
    labels : array_like of shape (M, K) or (M,), default=None
        What the output is compared with; shape (M,) where K is 1. None to set them later, as `Network.fit` does.
    """

    objective = "1/M sum_i w_i sum_k log cosh(x_ik - y_ik)"

    def sample_losses(self, x: Array, y: Array) -> Array:
        """log cosh(x - y), summed; from exp(-2 |x - y|)."""
        distance = np.abs(x - y)
        return sum_sample(distance + np.log1p(np.exp(-2 * distance)) - np.log(2))

    def sample_gradients(self, x: Array, y: Array) -> Array:
        """tanh(x - y)."""
        return np.tanh(x - y)
'''

OPTIMIZER = '''

class Adagrad(Optimizer):
    """Adagrad: g += d W; s = s + g^2; W -= r g / (sqrt(s) + 1e-10).

    Parameters
    ----------
    learning_rate : float or Schedule, default=0.01
        r, not negative.
    weight_decay : float, default=0.0
        d, added to the gradient as d W; not negative.
    clip_norm : float, default=None
        Gradients with a larger Euclidean norm (over all parameters) are scaled down to it; None for never.

    Notes
    -----
    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011.
    """

    state_names = ("sum",)

    def __init__(
        self, learning_rate: float | Schedule = 0.01, weight_decay: float = 0.0, clip_norm: float | None = None
    ) -> None:
        super().__init__(learning_rate, weight_decay, clip_norm)

    def update(self, W: Array, g: Array, r: Factors, d: Factors) -> None:
        """One step of Adagrad."""
        g = g + d * W
        s = self.state["sum"]
        s += np.square(g)
        W -= r * g / (np.sqrt(s) + 1e-10)
'''

OPTIMIZER_ORACLE = """def adagrad(w, gradients):
    s = 0.0
    for g in gradients:
        s = s + g * g
        w = w - RATE * g / (sqrt(s) + 1e-10)
    return w


CASES = {
    "Adagrad": (lambda: Adagrad(RATE), adagrad),
"""

LETTERS_TESTS = """import numpy as np

from pysmorch import Classifier

INPUT = ["".join(np.random.default_rng(i).choice(list("abcdefgh"), 6)) for i in range(40)]


def test_letters_that_were_not_learned_do_not_count():
    model = Classifier(hidden=(4,), epochs=1, random_state=0).fit(INPUT, np.arange(40) % 2)
    np.testing.assert_array_equal(model.predict_proba(["abc"]), model.predict_proba(["abcxyz"]))
"""

LESSON = '''# %% [markdown]
# # Lesson 17: tanh
#
# A lamp that can also be dimmed: $y = \\tanh x$, with derivative $1 - y^2$.

# %%
import numpy as np
from utility import check, library, reward


# %%
class Tanh:
    """tanh x, entry by entry."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        # BLANK
        # self.out_array = ...  # Y
        # SOLUTION
        self.out_array = np.tanh(self.in_layer.forward())
        # END
        return self.out_array

    def backward(self, dwnstrm):
        # BLANK
        # self.pass_back = ...  # the gradient for X
        # SOLUTION
        self.pass_back = dwnstrm * (1 - self.out_array**2)
        # END
        self.in_layer.backward(self.pass_back)


# %%
Tanh = check(Tanh)

# %%
reward("A lamp with a dimmer.", "Tanh")
'''

MISTAKES = """MISTAKES = [
    ("Tanh", "dwnstrm * (1 - self.out_array**2)", "dwnstrm", "the derivative"),
    ("Tanh", "dwnstrm * (1 - self.out_array**2)", "-dwnstrm * (1 - self.out_array**2)", "multiplied by -1 + t^2"),
"""
