# %% [markdown]
# # Lesson 4: Softmax and cross-entropy
#
# Gabbro has a hall with many doors, and visitors have to guess which one leads to their account. Ottoline calls
# it single sign-on. For such a choice between classes the square loss is a poor fit: we do not want three numbers
# that are close to $(0, 1, 0)$, we want to know *how likely* each door is.
#
# ## From numbers to probabilities
#
# The network's output for an example is a row $x = (x_1, \dots, x_K)$ of any numbers, one a class, called
# *logits*. The softmax makes probabilities of them: positive, and with sum 1,
#
# $$ p_j = \frac{e^{x_j}}{\sum_{i} e^{x_i}} . $$
#
# If the right class is $k$, a good network gives $p_k$ near 1. The cross-entropy is the surprise at what really
# happened:
#
# $$ \ell = -\log p_k = -x_k + \log \sum_{i} e^{x_i} . $$
#
# It is 0 when $p_k = 1$, and grows without bound as $p_k$ goes to 0. Being sure and wrong is expensive. The loss
# is the mean over the $M$ rows of the batch.
#
# **An example.** $x = (0, \log 2, \log 5)$. Then $e^x = (1, 2, 5)$ with sum 8, and $p = (0.125, 0.25, 0.625)$. If
# the right class is the last, $\ell = -\log 0.625 = 0.470$.

# %%
import numpy as np
from utility import check, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## No positive exponents
#
# FORMULAS
# $e^{710}$ is too large for a computer: it becomes `inf`, and soon after everything is `nan`. Dag's answer is to
# switch off the server. Ours is a line of mathematics. For any number $c$,
#
# $$ \log \sum_i e^{x_i} = \log \Big( e^{c} \sum_i e^{x_i - c} \Big) = c + \log \sum_i e^{x_i - c} . $$
#
# Choose $c$ as the largest entry of the row. Then
#
# - every exponent $x_i - c$ is negative or zero, so nothing can overflow: $e$ to something below 0 is between 0
#   and 1;
# - one exponent is exactly 0, so the sum is at least 1, and its logarithm is safe too.
#
# With the shifted row $s_i = x_i - c$ the $c$ cancels in the loss altogether:
#
# $$ \ell = -x_k + c + \log \sum_i e^{x_i - c} = -s_k + \log \sum_i e^{s_i} . $$
#
# **Rule of the house: never exponentiate a positive number.** The check looks at that, too.
#
# In the example $c = \log 5$, so $e^s = (0.2, 0.4, 1)$, and $\ell = -0 + \log 1.6 = 0.470$, as before.
#
# ## Its gradient
#
# First the logarithm of the sum. By the chain rule
#
# $$ \frac{\partial}{\partial x_j} \log \sum_i e^{x_i} = \frac{e^{x_j}}{\sum_i e^{x_i}} = p_j . $$
#
# The other part, $-x_k$, has the derivative $-1$ for $j = k$ and 0 for all others. Write the right class as a row
# $y$ that is 1 at $k$ and 0 elsewhere (*one-hot*), and both parts are
#
# $$ \frac{\partial \ell}{\partial x_j} = p_j - y_j . $$
#
# What the network believes, minus the truth. Over the batch, with the $1/M$ of the mean,
#
# $$ \frac{\partial L}{\partial X} = \frac{1}{M} (P - Y) . $$
#
# In the example: $(0.125, 0.25, 0.625) - (0, 0, 1) = (0.125, 0.25, -0.375)$. Its entries add up to 0: what one
# door wins, the others lose.
# HARD
# $e^{710}$ is too large for a computer: it becomes `inf`, and soon after everything is `nan`. Dag's answer is to
# switch off the server. Find a better one: what happens to $p$, and to $\ell$, when the same number $c$ is taken away
# from all entries of a row? And for which $c$ is no exponent positive and yet the sum never 0? Call the shifted row
# $s$, and write $\ell$ with it.
#
# **Rule of the house: never exponentiate a positive number.** The check looks at that, too.
#
# ## Its gradient
#
# Derive $\partial \ell / \partial x_j$ for $j = k$ and for all other $j$. With the right class as a row $y$ that is 1
# at $k$ and 0 elsewhere (*one-hot*), both are one short formula. In the example it gives $(0.125, 0.25, -0.375)$, and
# its entries add up to 0: what one door wins, the others lose.
# END
#
# ## By hand
#
# Two rows and two classes; in the first row the first class is right, in the second row the second:
#
# $$ X = \begin{pmatrix} 0 & \log 3 \\ 0 & 0 \end{pmatrix}, \quad Y = \begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix} . $$

# %%
# BLANK
# quiz("softmax", ...)  # P, two rows
# quiz("gradient of the logits", ...)  # two rows; M is 2
# SOLUTION
quiz("softmax", [[0.25, 0.75], [0.5, 0.5]])
quiz("gradient of the logits", [[-0.375, 0.375], [0.25, -0.25]])
# END

# %% [markdown]
# ## Your turn
#
# The labels are one-hot rows, so $s_k$ of every row is what is left of $S \odot Y$ after a sum over the columns.
# NumPy's `keepdims=True` keeps a sum over columns as a column, which you can then divide by or take away row by
# row.


# %%
class CrossEntropy:
    """The mean surprise of the softmax of the logits at the labels, which are one-hot rows."""

    def __init__(self, in_layer, ones_hot):
        self.in_layer = in_layer
        self.ones_hot = ones_hot

    def set_labels(self, ones_hot):
        self.ones_hot = ones_hot

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.num_data = len(self.in_array)  # M
        # BLANK
        # shifted = ...  # S: every row minus its largest entry
        # self.probabilities = ...  # P, from exponents that are not positive
        # return ...  # the mean over the rows, one number
        # SOLUTION
        shifted = self.in_array - self.in_array.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        sums = exponentials.sum(axis=1, keepdims=True)
        self.probabilities = exponentials / sums
        return np.sum(self.ones_hot * (np.log(sums) - shifted)) / self.num_data
        # END

    def backward(self):
        # BLANK
        # self.pass_back = ...  # the gradient of the loss for X
        # SOLUTION
        self.pass_back = (self.probabilities - self.ones_hot) / self.num_data
        # END
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints CrossEntropy
# 1. Where: x_j is in the sum of the exponentials, and x_k is besides in the term -x_k. In the sum every row has its own largest entry.
# 2. Which rule: the derivative of log(u) is u'/u, which makes the softmax of the sum. Whatever is taken away from all entries of a row cancels.
# 3. The formula: S = X - the largest entry of each row, P = exp(S) / row sums, L = the sum of Y * (log(row sums) - S), divided by M, and (P - Y) / M goes back.

# %%
CrossEntropy = check(CrossEntropy)

# %% [markdown]
# ## Three doors
#
# Three crowds of visitors, each around its own door. A single linear layer with your loss learns where to send
# them. A column of ones beside the coordinates lets it shift its borders; in the next lesson that gets a layer of
# its own.

# %%
Data, Linear, CrossEntropy = library("Data", "Linear", "CrossEntropy")
rng = np.random.default_rng(0)
np.random.seed(0)
doors = np.array([[0.0, 2.0], [-2.0, -1.0], [2.0, -1.0]])
door = rng.integers(0, 3, 150)
visitors = doors[door] + 0.8 * rng.standard_normal((150, 2))
layer = Linear(Data(np.column_stack([visitors, np.ones(150)])), 3)
loss = CrossEntropy(layer, np.eye(3)[door])
losses = []
for step in range(100):
    losses.append(loss.forward())
    loss.backward()
    layer.W -= 0.5 * layer.G
right = np.mean(layer.forward().argmax(axis=1) == door)
print(f"loss {losses[0]:.3f} at first, {losses[-1]:.3f} in the end; {right:.0%} of the visitors find their door")
show(
    sketch.regions(
        lambda places: (np.column_stack([places, np.ones(len(places))]) @ layer.W).argmax(axis=1), visitors, door
    )
)
reward("A key. It fits one of the doors with a probability of 0.98.", "CrossEntropy")

# %% [markdown]
# ## Think about it
#
# 1. What is the loss of a network that knows nothing and gives every one of $K$ classes the same logit?
# 2. Why do we write the loss with $\log \sum e^{s_i} - s_k$, and not simply as `-np.log(P)` at the right class?

# %% [markdown] answer
# **Answers.**
#
# 1. $-\log(1/K) = \log K$: for ten classes 2.303. It is worth knowing by heart: a first loss far from $\log K$
#    means that something is wrong before training has even begun.
# 2. For a row such as $(0, 800)$ with the first class right, $p_1 = e^{-800}$ is rounded to 0, and its logarithm
#    is $-\infty$. The other form gives 800, which is right.
