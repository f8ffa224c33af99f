# %% [markdown]
# # Lesson 6: A whole network
#
# You have a chair, a lamp, a key and a desk, and today everything gets wired together. Dag insists on a test
# before anything is switched on. As he would rather not switch anything on, he insists on a thorough one.
#
# ## Why it goes backward
#
# A network is one function inside another, $L = \ell(f_n(\cdots f_2(f_1(X)) \cdots))$. The chain rule multiplies
# the derivatives:
#
# $$ \frac{\partial L}{\partial X} = \frac{\partial \ell}{\partial f_n} \cdot \frac{\partial f_n}{\partial f_{n-1}} \cdots \frac{\partial f_2}{\partial f_1} \cdot \frac{\partial f_1}{\partial X} . $$
#
# Read as arrays, the first factor is a *row* (the loss is one number) and all others are big matrices: how every
# output of a layer reacts to every input of it. A product gives the same from whichever end you begin, but the
# cost is not the same. From the left each product is a row times a matrix, which is a row again. From the right
# it is a matrix times a matrix, over and over. So we begin at the loss and walk backward, and what we carry along
# is `dwnstrm`. A layer's big matrix is never written down: `backward` only says what comes out when a row is
# multiplied by it. That is backpropagation, all of it.

# %%
import numpy as np
from pysmorch.diagram import diagram
from utility import check, hint, library, quiz, reward, show

# %% [markdown]
# ## Your own gradient check
#
# FORMULAS
# How do you know that a gradient is right? You move an entry and look. Here is how to do it well. By Taylor's
# formula
#
# $$ f(x + h) = f(x) + h f'(x) + \tfrac{h^2}{2} f''(x) + \tfrac{h^3}{6} f'''(x) + \cdots, $$
# $$ f(x - h) = f(x) - h f'(x) + \tfrac{h^2}{2} f''(x) - \tfrac{h^3}{6} f'''(x) + \cdots . $$
#
# The plain difference has an error of the order of $h$:
#
# $$ \frac{f(x + h) - f(x)}{h} = f'(x) + \tfrac{h}{2} f''(x) + \cdots $$
#
# In the difference of the two lines $f(x)$ and $f''(x)$ cancel, and what is left is only of the order of $h^2$:
#
# $$ \frac{f(x + h) - f(x - h)}{2h} = f'(x) + \tfrac{h^2}{6} f'''(x) + \cdots $$
#
# **An example.** $f(x) = x^3$ at $x = 2$, where $f'(x) = 12$, with $h = 0.1$. To one side:
# $(9.261 - 8)/0.1 = 12.61$. To both: $(9.261 - 6.859)/0.2 = 12.01$, off by $h^2$ exactly, as the formula says
# ($f''' = 6$).
# HARD
# How do you know that a gradient is right? You move an entry and look. Do it well: write Taylor's formula for
# $f(x + h)$ and for $f(x - h)$, up to $h^3$. The plain difference $(f(x + h) - f(x))/h$ has an error of the order of
# $h$. Combine the two lines so that only $h^2$ is left. For $f(x) = x^3$ at $x = 2$ with $h = 0.1$, where
# $f'(x) = 12$, it should give 12.01, and the plain difference gives 12.61.
# END
#
# FORMULAS
# Then why not $h = 10^{-12}$? Because a computer keeps about 16 digits, and the difference of two numbers that
# agree in the first 12 has 4 left. For central differences $h$ near $10^{-5}$ is a good middle between the two
# errors.
# HARD
# Then why not $h = 10^{-12}$? Because a computer keeps about 16 digits, and the difference of two numbers that agree
# in the first 12 has 4 left. So we take $h$ near $10^{-5}$, a good middle between the two errors.
# END
#
# ## By hand
#
# $f(x) = x^3$ at $x = 1$ with $h = 0.5$, where $f'(x) = 3$.

# %%
# BLANK
# quiz("difference to one side", ...)  # one number
# quiz("central difference", ...)  # one number
# SOLUTION
quiz("difference to one side", 4.75)
quiz("central difference", 3.25)
# END

# %% [markdown]
# ## Your turn, first part
#
# Fill in the central difference. `step` is zero except for one entry, where it is $h$.


# %%
def numerical_gradient(f, x, h=1e-5):
    """Return the derivatives of f, which makes a number of an array, for every entry of x."""
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        # BLANK
        # gradient[index] = ...  # the central difference
        # SOLUTION
        gradient[index] = (f(x + step) - f(x - step)) / (2 * h)
        # END
    return gradient


# %% [markdown] hints numerical_gradient
# 1. Where: x + step and x - step are the two points, 2h apart.
# 2. Which rule: in the difference of f at the two points f(x) and f''(x) cancel.
# 3. The formula: (f(x + step) - f(x - step)) / (2 * h), with its brackets.

# %%
numerical_gradient = check(numerical_gradient)

# %% [markdown]
# ## Your turn, second part
#
# To train a network, or to test it, you need all layers that have a `W`. The loss knows its `in_layer`, that one
# knows its own, and so on until `Data`, which has none. Walk along.


# %%
def layers_with_weights(loss):
    """Return all layers of a chain that have a W, beginning with the one nearest to the loss."""
    found = []
    layer = loss.in_layer
    while hasattr(layer, "in_layer"):
        # BLANK
        # ...  # keep the layer if it has a W; then go on to the layer before it
        # SOLUTION
        if hasattr(layer, "W"):
            found.append(layer)
        layer = layer.in_layer
        # END
    return found


# %% [markdown] hints layers_with_weights
# 1. Where: the loop stands at one layer at a time; found grows, and layer has to move on.
# 2. Which rule: hasattr(layer, "W") says whether it has weights; look first, then move.
# 3. The formula: if hasattr(layer, "W"): found.append(layer); and after it, in every case, layer = layer.in_layer

# %%
layers_with_weights = check(layers_with_weights)

# %% [markdown]
# ## The test that Dag wanted
#
# Three dense blocks and the cross-entropy, as large a network as you have ever had. Each gradient `G` is compared
# with differences of the whole loss.

# %%
Data, Linear, Relu, Bias, CrossEntropy = library("Data", "Linear", "Relu", "Bias", "CrossEntropy")
numerical_gradient, layers_with_weights = library("numerical_gradient", "layers_with_weights")


def compare(loss):
    """Print, for every W of a network, how far its G is from differences."""
    loss.forward()
    loss.backward()
    for layer in layers_with_weights(loss):
        W, G = layer.W.copy(), layer.G.copy()

        def value(moved, layer=layer):
            layer.W[:] = moved
            return loss.forward()

        expected = numerical_gradient(value, W)
        layer.W[:] = W
        error = np.linalg.norm(G - expected) / np.linalg.norm(expected)
        verdict = (
            "right"
            if error < 1e-6
            else f"WRONG, {np.sum(G * expected) / np.sum(expected**2):.2f} times what it should be"
        )
        print(f"  {type(layer).__name__:<8} W {W.shape!s:<8} relative error {error:.0e}: {verdict}")


np.random.seed(0)
rows = np.random.randn(10, 3)
one_hot = np.eye(5)[np.random.randint(5, size=10)]


def three_blocks(between=lambda layer: layer):
    first = Relu(Bias(Linear(Data(rows), 5)))
    second = Relu(Bias(Linear(between(first), 8)))
    return CrossEntropy(Bias(Linear(second, 5)), one_hot)


network = three_blocks()
print("your network, from the loss to the data:")
compare(network)
show(diagram(network))

# %% [markdown]
# Now let us put something of Fenwick's between the first block and the second. It hands everything on, and on the
# way back keeps half of it.


# %%
class Fenwick:
    """Hand on the input. On the way back, half of the gradient is lost in the post."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        return self.in_layer.forward()

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm / 2)


print("the same with Fenwick after the first block:")
compare(three_blocks(Fenwick))
reward(
    "A telephone. Everybody is now connected to everybody, and the chain rule says who is to blame.",
    "numerical_gradient",
    "layers_with_weights",
)

# %% [markdown]
# ## Think about it
#
# 1. Where in the table do the wrong gradients begin, and what does that tell you about where the mistake is?
# 2. Fenwick's layer has no `W`. Could a check of every `G` of a network ever miss a mistake in a layer's
#    `backward`?

# %% [markdown] answer
# **Answers.**
#
# 1. Everything between the loss and Fenwick is right; everything from there to the data is wrong. The mistake
#    sits between the last right one and the first wrong one. Look at the layer nearest to the loss first: what
#    lies before it may be wrong only because it was handed something wrong.
# 2. Yes: if no layer with a `W` lies before it. The gradient for the data themselves shows it; that is why the
#    checks of this course look at the inputs too.
