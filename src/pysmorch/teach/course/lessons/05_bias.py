# %% [markdown]
# # Lesson 5: Bias
#
# Everything that you have built passes through the origin. Whatever the weights, an input of zeros gives an
# output of zeros; a network of linear layers and ReLUs says about an empty profile: zero. Ottoline, who has plans
# for the empty profiles, is not amused.
#
# The remedy is a row of numbers that is added to every row:
#
# $$ Y = X + \mathbf{1} w, \qquad y_{ik} = x_{ik} + w_k , $$
#
# where $\mathbf{1}$ is a column of $M$ ones. Elsewhere the bias is a part of the linear layer. Here it is a layer
# of its own: one layer, one operation, one `W`. A dense block is then `Relu(Bias(Linear(x, 8)))`.

# %%
import numpy as np
from utility import check, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## What comes back
#
# FORMULAS
# **The gradient for W.** The number $w_b$ is used once in every row, in column $b$, and there with the derivative
# 1. The paths from it to the loss are as many as there are rows:
#
# $$ \frac{\partial L}{\partial w_b} = \sum_{i=1}^{M} \delta_{ib} . $$
#
# A general rule stands behind this: **what is copied in the forward pass is summed in the backward pass.**
#
# **The gradient for X.** $y_{ik}$ moves exactly as $x_{ik}$ moves:
#
# $$ \frac{\partial L}{\partial x_{ik}} = \delta_{ik} . $$
#
# **An example.**
#
# $$ X = \begin{pmatrix} 1 & 2 \\ 3 & 4 \\ 5 & 6 \end{pmatrix}, \quad w = \begin{pmatrix} 10 & 20 \end{pmatrix}, \quad
#    Y = \begin{pmatrix} 11 & 22 \\ 13 & 24 \\ 15 & 26 \end{pmatrix}, \quad
#    \Delta = \begin{pmatrix} 1 & 0 \\ 2 & 0 \\ 4 & -1 \end{pmatrix}, \quad
#    G = \begin{pmatrix} 7 & -1 \end{pmatrix} . $$
# HARD
# Which entries of $Y$ move when $w_b$ moves, and how much? And which when $x_{ik}$ moves?
# END
#
# ## By hand
#
# $$ \Delta = \begin{pmatrix} 1 & 2 \\ 3 & -1 \end{pmatrix} . $$

# %%
# BLANK
# quiz("gradient of the bias", ...)  # G, of shape 1 x 2
# SOLUTION
quiz("gradient of the bias", [[4, 1]])
# END

# %% [markdown]
# ## Your turn
#
# `W` has the shape $1 \times K$, and `G` must have it too: mind the `keepdims`. So that the layer also works on
# images later, of shape (N, H, W, C), sum over *all axes but the last*: `tuple(range(dwnstrm.ndim - 1))` names
# them, for two axes as well as for four.


# %%
class Bias:
    """Add a trainable row to every row: Y = X + W."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = np.random.randn(1, in_layer.out_dims[-1])

    def forward(self):
        self.in_array = self.in_layer.forward()
        # BLANK
        # return ...  # Y
        # SOLUTION
        return self.in_array + self.W
        # END

    def backward(self, dwnstrm):
        # BLANK
        # self.G = ...  # the gradient for W, in the shape of W
        # self.pass_back = ...  # the gradient for X
        # SOLUTION
        axes = tuple(range(dwnstrm.ndim - 1))
        self.G = dwnstrm.sum(axis=axes).reshape(1, -1)
        self.pass_back = dwnstrm
        # END
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints Bias
# 1. Where: w_b is used in every row, in column b; x_ik only in y_ik.
# 2. Which rule: what is copied in the forward pass is summed in the backward pass.
# 3. The formula: Y = X + W; G is the sum of dwnstrm over all axes but the last, reshaped to (1, K); dwnstrm goes back as it is.

# %%
Bias = check(Bias)

# %% [markdown]
# ## Away from the origin
#
# A wave, learned once by a network without biases and once by one with them.

# %%
Data, SquareLoss, Linear, Relu, Bias = library("Data", "SquareLoss", "Linear", "Relu", "Bias")


def train(with_bias, steps=3000):
    np.random.seed(0)
    x = np.linspace(-3, 3, 61).reshape(-1, 1)
    layers = [Linear(Data(x), 16)]
    if with_bias:
        layers.append(Bias(layers[-1]))
    layers.append(Linear(Relu(layers[-1]), 1))
    if with_bias:
        layers.append(Bias(layers[-1]))
    loss = SquareLoss(layers[-1], np.cos(x))
    for _ in range(steps):
        value = loss.forward()
        loss.backward()
        for layer in layers:
            layer.W -= 0.05 * layer.G
    return x, layers[-1].forward(), value


x, without, loss_without = train(with_bias=False)
x, with_biases, loss_with = train(with_bias=True)
print(f"loss without biases {loss_without:.4f}, with biases {loss_with:.4f}")
show(sketch.lines(x, {"the wave": np.cos(x), "without biases": without, "with biases": with_biases}))
reward("A desk. Its height can be adjusted by a constant.", "Bias")

# %% [markdown]
# ## Think about it
#
# 1. Show that a network $f$ of linear layers and ReLUs without biases has $f(c x) = c f(x)$ for every $c > 0$.
#    What does its graph look like for a single input $x$?
# 2. A bias right before a layer that takes away the mean of every column (there will be one) has a gradient of 0.
#    Why?

# %% [markdown] answer
# **Answers.**
#
# 1. Linear layers have $(c x) W = c (x W)$, and $\max(c x, 0) = c \max(x, 0)$ for $c > 0$; so each layer hands
#    the factor on. The graph consists of two rays from the origin, one to the left and one to the right. A wave
#    does not.
# 2. A constant that is added to a column is in the mean of the column too, and is taken away with it. The output
#    does not depend on it, so neither does the loss.
