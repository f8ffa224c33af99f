# %% [markdown]
# # Lesson 13: Learning by heart
#
# Gabbro once had a support network that answered every question perfectly. It had been trained on the 40 questions
# that there were. Then somebody asked a 41st.
#
# A network with many weights and few examples learns them by heart: the loss of what it has seen goes to 0, and the
# loss of what it has not seen goes up. That is *overfitting*. You need to see it, and you need something against it.
#
# ## A third set
#
# So far there were two sets of data: one to train with, one put aside. But you have looked at the second one, perhaps
# ten times, and have chosen what did best there: the rate, the width, the number of epochs. Whoever chooses the best
# of many on a set of data overfits to it too, with a cup of coffee in the hand.
#
# So there are three: the **training set** for the weights, the **validation set** for your choices, and the **test
# set**, which is looked at once, at the end, and decides nothing.

# %%
import numpy as np
from utility import check, digits, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## Your turn, first part
#
# Put the row numbers into random order with `rng.permutation(num_rows)` and cut it into three: the first
# `num_rows * 3 // 5` for training, then up to `num_rows * 4 // 5` for validation, and the rest for the test. For ten
# rows that is 6, 2 and 2.


# %%
def three_parts(num_rows, rng):
    """Return the row numbers of the training set, of the validation set and of the test set: 3/5, 1/5 and 1/5."""
    # BLANK
    # return ...  # three arrays; every row is in exactly one of them
    # SOLUTION
    order = rng.permutation(num_rows)
    return order[: num_rows * 3 // 5], order[num_rows * 3 // 5 : num_rows * 4 // 5], order[num_rows * 4 // 5 :]
    # END


# %% [markdown] hints three_parts
# 1. Where: one permutation, cut at two places; three permutations would overlap.
# 2. Which rule: order[:a], order[a:b] and order[b:] together are order.
# 3. The formula: order = rng.permutation(num_rows); a, b = num_rows * 3 // 5, num_rows * 4 // 5; return order[:a],
#    order[a:b], order[b:]

# %%
three_parts = check(three_parts)

# %% [markdown]
# ## Dropout
#
# A team in which everybody relies on one colleague is in trouble when that one is ill. Dropout makes units ill at
# random: in training, each entry becomes 0 with probability $p$, in every pass anew. In prediction all are well.
#
# FORMULAS
# With a mask of zeros and ones, $P(z_{ik} = 0) = p$,
#
# $$ Y = \frac{1}{1 - p} \, X \odot Z . $$
#
# The $1/(1 - p)$ keeps the mean: $E[y_{ik}] = \frac{1}{1 - p} \big( (1 - p) \, x_{ik} + p \cdot 0 \big) = x_{ik}$. So
# the next layer gets numbers of the size that it will get in prediction.
#
# **What comes back.** In this pass the mask is a constant, so $\partial y_{ik} / \partial x_{ik} = z_{ik} / (1 - p)$:
# multiply $\Delta$ by the same mask.
# HARD
# What is left has to be made larger, so that the mean of each entry of $Y$ over all masks is the entry of $X$, and
# the next layer gets numbers of the size that it will get in prediction. By which factor? And what comes back, in a
# pass in which the mask was drawn already?
# END
#
# ## By hand
#
# The rate is $p = 0.5$, and the mask says that the upper right entry is dropped:
#
# $$ X = \begin{pmatrix} 1 & 2 \\ -3 & 4 \end{pmatrix}, \quad \Delta = \begin{pmatrix} 1 & 1 \\ 1 & 3 \end{pmatrix} . $$

# %%
# BLANK
# quiz("dropout", ...)  # Y, two rows
# quiz("back through dropout", ...)  # the gradient for X, two rows
# SOLUTION
quiz("dropout", [[2, 0], [-6, 8]])
quiz("back through dropout", [[2, 0], [2, 6]])
# END

# %% [markdown]
# ## Your turn, second part
#
# `np.random.random(shape)` draws numbers from 0 to 1; each is below $p$ with probability $p$.


# %%
class Dropout:
    """In training, set entries to 0 with probability rate and make the others larger; in prediction, do nothing."""

    def __init__(self, in_layer, rate=0.5):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.rate = rate  # p
        self.training = True

    def forward(self):
        self.in_array = self.in_layer.forward()
        if self.training:
            # BLANK
            # self.mask = ...  # 0 with probability p, 1 / (1 - p) otherwise, in the shape of X
            # SOLUTION
            self.mask = (np.random.random(self.in_array.shape) >= self.rate) / (1 - self.rate)
            # END
        else:
            self.mask = np.ones(self.in_array.shape)
        return self.in_array * self.mask

    def backward(self, dwnstrm):
        # BLANK
        # self.pass_back = ...  # the gradient for X
        # SOLUTION
        self.pass_back = dwnstrm * self.mask
        # END
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints Dropout
# 1. Where: the mask is drawn in forward, once a pass, and backward uses the same one.
# 2. Which rule: a number below 1 is at least p with probability 1 - p; what is left is divided by 1 - p, so that the
#    mean stays. A constant factor in the forward pass is the same factor in the backward pass.
# 3. The formula: mask = (np.random.random(shape) >= rate) / (1 - rate), and dwnstrm * mask goes back.

# %%
Dropout = check(Dropout)

# %% [markdown]
# ## Weight decay
#
# To learn by heart, a network needs large weights. So large weights get a price: $\frac{\lambda}{2} \sum w^2$ is added
# to the loss.
#
# FORMULAS
# Its derivative for $w$ is $\lambda w$, and a step of size $r$ takes $r \lambda w$ away:
#
# $$ W \leftarrow (1 - r \lambda) \, W . $$
#
# So every weight shrinks by a small share in each step, unless its gradient pulls it back: *weight decay*.
# HARD
# What does a step of size $r$ against the gradient of this price do to a weight $w$? Write it as a factor.
# END
# Biases are left alone: they shift, and do not make anything steep.
#
# ## By hand
#
# $r = 0.1$ and $\lambda = 0.5$:
#
# $$ W = \begin{pmatrix} 2 & -4 \\ 0 & 1 \end{pmatrix} . $$

# %%
# BLANK
# quiz("decay", ...)  # W after the decay of one step, two rows
# SOLUTION
quiz("decay", [[1.9, -3.8], [0, 0.95]])
# END

# %% [markdown]
# ## Your turn, third part


# %%
def decay_weights(layers, rate, decay):
    """Shrink the weights of some layers as one step of weight decay does."""
    for layer in layers:
        # BLANK
        # layer.W *= ...  # the factor
        # SOLUTION
        layer.W *= 1 - rate * decay
        # END


# %% [markdown] hints decay_weights
# 1. Where: rate is r and decay is λ; every layer shrinks by the same factor.
# 2. Which rule: the derivative of λ/2 w² is λ w; a step takes r times it away.
# 3. The formula: layer.W *= 1 - rate * decay

# %%
decay_weights = check(decay_weights)

# %% [markdown]
# ## The 41st question
#
# A wide network, and 200 digits to train with. The labels were written down by bots, who were right about three
# quarters of them; those of the other two sets are all right. Who learns the mistakes by heart pays in validation.

# %%
Data, Linear, Relu, Bias, CrossEntropy = library("Data", "Linear", "Relu", "Bias", "CrossEntropy")
Adam, Dropout, three_parts, decay_weights = library("Adam", "Dropout", "three_parts", "decay_weights")
train_epoch, layers_with_weights = library("train_epoch", "layers_with_weights")

images, labels, _, _ = digits()
X, one_hot = images.reshape(len(images), -1), np.eye(10)[labels]
rows, validation, test = three_parts(len(X), np.random.default_rng(0))
rows = rows[:200]
bots = np.random.default_rng(1)
mistaken = rows[bots.random(len(rows)) < 0.25]
given = one_hot.copy()
given[mistaken] = np.eye(10)[bots.integers(0, 10, len(mistaken))]


def train(rate_of_dropout, decay, epochs=30):
    np.random.seed(0)
    data = Data(X[rows])
    first = Linear(data, 128)
    dropout = Dropout(Relu(Bias(first)), rate_of_dropout)
    last = Linear(dropout, 10)
    logits = Bias(last)
    loss = CrossEntropy(logits, given[rows])
    optimizer = Adam(layers_with_weights(loss), 0.01)
    rng = np.random.default_rng(0)

    def measure(some):
        """Return the loss of some rows in prediction, and the share that is right."""
        dropout.training = False
        data.set_data(X[some])
        loss.set_labels(given[some])
        value, right = loss.forward(), np.mean(logits.forward().argmax(axis=1) == labels[some])
        dropout.training = True
        return value, right

    history = {"training": [], "validation": []}
    for _ in range(epochs):
        train_epoch(data, loss, optimizer, X[rows], given[rows], 20, rng)
        decay_weights([first, last], 0.01, decay)
        history["training"].append(measure(rows)[0])
        history["validation"].append(measure(validation)[0])
    return history, measure


by_heart, _ = train(0.0, 0.0)
careful, measure = train(0.5, 1.0)
for name, history in (("by heart", by_heart), ("with dropout and decay", careful)):
    print(f"{name:<23} loss {history['training'][-1]:.3f} in training, {history['validation'][-1]:.3f} in validation")
show(
    sketch.lines(
        range(1, 31),
        {
            "training, by heart": by_heart["training"],
            "validation, by heart": by_heart["validation"],
            "training, careful": careful["training"],
            "validation, careful": careful["validation"],
        },
    )
)
print(f"chosen on the validation set; the test, once and at last: {measure(test)[1]:.1%} are right")
reward(
    "A bookshelf with three compartments. You may look into the last one once.",
    "three_parts",
    "Dropout",
    "decay_weights",
)

# %% [markdown]
# ## Think about it
#
# 1. With dropout the loss in training can be larger than the one in validation. How?
# 2. Somebody computes the mean pixel of *all* digits, takes it away, and only then cuts the data into three. What is
#    wrong with that?

# %% [markdown] answer
# **Answers.**
#
# 1. If it is measured while units are dropped: then a part of the network answers in training, and the whole network
#    in validation. (The picture above measures both without dropping.)
# 2. The mean has seen the test set. It is a small leak, and with a stronger computation (which pixels are useful at
#    all?) a large one. Whatever is learned from data is learned from the training set only.
