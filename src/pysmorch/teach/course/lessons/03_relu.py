# %% [markdown]
# # Lesson 3: ReLU
#
# Your chair rolls, so Ottoline asks for a *deep* network: two linear layers, one behind the other. Her slide
# calls this "Linear²". It has a problem that fits into one line:
#
# $$ (X W_1) W_2 = X (W_1 W_2) = X W \quad\text{with}\quad W = W_1 W_2 . $$
#
# However many linear layers you stack, together they can do what a single one can, and not a thing more. There
# has to be something between them that is not linear. The simplest such thing is a lamp that lights up when the
# news is good and stays dark otherwise:
#
# $$ Y = \max(X, 0), \quad\text{entry by entry.} $$
#
# It is called the *rectified linear unit*, ReLU for short.

# %%
import numpy as np
from utility import check, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## What comes back
#
# FORMULAS
# Each $y_{ik}$ depends on one number only, $x_{ik}$. So the sum over paths of the last lesson has one term:
#
# $$ \frac{\partial L}{\partial x_{ik}} = \delta_{ik} \, \frac{\partial y_{ik}}{\partial x_{ik}}, \qquad
#    \frac{\partial y_{ik}}{\partial x_{ik}} = \begin{cases} 1 & x_{ik} > 0 \\ 0 & x_{ik} < 0 . \end{cases} $$
#
# At exactly 0 the function has a kink: the slope is 0 on the left and 1 on the right. We take 0 there, as
# everybody does; what matters is to choose once and to stay with it. So the gradient passes where the *input* was
# positive, and is stopped elsewhere:
#
# $$ \text{hand back } \Delta \odot [X > 0], $$
#
# where $\odot$ multiplies entry by entry and $[X > 0]$ is 1 where it is true, 0 where it is not.
#
# **An example.**
#
# $$ X = \begin{pmatrix} 1 & -2 & 0 \end{pmatrix}, \quad Y = \begin{pmatrix} 1 & 0 & 0 \end{pmatrix}, \quad
#    \Delta = \begin{pmatrix} -7 & 5 & 3 \end{pmatrix}, \quad \text{hand back } \begin{pmatrix} -7 & 0 & 0 \end{pmatrix} . $$
#
# Look at the $-7$: it is negative and passes all the same. What decides is the sign of $X$, not that of $\Delta$.
# HARD
# Each $y_{ik}$ depends on one number only, $x_{ik}$. What is its derivative where $x_{ik}$ is positive, and where it
# is negative? At exactly 0 the function has a kink: the slope is 0 on the left and 1 on the right. We take 0 there,
# as everybody does; what matters is to choose once and to stay with it.
# END
#
# ## By hand
#
# $$ X = \begin{pmatrix} 2 & -1 \\ 0 & 3 \end{pmatrix}, \quad \Delta = \begin{pmatrix} -4 & 5 \\ 6 & 1 \end{pmatrix} . $$

# %%
# BLANK
# quiz("back through ReLU", ...)  # the gradient for X, two rows
# SOLUTION
quiz("back through ReLU", [[-4, 0], [0, 1]])
# END

# %% [markdown]
# ## Your turn
#
# ReLU has no parameters, so there is no `W` and no `G`.


# %%
class Relu:
    """max(x, 0), entry by entry."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        self.in_array = self.in_layer.forward()
        # BLANK
        # return ...  # Y
        # SOLUTION
        return np.maximum(self.in_array, 0)
        # END

    def backward(self, dwnstrm):
        # BLANK
        # self.pass_back = ...  # the gradient for X
        # SOLUTION
        self.pass_back = dwnstrm * (self.in_array > 0)
        # END
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints Relu
# 1. Where: every entry has a path of its own, from x_ik to y_ik and nowhere else.
# 2. Which rule: the slope is 1 where the input was positive and 0 elsewhere, and dwnstrm is multiplied by it, entry by entry.
# 3. The formula: Y = np.maximum(X, 0), and back goes dwnstrm * (X > 0).

# %%
Relu = check(Relu)

# %% [markdown]
# ## A fold in the paper
#
# The absolute value is the smallest thing that a linear layer cannot learn: the best straight line through the
# origin for $|x|$ is $y = 0$. But $|x| = \max(x, 0) + \max(-x, 0)$, so two lamps are enough. We train both
# networks, with and without them.

# %%
Data, SquareLoss, Linear, Relu = library("Data", "SquareLoss", "Linear", "Relu")


def train(with_relu, steps=400):
    np.random.seed(1)
    x = np.linspace(-1, 1, 101).reshape(-1, 1)
    first = Linear(Data(x), 8)
    last = Linear(Relu(first) if with_relu else first, 1)
    loss = SquareLoss(last, np.abs(x))
    for _ in range(steps):
        value = loss.forward()
        loss.backward()
        for layer in (first, last):
            layer.W -= 0.1 * layer.G
    return x, last.forward(), value


x, straight, loss_without = train(with_relu=False)
x, folded, loss_with = train(with_relu=True)
print(f"loss without ReLU {loss_without:.4f}, with ReLU {loss_with:.6f}")
show(sketch.lines(x, {"without ReLU": straight, "with ReLU": folded}))
reward("A lamp. It is either on or off, and that turns out to be enough.", "Relu")

# %% [markdown]
# ## Think about it
#
# 1. If all inputs of a ReLU are negative for every example, what do the layers before it learn?
# 2. Why is it harmless that nobody knows the slope at 0?

# %% [markdown] answer
# **Answers.**
#
# 1. Nothing: 0 is handed back, for every example, so they never change and the lamp never lights again. It is
#    called a dead unit. (Layers further to the front also learn through other units, and may wake it up by
#    accident.)
# 2. An input of exactly 0 almost never happens with random numbers; and where it does, any slope between 0 and 1
#    is as good a guess as another: the next step moves on.
