# %% [markdown]
# # Lesson 11: A good start
#
# The lift goes up now, and you are the head of everything. On the first floor that is not a bar there is a second
# course, for heads of everything: networks that do not train although every gradient is right.
#
# Dag's favourite way to lose a network is to start it badly. Today's question is how large the first weights should
# be. "As small as possible" kept Gabbro's first network silent for four years. "As large as possible" was its last.
#
# ## How large numbers get
#
# Take one output of a linear layer, $y = \sum_{d=1}^{D} x_d w_d$, with weights that are drawn at random,
# independently, with mean 0 and variance $\sigma^2$. We ask how large $y$ is, and measure that by the mean square
# $E[y^2]$ over all such draws.

# %%
import numpy as np
from utility import check, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## What stays the same
#
# FORMULAS
# Multiply the square out. Products of two different weights have the mean $E[w_c w_d] = 0$, and what is left is
#
# $$ E[y^2] = \sum_{d=1}^{D} x_d^2 \, E[w_d^2] = \sigma^2 \sum_{d=1}^{D} x_d^2 = D \sigma^2 \cdot \overline{x^2} , $$
#
# where $\overline{x^2}$ is the mean square of the input. So a linear layer multiplies the mean square by $D \sigma^2$.
#
# A ReLU comes next. $y$ is as often negative as positive, and equally large; the negative half becomes 0. So of the
# mean square one half is left:
#
# $$ E[\max(y, 0)^2] = \tfrac{1}{2} D \sigma^2 \cdot \overline{x^2} . $$
#
# It stays the same from layer to layer if $\frac{1}{2} D \sigma^2 = 1$, that is
#
# $$ \sigma = \sqrt{2 / D} . $$
#
# This is the start of He and others (2015). With half of that variance, $1/D$, each layer halves the mean square.
#
# **An example.** $x = (3, 1)$ has the mean square 5. With $D = 2$ and $\sigma = 1$, $E[y^2] = 10$, and after the ReLU
# it is 5 again.
# HARD
# Multiply the square out. What is the mean of $w_c w_d$ for $c \ne d$, and of $w_d^2$? Write $E[y^2]$ with $D$,
# $\sigma^2$ and the mean square of the input. Then comes a ReLU: $y$ is as often negative as positive. What is left of
# the mean square? Which $\sigma$ keeps it the same from layer to layer?
#
# To compare: $x = (3, 1)$ has the mean square 5, and with $D = 2$ and your $\sigma$ it is 5 again after the ReLU.
# END
#
# ## By hand

# %%
# BLANK
# quiz("deviation", ...)  # σ for a layer with D = 8 inputs before a ReLU
# quiz("ten layers later", ...)  # the share of the mean square that is left after ten layers with variance 1/D and ReLU
# SOLUTION
quiz("deviation", 0.5)
quiz("ten layers later", 0.0009765625)
# END

# %% [markdown]
# ## Your turn, first part
#
# `rng.standard_normal(shape)` draws numbers with mean 0 and variance 1. Multiplied by $\sigma$ they have the variance
# $\sigma^2$.


# %%
def start_weights(num_inputs, num_outputs, rng):
    """Draw weights (num_inputs, num_outputs) of a layer before a ReLU, so that the mean square stays the same."""
    # BLANK
    # return ...  # random numbers with the right deviation
    # SOLUTION
    return rng.standard_normal((num_inputs, num_outputs)) * np.sqrt(2 / num_inputs)
    # END


# %% [markdown] hints start_weights
# 1. Where: a sum of D products gets larger with D, so the weights have to get smaller with D, the number of inputs.
# 2. Which rule: variances of independent numbers add up, and a ReLU keeps half of the mean square. A number that is
#    multiplied by s has its variance multiplied by s².
# 3. The formula: rng.standard_normal((num_inputs, num_outputs)) * np.sqrt(2 / num_inputs)

# %%
start_weights = check(start_weights)

# %% [markdown]
# ## Twenty floors
#
# Twenty layers, once with weights of your size, once with half as large ones, and once with twice as large ones. The
# picture shows the logarithm of the mean square, floor by floor.

# %%
Data, Linear, Relu, start_weights = library("Data", "Linear", "Relu", "start_weights")


def floors(factor, num_layers=20, width=100):
    """Return the logarithms of the mean squares behind each ReLU."""
    rng = np.random.default_rng(0)
    layer = Data(rng.standard_normal((50, width)))
    logarithms = []
    for _ in range(num_layers):
        linear = Linear(layer, width)
        linear.W[:] = factor * start_weights(width, width, rng)
        layer = Relu(linear)
        logarithms.append(np.log10(np.mean(layer.forward() ** 2)))
    return logarithms


sizes = {"yours": floors(1.0), "half": floors(0.5), "twice": floors(2.0)}
for name, logarithms in sizes.items():
    print(f"{name:<6} mean square on floor 20: {10 ** logarithms[-1]:.1e}")
show(sketch.lines(range(1, 21), sizes))

# %% [markdown]
# ## Dead units
#
# A good start can be lost in one step. If a unit's input is negative for *every* row, its ReLU gives 0 for every row,
# and what goes back to its weights is 0 for every row: it never changes again. The unit is dead. It happens when a
# step was far too large, or when somebody starts the biases at $-10$.
#
# **An example.** Three rows, two units, after a ReLU:
#
# $$ \begin{pmatrix} 0 & 1 \\ 0 & 0 \\ 0 & 2 \end{pmatrix} \quad\text{has one dead unit: the first.} $$
#
# The second is 0 in the second row, and alive: it answers to two of three.
#
# ## Your turn, second part
#
# Count them. `np.all` and `np.any` take an `axis`, like `np.sum`.


# %%
def dead_units(outputs):
    """Return how many units (columns) of the outputs (M, K) of a ReLU are 0 in every row."""
    # BLANK
    # return ...  # a number
    # SOLUTION
    return int(np.sum(np.all(outputs == 0, axis=0)))
    # END


# %% [markdown] hints dead_units
# 1. Where: a unit is a column; look down the column, at all rows of the batch.
# 2. Which rule: dead is 0 in every row (all), not 0 in some row (any); then count the columns.
# 3. The formula: np.sum(np.all(outputs == 0, axis=0))

# %%
dead_units = check(dead_units)

# %% [markdown]
# ## One step too large
#
# The fold of lesson 3 again. One of the two networks makes its very first step with a learning rate of 20.

# %%
Data, SquareLoss, Linear, Relu, Bias = library("Data", "SquareLoss", "Linear", "Relu", "Bias")
start_weights, dead_units = library("start_weights", "dead_units")


def train(first_rate, steps=300):
    np.random.seed(1)
    rng = np.random.default_rng(1)
    x = np.linspace(-1, 1, 101).reshape(-1, 1)
    first = Linear(Data(x), 16)
    first.W[:] = start_weights(1, 16, rng)
    bias = Bias(first)
    bias.W[:] = 0
    hidden = Relu(bias)
    last = Linear(hidden, 1)
    loss = SquareLoss(last, np.abs(x))
    for step in range(steps):
        value = loss.forward()
        loss.backward()
        for layer in (first, bias, last):
            layer.W -= (first_rate if step == 0 else 0.1) * layer.G
    loss.forward()
    return value, dead_units(hidden.forward())


for rate in (0.1, 20.0):
    value, dead = train(rate)
    print(f"first step with the rate {rate}: {dead} of 16 units are dead, loss {value:.4f}")
reward(
    "A plant. It was started with the right amount of water, and every leaf is alive.", "start_weights", "dead_units"
)

# %% [markdown]
# ## Think about it
#
# 1. Why not start all weights at 0, which is neither too large nor too small?
# 2. What does a *leaky* ReLU, with the slope 0.01 for negative inputs, change for dead units?

# %% [markdown] answer
# **Answers.**
#
# 1. Then all outputs are 0, and all units of a layer get the same gradient. (With two layers of zeros, even that is
#    0.) They stay copies of each other for ever: as many units as you like, and all of them one.
# 2. What goes back is small, but not 0. A unit that was pushed far away comes back slowly. Nothing is dead, and some
#    are asleep.
