# %% [markdown]
# # Lesson 9: Batch normalisation
#
# The thermostat of the office has two positions, Sahara and Server Room. Deep networks know the problem: each
# layer gets what the layer before it hands on, and whenever that one learns, the numbers get warmer or colder for
# everybody behind it. Batch normalisation is a thermostat that works: it brings every feature to mean 0 and
# variance 1, over the batch.
#
# For one feature with the values $x_1, \dots, x_M$:
#
# $$ m = \frac{1}{M} \sum_i x_i, \qquad v = \frac{1}{M} \sum_i (x_i - m)^2, \qquad s = \sqrt{v + \varepsilon}, \qquad y_i = \frac{x_i - m}{s} . $$
#
# The small $\varepsilon = 10^{-5}$ keeps $s$ away from 0 for a feature that is constant.
#
# In prediction there may be only one row, and what is predicted for it should not depend on its company. So in
# training the layer keeps running means of $m$ and $v$, and in prediction (`self.training` is False) it uses
# those.

# %%
import numpy as np
from utility import check, digits, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## What comes back
#
# FORMULAS
# This is the hardest derivation of the course, and it is only the chain rule, three times. $x_j$ reaches $y_i$ on
# three paths: directly if $i = j$, through the mean $m$, and through the deviation $s$. First the pieces:
#
# $$ \frac{\partial m}{\partial x_j} = \frac{1}{M}, $$
# $$ \frac{\partial v}{\partial x_j} = \frac{2}{M} (x_j - m) - \frac{2}{M} \sum_i (x_i - m) \cdot \frac{1}{M} = \frac{2}{M} (x_j - m) , $$
#
# because the $x_i - m$ add up to 0. With $s = \sqrt{v + \varepsilon}$
#
# $$ \frac{\partial s}{\partial x_j} = \frac{1}{2s} \frac{\partial v}{\partial x_j} = \frac{x_j - m}{M s} = \frac{y_j}{M} . $$
#
# Now $y_i = (x_i - m)/s$ by the quotient rule, where $[i = j]$ is 1 if $i = j$ and 0 otherwise:
#
# $$ \frac{\partial y_i}{\partial x_j} = \frac{[i = j] - \frac{1}{M}}{s} - \frac{x_i - m}{s^2} \cdot \frac{y_j}{M}
#    = \frac{1}{s} \Big( [i = j] - \frac{1}{M} - \frac{y_i \, y_j}{M} \Big) . $$
#
# At last the sum over all paths to the loss:
#
# $$ \frac{\partial L}{\partial x_j} = \sum_i \delta_i \frac{\partial y_i}{\partial x_j}
#    = \frac{1}{s} \Big( \delta_j - \frac{1}{M} \sum_i \delta_i - y_j \cdot \frac{1}{M} \sum_i \delta_i y_i \Big) . $$
#
# In words: from $\delta$ take away its mean, and take away what would stretch $y$; then divide by $s$. Both are
# changes that the normalisation would undo anyway, so the loss cannot feel them.
#
# **An example.** $x = (1, 2, 3)$: $m = 2$, $v = 2/3$, $s = 0.8165$, $y = (-1.2247, 0, 1.2247)$. For
# $\delta = (1, 0, 0)$ the mean of $\delta$ is $0.3333$ and that of $\delta y$ is $-0.4082$:
#
# $$ \frac{1}{0.8165} \big(1 - 0.3333 - 0.5,\;\; -0.3333,\;\; -0.3333 + 0.5 \big) = (0.2041, -0.4082, 0.2041) . $$
#
# In prediction the mean and the deviation are constants, and only the direct path is left: $\delta_j / s$.
# HARD
# This is the hardest derivation of the course, and it is only the chain rule, three times. $x_j$ reaches $y_i$ on
# three paths: directly if $i = j$, through the mean $m$, and through the deviation $s$. Find
# $\partial m / \partial x_j$ and $\partial s / \partial x_j$ first, then $\partial y_i / \partial x_j$, and then add up
# all paths to the loss. The $y$ that forward has computed make the result short.
#
# **To compare:** for $x = (1, 2, 3)$ and $\delta = (1, 0, 0)$, $(0.2041, -0.4082, 0.2041)$ goes back.
#
# In prediction the mean and the deviation are constants. What is left then?
# END
#
# ## By hand
#
# A batch with two rows, $x = (1, 3)$, and $\delta = (1, 0)$. (Leave $\varepsilon$ out.)

# %%
# BLANK
# quiz("normalised", ...)  # y
# quiz("two rows", ...)  # what goes back; does it depend on δ?
# SOLUTION
quiz("normalised", [-1, 1])
quiz("two rows", [0, 0])
# END

# %% [markdown]
# ## Your turn, first part
#
# For images of shape (N, H, W, C) the statistics are taken over the pictures *and* all their places; `axes` names
# all axes but the last.


# %%
class Normalize:
    """Bring every feature to mean 0 and variance 1, over the batch; in prediction, with running statistics."""

    def __init__(self, in_layer, momentum=0.1, epsilon=1e-5):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.momentum = momentum
        self.epsilon = epsilon
        self.training = True
        self.running_mean = np.zeros(in_layer.out_dims[-1])
        self.running_var = np.ones(in_layer.out_dims[-1])

    def forward(self):
        self.in_array = self.in_layer.forward()
        axes = tuple(range(self.in_array.ndim - 1))
        if self.training:
            # BLANK
            # mean = ...  # m of every feature
            # variance = ...  # v of every feature
            # SOLUTION
            mean = self.in_array.mean(axis=axes)
            variance = self.in_array.var(axis=axes)
            # END
            self.update_running(mean, variance)
        else:
            mean, variance = self.running_mean, self.running_var
        self.std = np.sqrt(variance + self.epsilon)  # s
        self.out_array = (self.in_array - mean) / self.std  # y
        return self.out_array

    def update_running(self, mean, variance):
        count = self.in_array.size // self.in_array.shape[-1]
        self.running_mean += self.momentum * (mean - self.running_mean)
        if count > 1:  # a sample's variance is a bit too small, by the factor (count - 1) / count
            self.running_var += self.momentum * (variance * count / (count - 1) - self.running_var)

    def backward(self, dwnstrm):
        axes = tuple(range(dwnstrm.ndim - 1))
        if self.training:
            # BLANK
            # self.pass_back = ...  # the gradient for X
            # SOLUTION
            y = self.out_array
            self.pass_back = (dwnstrm - dwnstrm.mean(axis=axes) - y * (dwnstrm * y).mean(axis=axes)) / self.std
            # END
        else:
            self.pass_back = dwnstrm / self.std
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints Normalize
# 1. Where: mean and variance are taken over all axes but the last; x_j is in y_j, in the mean and in the deviation.
# 2. Which rule: from dwnstrm its mean is taken away, and y times the mean of dwnstrm * y; then divide by s.
# 3. The formula: (Δ - mean(Δ) - y * mean(Δ * y)) / s, with mean(axis=axes) and var(axis=axes).

# %%
Normalize = check(Normalize)

# %% [markdown]
# ## Your turn, second part
#
# Always 0 and 1 may be too strict. A scale for every feature, and a bias after it, let training choose another
# mean and deviation. The bias you have. The scale multiplies every column by a number of its own,
# $y_{ik} = x_{ik} w_k$. Its derivatives are two lines for you by now: remember the sum over everything that uses
# $w_k$. Batch normalisation is then `Bias(Scale(Normalize(x)))`.


# %%
class Scale:
    """Multiply every feature by a trainable number: Y = X * W."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = np.ones((1, in_layer.out_dims[-1]))

    def forward(self):
        self.in_array = self.in_layer.forward()
        # BLANK
        # return ...  # Y
        # SOLUTION
        return self.in_array * self.W
        # END

    def backward(self, dwnstrm):
        axes = tuple(range(dwnstrm.ndim - 1))
        # BLANK
        # self.G = ...  # the gradient for W, in the shape of W
        # self.pass_back = ...  # the gradient for X
        # SOLUTION
        self.G = (dwnstrm * self.in_array).sum(axis=axes).reshape(1, -1)
        self.pass_back = dwnstrm * self.W
        # END
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints Scale
# 1. Where: w_k is used in every row, in column k, and is multiplied by x_ik there.
# 2. Which rule: the derivative of a product for one factor is the other factor; what is copied forward is summed backward.
# 3. The formula: Y = X * W; G is the sum of dwnstrm * X over all axes but the last, as (1, K); dwnstrm * W goes back.

# %%
Scale = check(Scale)

# %% [markdown]
# ## Sahara and Server Room
#
# Six layers deep, and the weights start three times too small, as they do when somebody has forgotten a square
# root. Without the thermostat the digits fade away before they get to the end, and so do the gradients on their
# way back.

# %%
Data, Linear, Relu, Bias, CrossEntropy = library("Data", "Linear", "Relu", "Bias", "CrossEntropy")
Normalize, Scale, Momentum, train_epoch = library("Normalize", "Scale", "Momentum", "train_epoch")
layers_with_weights = library("layers_with_weights")
images, labels, _, _ = digits()
X, one_hot = images.reshape(len(images), -1), np.eye(10)[labels]


def train(with_norm, epochs=4):
    np.random.seed(0)
    data = Data(X)
    layer = data
    for _ in range(5):
        layer = Linear(layer, 32)
        layer.W /= 3
        layer = Relu(Bias(Scale(Normalize(layer)))) if with_norm else Relu(layer)
    loss = CrossEntropy(Linear(layer, 10), one_hot)
    optimizer = Momentum(layers_with_weights(loss), rate=0.02)
    rng = np.random.default_rng(0)
    return [train_epoch(data, loss, optimizer, X, one_hot, 32, rng) for _ in range(epochs)]


without, with_norm = train(with_norm=False), train(with_norm=True)
for epoch, (a, b) in enumerate(zip(without, with_norm), start=1):
    print(f"epoch {epoch}: loss {a:.4f} without, {b:.4f} with batch normalisation")
show(sketch.lines(range(1, 5), {"without": without, "with": with_norm}))
reward(
    "A thermostat. It knows the mean temperature of the office, and how far everybody deviates from it.",
    "Normalize",
    "Scale",
)

# %% [markdown]
# ## Think about it
#
# 1. Without normalisation the loss stays near 2.30. Where have you met that number?
# 2. What does `Normalize` make of a batch that has one row only?

# %% [markdown] answer
# **Answers.**
#
# 1. $\log 10 = 2.303$, the loss of a network that gives all ten classes the same logit (lesson 4). The logits
#    have faded to 0.
# 2. All zeros: one value is its own mean. So nothing of the row is left, and no gradient comes back. That is why
#    training needs batches, and why prediction uses the running statistics.
