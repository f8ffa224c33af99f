# %% [markdown]
# # Lesson 16: Find the bug
#
# Fenwick is back. He has heard that you are the head of everything, and has left ten networks at the reception, with a
# note: "One small thing wrong in each, I just had to". They are made from your own library. Each is meant to separate
# four crowds on a square, the two diagonals from each other. 200 visitors are for training, 200 for validation.
#
# A network with a bug does not stop with an error. It learns, a little worse, or not at all. So you look for the bug
# like a doctor: with instruments. You have four.
#
# - The **loss curves**. Does it fall, fast or slowly? Does it jump? Where does it begin? (For two classes, who knows
#   nothing has $\log 2 = 0.693$, lesson 4.) Do training and validation part?
# - The **diagram**, or in a terminal the table of layers: which layers are there, and how large are their numbers?
# - The **check** of all gradients, which compares them with differences (lesson 6).
# - The **step sizes**: how far does a step move the weights, for their size? That one you build first.

# %%
import numpy as np
from pysmorch import check as check_gradients
from pysmorch.diagram import diagram
from utility import check, hint, library, patient, quiz, reward, show

# %% [markdown]
# ## Your turn
#
# The step of plain gradient descent is $-r\,G$. Compare its size with that of the weights,
#
# $$ \frac{r \, \lVert G \rVert}{\lVert W \rVert}, \qquad \lVert W \rVert = \sqrt{\sum w^2} . $$
#
# A hundredth to a thousandth is usual while a network learns. A millionth, and it stands still. One, and each step
# throws away all that was there. `np.linalg.norm(array)` is $\lVert \cdot \rVert$.
#
# ## By hand
#
# $W = (3, 4)$, $G = (0, 10)$ and $r = 0.1$.

# %%
# BLANK
# quiz("step size", ...)  # one number
# SOLUTION
quiz("step size", 0.2)
# END


# %%
def step_sizes(layers, rate):
    """Return, for each layer, how large a step is for the size of its weights."""
    sizes = []
    for layer in layers:
        norm = max(np.linalg.norm(layer.W), 1e-12)  # not 0, even if all weights are
        # BLANK
        # sizes.append(...)  # with layer.G and norm
        # SOLUTION
        sizes.append(rate * np.linalg.norm(layer.G) / norm)
        # END
    return sizes


# %% [markdown] hints step_sizes
# 1. Where: layer.G is the gradient, and norm is the size of the weights.
# 2. Which rule: the step is rate times G; its size is rate times the size of G; divide by the size of W.
# 3. The formula: rate * np.linalg.norm(layer.G) / norm

# %%
step_sizes = check(step_sizes)

# %% [markdown]
# ## The practice
#
# `examine(0)` is a healthy network. Look at it well: this is what the others should look like.

# %%
step_sizes = library("step_sizes")


def examine(number):
    """Look at a network with all instruments."""
    found = patient(number)
    show(found.curves())
    print(found.table())
    show(diagram(found.loss))
    print("step sizes:", ", ".join(f"{size:.0e}" for size in step_sizes(found.layers, found.rate)))
    report = check_gradients(found.few_rows())
    print("all gradients agree with differences" if report else report)


examine(0)

# %% [markdown]
# ## Ten patients, twelve diseases
#
# Each disease at most once; two of them nobody has.
#
# | letter | disease |
# |---|---|
# | a | the learning rate is far too large |
# | b | the learning rate is far too small |
# | c | all weights start at 0 |
# | d | there is no ReLU between the linear layers |
# | e | rows and labels do not belong together |
# | f | a layer passes back only half of the gradient |
# | g | a softmax comes before the loss, which has one already |
# | h | all units are dead from the start |
# | i | too few examples, learned by heart |
# | j | one feature is many times as large as the other |
# | k | the step goes up the gradient |
# | l | a layer takes the mean over the batch for its `G`, not the sum |

# %%
examine(1)
# BLANK
# quiz("network 1", ...)  # a letter, as in "a"
# SOLUTION
quiz("network 1", "d")
# END

# %%
examine(2)
# BLANK
# quiz("network 2", ...)
# SOLUTION
quiz("network 2", "h")
# END

# %%
examine(3)
# BLANK
# quiz("network 3", ...)
# SOLUTION
quiz("network 3", "f")
# END

# %%
examine(4)
# BLANK
# quiz("network 4", ...)
# SOLUTION
quiz("network 4", "i")
# END

# %%
examine(5)
# BLANK
# quiz("network 5", ...)
# SOLUTION
quiz("network 5", "a")
# END

# %%
examine(6)
# BLANK
# quiz("network 6", ...)
# SOLUTION
quiz("network 6", "g")
# END

# %%
examine(7)
# BLANK
# quiz("network 7", ...)
# SOLUTION
quiz("network 7", "e")
# END

# %%
examine(8)
# BLANK
# quiz("network 8", ...)
# SOLUTION
quiz("network 8", "l")
# END

# %%
examine(9)
# BLANK
# quiz("network 9", ...)
# SOLUTION
quiz("network 9", "c")
# END

# %%
examine(10)
# BLANK
# quiz("network 10", ...)
# SOLUTION
quiz("network 10", "j")
# END

# %%
reward("A stethoscope. When Fenwick leaves, he takes the stairs.", "step_sizes")

# %% [markdown]
# ## Think about it
#
# 1. Which of the ten would a check of all gradients never find, and why not?
# 2. Network 8 learns almost as well as the healthy one. Why is it worth mending?

# %% [markdown] answer
# **Answers.**
#
# 1. All but 3 and 8. The others compute the right gradient, of the wrong thing: a function that cannot do the task, a
#    start that leads nowhere, data that say something else.
# 2. Its bias moves 200 times too slowly, and only there. With other data, where the bias matters, nobody will think of
#    it. A network that works in spite of a bug is the kind that is shipped.
