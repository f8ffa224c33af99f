# %% [markdown]
# # Lesson 1: Data and loss
#
# Welcome to **Gabbro**, in 2006 the third most promising social network of the year (out of three). It has 1,204
# users left, 1,187 of which are bots that wish each other a happy birthday. Ottoline, head of Growth, has
# reported negative growth for forty quarters in a row and calls it consistency.
#
# Gabbro wants to find out what the other 17 users are up to, with a neural network. The library for that was
# begun in house by a developer called Fenwick, who could not stand mathematics. He wrote the frame of every class,
# left out each line with a formula in it, and resigned in the middle of a comment that ends "and now we just have
# to". The way back through the layers, backpropagation, is missing altogether.
#
# So the formulas are your job. You have no chair yet. Furniture is earned here, a piece a lesson.
#
# ## How a lesson works
#
# A blank is written as `...`, with a comment that says what belongs there. Replace the `...`, then run the check
# below it. The check says what is wrong, with what it expected beside what it found. What passes is kept in the
# file `my_smorch.py`, your own library, and the later lessons use it. Where you skip something, they use
# PySmorch's own layer instead and say so, so you can do the lessons in any order.
#
# If you are stuck, put `hint("SquareLoss")` into a cell or a line: it opens the first of three steps, namely where to
# look, and if you ask again, which rule, and the formula. The steps are counted, and that is all that happens to them.
#
# You can work in the notebook (`.ipynb`) or in the script (`.py`) of a lesson, whichever you like: they hold the
# same.

# %%
import numpy as np
from utility import check, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## The data
#
# A network is a chain of layers. Each layer knows the layer that feeds it, `in_layer`, and can do two things:
#
# - `forward()` asks the layer before it for its output, computes something from it, and returns that;
# - `backward(dwnstrm)` is told how the loss reacts to this layer's output, works out how the loss reacts to this
#   layer's *input*, and hands that on to the layer before it.
#
# At the front of the chain stands `Data`. It holds an array with one example a row, and its forward is the
# easiest function of the whole course. It is here so that you can try what a blank and a check feel like.


# %%
class Data:
    """Hold the array that enters a network and hand it on."""

    def __init__(self, data):
        self.set_data(data)

    def set_data(self, data):
        self.data = data
        self.out_dims = data.shape

    def forward(self):
        # BLANK
        # return ...  # what this layer holds
        # SOLUTION
        return self.data
        # END

    def backward(self, dwnstrm):
        """Do nothing: there is nothing before the data, and nothing in here that is trained."""


# %% [markdown] hints Data
# 1. Where: forward returns an array, and the constructor has put one into self.
# 2. Which rule: there is nothing to compute; what was stored goes out as it is.
# 3. The formula: return self.data

# %%
Data = check(Data)

# %% [markdown]
# ## The loss
#
# At the end of the chain stands a loss: one number that says how bad the output is. Let $X$ be the output of the
# network and $Y$ the labels, what it should have been, each with $M$ rows (one an example) and $K$ columns. The
# square loss is
#
# $$ L = \frac{1}{2M} \sum_{i=1}^{M} \sum_{k=1}^{K} (x_{ik} - y_{ik})^2 . $$
#
# The $1/M$ makes it a mean over the examples, so that a batch of 10 and a batch of 1000 give numbers of the same
# size. The $1/2$ is there for cosmetic reasons that show in a moment.
#
# **An example.** Two rows, two columns:
#
# $$ X = \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}, \quad
#    Y = \begin{pmatrix} 0 & 2 \\ 3 & 6 \end{pmatrix}, \quad
#    X - Y = \begin{pmatrix} 1 & 0 \\ 0 & -2 \end{pmatrix}, \quad
#    L = \frac{1 + 0 + 0 + 4}{2 \cdot 2} = 1.25 . $$
#
# ## Its gradient
#
# FORMULAS
# Which way should $X$ change so that $L$ gets smaller? For that we need the derivative of $L$ for each entry of
# $X$. Pick one entry, $x_{ab}$. Of all the terms in the double sum only one contains it, $(x_{ab} - y_{ab})^2$;
# the others are constants, with derivative zero. So
#
# $$ \frac{\partial L}{\partial x_{ab}} = \frac{1}{2M} \cdot 2\,(x_{ab} - y_{ab}) = \frac{x_{ab} - y_{ab}}{M} . $$
#
# The 2 from the square and the $1/2$ cancel: that was the cosmetics. All entries together, as an array of the
# shape of $X$:
#
# $$ \frac{\partial L}{\partial X} = \frac{1}{M} (X - Y), \quad\text{in the example}\quad
#    \begin{pmatrix} 0.5 & 0 \\ 0 & -1 \end{pmatrix} . $$
#
# **Do we believe it?** Move $x_{11}$ from 1 to 1.01. The loss becomes $(1.01^2 + 4)/4 = 1.255025$, which is
# 0.005025 more. Divided by the 0.01 we moved, that is 0.5025, and the formula says 0.5. Smaller steps come
# closer. All checks in this course work like that: they move an entry, look at what the loss does, and compare.
# HARD
# Which way should $X$ change so that $L$ gets smaller? For that we need the derivative of $L$ for each entry of
# $X$. Pick one entry, $x_{ab}$, and derive it; you will see what the $1/2$ is for.
#
# **Do you believe it?** Move $x_{11}$ from 1 to 1.01. The loss becomes $(1.01^2 + 4)/4 = 1.255025$, which is
# 0.005025 more. Divided by the 0.01 we moved, that is 0.5025, and your formula should be near it. All checks in
# this course work like that: they move an entry, look at what the loss does, and compare.
# END
#
# ## By hand
#
# A question is marked at once. Replace the `...` and run the cell; rows go into brackets, as in `[[1, 2], [3, 4]]`.
#
# $$ X = \begin{pmatrix} 2 & 0 \\ 1 & 1 \end{pmatrix}, \quad Y = \begin{pmatrix} 0 & 0 \\ 1 & 5 \end{pmatrix} . $$

# %%
# BLANK
# quiz("square loss", ...)  # L, one number
# quiz("its gradient", ...)  # the gradient for X, two rows
# SOLUTION
quiz("square loss", 5)
quiz("its gradient", [[1, 0], [0, -2]])
# END

# %% [markdown]
# ## Your turn
#
# `backward` of a loss takes no argument, because nothing comes after it. It stores the gradient in
# `self.pass_back` and hands it to the layer before.


# %%
class SquareLoss:
    """Half the mean squared distance between the rows of the input and the labels."""

    def __init__(self, in_layer, labels):
        self.in_layer = in_layer
        self.labels = labels

    def set_data(self, labels):
        self.labels = labels

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.num_data = len(self.in_array)  # M
        # BLANK
        # return ...  # the loss L, one number
        # SOLUTION
        return np.sum((self.in_array - self.labels) ** 2) / (2 * self.num_data)
        # END

    def backward(self):
        # BLANK
        # self.pass_back = ...  # the gradient of L for X, in the shape of X
        # SOLUTION
        self.pass_back = (self.in_array - self.labels) / self.num_data
        # END
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints SquareLoss
# 1. Where: in L only one term of the double sum contains the entry x_ab.
# 2. Which rule: the derivative of u² is 2u, and the 2 meets the 1/(2M) in front of the sum.
# 3. The formula: L = np.sum((X - Y)²) / (2M), and its gradient for X is (X - Y) / M.

# %%
SquareLoss = check(SquareLoss)

# %% [markdown]
# ## The lift
#
# The lift at Gabbro goes down only. It has been like that for years; people take the stairs up. It is the best
# model of how neural networks are trained that the company owns.
#
# The gradient points to where the loss grows. So we take a step the other way, and then another. There is no
# network yet, so we let the output $X$ itself ride the lift:
#
# $$ X \leftarrow X - r \, \frac{\partial L}{\partial X}, \qquad\text{here with the learning rate } r = 1 . $$

# %%
Data, SquareLoss = library("Data", "SquareLoss")
output = Data(np.array([[1.0, 2.0], [3.0, 4.0]]))
loss = SquareLoss(output, np.array([[0.0, 2.0], [3.0, 6.0]]))
losses = []
for floor in range(6):
    losses.append(loss.forward())
    loss.backward()
    print(f"floor {-floor}: loss {losses[-1]:.6f}, X = {output.data.round(3).tolist()}")
    output.set_data(output.data - 1.0 * loss.pass_back)
show(sketch.lines(range(6), {"loss": losses}))
reward("A chair. It has three legs, but all of them are the same length.", "Data", "SquareLoss")

# %% [markdown]
# ## Think about it
#
# 1. On every floor the loss is a quarter of what it was on the floor above. Why a quarter?
# 2. Which learning rate gets to the bottom in a single step? From which one on does the lift go through the roof?

# %% [markdown] answer
# **Answers.**
#
# 1. With $r = 1$ and $M = 2$ the step is $X \leftarrow X - (X - Y)/2$, so the distance to $Y$ is halved, and the
#    loss, which is its square, falls to a quarter.
# 2. In general the distance is multiplied by $1 - r/M$. For $r = M$ that is 0: one step. For $r > 2M$ it is below
#    $-1$: each step jumps over the goal and lands farther away than it started, and the loss grows without end.
