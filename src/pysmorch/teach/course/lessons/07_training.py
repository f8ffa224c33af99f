# %% [markdown]
# # Lesson 7: Training
#
# So far you have gone down in the lift with all data at once and with steps of the same kind. Both will change
# today, and in the end a network of your own will read handwritten numbers. Gabbro needs that for its visitors'
# book, which is on paper.
#
# ## Small batches
#
# The loss is a mean over all $M$ examples, and so is its gradient. A mean can be estimated from a sample: the
# gradient over 32 random rows points, on average, in the same direction as that over all rows, and costs a
# fraction. Many cheap steps that are roughly right beat a few exact ones.
#
# An *epoch* uses every row once: put the rows into random order, cut the order into batches, make one step for
# each.
#
# ## Momentum
#
# Your chair has castors by now. If you push it ten times in the same direction, it does not make ten small steps;
# it gets faster. That is the idea:
#
# FORMULAS
# $$ v \leftarrow \mu v + G, \qquad W \leftarrow W - r \, v . $$
#
# $v$ is the velocity, one array for each $W$ and in its shape, 0 at the beginning; $\mu$ is how much of it is
# left after a step (0.9, say), and $r$ is the learning rate. Write out what $v$ is after $t$ steps with gradients
# $G_1, \dots, G_t$:
#
# $$ v_t = G_t + \mu G_{t-1} + \mu^2 G_{t-2} + \cdots $$
#
# If all gradients are equal, this is a geometric series with the limit $G/(1 - \mu)$: for $\mu = 0.9$ ten times
# the gradient. If they point here and there, they cancel. So steady directions are amplified, and zigzags are
# damped.
#
# **An example.** $G = 1$ in every step, $\mu = 0.5$, $r = 0.1$, and $W$ begins at 1:
#
# | step | $v$ | $W$ |
# |---|---|---|
# | 1 | 1 | 0.9 |
# | 2 | 1.5 | 0.75 |
# | 3 | 1.75 | 0.575 |
# HARD
# There is a velocity $v$, one array for each $W$ and in its shape, 0 at the beginning. In a step it keeps the share
# $\mu$ of itself (0.9, say), and gains the gradient; then $W$ moves against it, by the learning rate $r$ times $v$.
# Write this in two lines, and find out how large $v$ gets when all gradients are equal.
#
# With $G = 1$ in every step, $\mu = 0.5$ and $r = 0.1$, a $W$ that begins at 1 goes to 0.9, 0.75 and 0.575.
# END

# %%
import numpy as np
from utility import check, digits, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## By hand
#
# $G = 2$ in every step, $\mu = 0.5$, $r = 0.1$, and $W$ begins at 0.

# %%
# BLANK
# quiz("velocity", ...)  # v after one, two and three steps
# quiz("weight", ...)  # W after one, two and three steps
# SOLUTION
quiz("velocity", [2, 3, 3.5])
quiz("weight", [-0.2, -0.5, -0.85])
# END

# %% [markdown]
# ## Your turn, first part
#
# `step` is called after `backward`, so every layer has its `G`. The arrays in `self.velocities` belong to the
# optimizer and have to remember: change them in place (`velocity *= ...`, `velocity += ...`). A plain
# `velocity = ...` would give a new array a familiar name and leave the old one as it was.


# %%
class Momentum:
    """Gradient descent with momentum for the weights of some layers."""

    def __init__(self, layers, rate, momentum=0.9):
        self.layers = layers
        self.rate = rate
        self.momentum = momentum
        self.velocities = [np.zeros(layer.W.shape) for layer in layers]

    def step(self):
        for layer, velocity in zip(self.layers, self.velocities):
            # BLANK
            # ...  # the new velocity, in place
            # ...  # the step of layer.W
            # SOLUTION
            velocity *= self.momentum
            velocity += layer.G
            layer.W -= self.rate * velocity
            # END


# %% [markdown] hints Momentum
# 1. Where: velocity is the array that remembers; layer.G is new in every step.
# 2. Which rule: first the velocity, then the weights with the new velocity; both in place, so that the arrays stay the same ones.
# 3. The formula: velocity *= self.momentum; velocity += layer.G; layer.W -= self.rate * velocity

# %%
Momentum = check(Momentum)

# %% [markdown]
# ## Your turn, second part
#
# One epoch. For every batch: hand its rows to `data` (`set_data`) and its labels to `loss` (`set_labels`), run
# forward and backward, and make a step. The function returns the mean loss of all rows. The last batch may be
# smaller, so a batch counts as often as it has rows.


# %%
def train_epoch(data, loss, optimizer, X, labels, batch_size, rng):
    """Use every row once, in random order; return the mean loss of the rows on the way."""
    order = rng.permutation(len(X))
    total = 0.0
    for start in range(0, len(X), batch_size):
        rows = order[start : start + batch_size]  # the numbers of the rows of this batch
        # BLANK
        # ...  # hand over these rows of X and labels
        # ...  # add the loss of the batch, times its number of rows, to total
        # ...  # backward, and a step
        # SOLUTION
        data.set_data(X[rows])
        loss.set_labels(labels[rows])
        total += len(rows) * loss.forward()
        loss.backward()
        optimizer.step()
        # END
    return total / len(X)


# %% [markdown] hints train_epoch
# 1. Where: rows has the numbers of the rows of this batch; X[rows] are the rows themselves, and labels[rows] their labels.
# 2. Which rule: set_data and set_labels, then forward, then backward, then the step; a mean over len(rows) rows counts len(rows) times.
# 3. The formula: data.set_data(X[rows]); loss.set_labels(labels[rows]); total += len(rows) * loss.forward(); loss.backward(); optimizer.step()

# %%
train_epoch = check(train_epoch)

# %% [markdown]
# ## Handwriting
#
# 1,797 digits of 8 times 8 pixels. A quarter of them is put aside, and the network never sees it while it trains:
# how it does on those is the only figure that counts.

# %%
Data, Linear, Relu, Bias, CrossEntropy = library("Data", "Linear", "Relu", "Bias", "CrossEntropy")
Momentum, train_epoch, layers_with_weights = library("Momentum", "train_epoch", "layers_with_weights")

images, labels, test_images, test_labels = digits()
X, test_X = images.reshape(len(images), -1), test_images.reshape(len(test_images), -1)
one_hot = np.eye(10)[labels]

np.random.seed(0)
data = Data(X)
logits = Bias(Linear(Relu(Bias(Linear(data, 64))), 10))
loss = CrossEntropy(logits, one_hot)
optimizer = Momentum(layers_with_weights(loss), rate=0.05)
rng = np.random.default_rng(0)
losses = []
for epoch in range(10):
    losses.append(train_epoch(data, loss, optimizer, X, one_hot, 32, rng))
    print(f"epoch {epoch + 1:2}: loss {losses[-1]:.4f}")
data.set_data(test_X)
guess = logits.forward().argmax(axis=1)
right = np.mean(guess == test_labels)
print(f"{right:.1%} of the digits that it has never seen are right; some of the others:")
wrong = np.flatnonzero(guess != test_labels)[:4]
show(sketch.images({f"{test_labels[i]}, taken for {guess[i]}": test_images[i, :, :, 0] for i in wrong}))
show(sketch.lines(range(1, 11), {"loss": losses}))
reward("A corridor for your chair. It rolls on after you have stopped pushing.", "Momentum", "train_epoch")

# %% [markdown]
# ## Think about it
#
# 1. Set the momentum to 0. What learning rate would you now need for steps of about the same size?
# 2. Why is the loss that `train_epoch` returns not exactly the loss of the network at the end of the epoch?

# %% [markdown] answer
# **Answers.**
#
# 1. About ten times as large, 0.5: with $\mu = 0.9$ steady gradients add up to $1/(1 - 0.9) = 10$ times their
#    size.
# 2. Every batch was measured with the weights of its moment. The first batches met a network that had not learned
#    from the later ones yet, so the mean is usually a little too high.
