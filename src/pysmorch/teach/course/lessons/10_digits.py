# %% [markdown]
# # Lesson 10: Your own library
#
# Everything is there: data, layers, a loss, training. Two pieces are missing for a real convolutional network, a
# small one and a middling one. After that your own library, from the first line to the last, reads handwriting.
#
# The board of Gabbro will be watching. The board is Ottoline, Dag, and a chair with three legs that you no longer
# need.

# %%
import numpy as np
from utility import check, digits, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## Flatten
#
# A convolution hands on (N, H, W, C), and a linear layer wants one row for each example. `Flatten` only changes
# the shape: forward from (N, H, W, C) to (N, H·W·C), backward to the shape that came in. No number changes, so
# the derivative of every number is 1.


# %%
class Flatten:
    """Make one row of each example: (N, ...) becomes (N, D)."""

    def __init__(self, in_layer):
        self.in_layer = in_layer
        num_data, *others = in_layer.out_dims
        self.out_dims = (num_data, int(np.prod(others)))

    def forward(self):
        self.in_array = self.in_layer.forward()
        # BLANK
        # return ...  # one row for each example
        # SOLUTION
        return self.in_array.reshape(len(self.in_array), -1)
        # END

    def backward(self, dwnstrm):
        # BLANK
        # self.pass_back = ...  # in the shape that came in
        # SOLUTION
        self.pass_back = dwnstrm.reshape(self.in_array.shape)
        # END
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints Flatten
# 1. Where: the first axis is the batch, and it stays.
# 2. Which rule: reshape changes no number; -1 stands for whatever is left over.
# 3. The formula: X.reshape(len(X), -1), and back dwnstrm.reshape(X.shape).

# %%
Flatten = check(Flatten)

# %% [markdown]
# ## Max pooling
#
# Whether a stroke is a pixel further left or right does not matter much. Max pooling cuts each channel into
# squares of 2 x 2 pixels and keeps the largest number of each, which makes the picture half as wide and half as
# high:
#
# $$ y = \max(x_0, x_1, x_2, x_3) . $$
#
# FORMULAS
# Only the largest number has a say. If it moves a little, $y$ moves as much; if one of the others moves a little,
# nothing happens:
#
# $$ \frac{\partial y}{\partial x_c} = \begin{cases} 1 & \text{if } x_c \text{ is the largest} \\ 0 & \text{otherwise} . \end{cases} $$
#
# If there are several largest ones, the first gets everything. It is ReLU all over again: the gradient passes
# where the forward pass came through.
#
# **An example.** The square $\begin{pmatrix} 1 & 5 \\ 3 & 2 \end{pmatrix}$ gives 5, and with $\delta = 10$ goes
# back $\begin{pmatrix} 0 & 10 \\ 0 & 0 \end{pmatrix}$.
# HARD
# Which of the four numbers has a say in $y$, and how much? If there are several largest ones, the first gets
# everything.
# END
#
# ## By hand
#
# The square $\begin{pmatrix} 4 & 7 \\ 7 & 1 \end{pmatrix}$ with $\delta = 3$.

# %%
# BLANK
# quiz("back through max pooling", ...)  # two rows
# SOLUTION
quiz("back through max pooling", [[0, 3], [0, 0]])
# END

# %% [markdown]
# Cutting and putting together is done for you: `self.squares` has the numbers of each square along its last axis.
# Its shape is (N, H/2, W/2, C, 4). `dwnstrm` has one axis less; `dwnstrm[..., None]` has an axis of length 1 at
# the end.


# %%
class MaxPool2d:
    """Keep the largest number of each square of size x size pixels; what is left over at the border is dropped."""

    def __init__(self, in_layer, size=2):
        self.in_layer = in_layer
        self.size = size
        num_data, height, width, channels = in_layer.out_dims
        self.out_dims = (num_data, height // size, width // size, channels)

    def forward(self):
        self.in_array = self.in_layer.forward()
        size, (num_data, height, width, channels) = self.size, self.in_array.shape
        rows, columns = height // size, width // size
        cut = self.in_array[:, : rows * size, : columns * size]
        cut = cut.reshape(num_data, rows, size, columns, size, channels)
        self.squares = cut.transpose(0, 1, 3, 5, 2, 4).reshape(num_data, rows, columns, channels, size * size)
        # BLANK
        # return ...  # the largest number of each square
        # SOLUTION
        return self.squares.max(axis=-1)
        # END

    def backward(self, dwnstrm):
        size, (num_data, rows, columns, channels) = self.size, dwnstrm.shape
        largest = self.squares.argmax(axis=-1)  # which of the 4 it is: 0, 1, 2 or 3
        places = np.arange(size * size)  # 0, 1, 2, 3
        # BLANK
        # square_grads = ...  # in the shape of self.squares: dwnstrm where places is largest, 0 elsewhere
        # SOLUTION
        square_grads = np.where(places == largest[..., None], dwnstrm[..., None], 0)
        # END
        cut = square_grads.reshape(num_data, rows, columns, channels, size, size).transpose(0, 1, 4, 2, 5, 3)
        self.pass_back = np.zeros(self.in_array.shape)
        self.pass_back[:, : rows * size, : columns * size] = cut.reshape(
            num_data, rows * size, columns * size, channels
        )
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints MaxPool2d
# 1. Where: self.squares has the four numbers along its last axis, and largest says which of them it was.
# 2. Which rule: the gradient goes where the maximum came from, and only there.
# 3. The formula: self.squares.max(axis=-1); and np.where(places == largest[..., None], dwnstrm[..., None], 0).

# %%
MaxPool2d = check(MaxPool2d)

# %% [markdown]
# ## The day before the board
#
# Everything below is yours, as far as you have solved the lessons. The data are the 8 x 8 digits that come with
# scikit-learn. If you put MNIST's files (the images and the labels, in idx format, packed with gzip or not)
# beside this lesson, those are used instead: 28 x 28 pixels, and it takes a little longer.

# %%
Data, Linear, Relu, Bias, CrossEntropy = library("Data", "Linear", "Relu", "Bias", "CrossEntropy")
Conv2d, Normalize, Scale, Flatten, MaxPool2d = library("Conv2d", "Normalize", "Scale", "Flatten", "MaxPool2d")
Momentum, train_epoch, layers_with_weights = library("Momentum", "train_epoch", "layers_with_weights")

images, labels, test_images, test_labels = digits(mnist=True)
one_hot = np.eye(10)[labels]

np.random.seed(0)
data = Data(images[:1])
convolution = Conv2d(data, num_filters=8, kernel_size=3)
normalize = Normalize(convolution)
logits = Bias(Linear(Flatten(MaxPool2d(Relu(Bias(Scale(normalize))))), 10))
loss = CrossEntropy(logits, one_hot[:1])
optimizer = Momentum(layers_with_weights(loss), rate=0.02)
rng = np.random.default_rng(0)


def share_right(images, labels, batch_size=500):
    """Return which share of the images the network reads as it should, with the running statistics."""
    normalize.training = False
    right = 0
    for start in range(0, len(images), batch_size):
        data.set_data(images[start : start + batch_size])
        right += np.sum(logits.forward().argmax(axis=1) == labels[start : start + batch_size])
    normalize.training = True
    return right / len(images)


for epoch in range(5):
    value = train_epoch(data, loss, optimizer, images, one_hot, 32, rng)
    optimizer.rate *= 0.7  # large steps at first, small ones to come to rest
    right = share_right(test_images, test_labels)
    print(f"epoch {epoch + 1}: loss {value:.4f}; of digits it has never seen, {right:.1%} are right")

# %% [markdown]
# ## The board meets

# %%
filters = convolution.W[:, :, 0, :] - convolution.W.min()
show(sketch.images({f"filter {k + 1}": filters[:, :, k] for k in range(filters.shape[2])}))
if right >= 0.95:
    reward(
        f"A button for the lift that says UP. {right:.1%} of the visitors' book can be read, and you are the new head of everything.",
        "Flatten",
        "MaxPool2d",
    )
else:
    print(
        f"The board had expected 95% of the digits to be right, and found {right:.1%}. Which lesson's piece is not what it should be?"
    )

# %% [markdown]
# ## Think about it
#
# 1. Where do most of the weights of this network sit: in the convolution, or in the linear layer?
# 2. You have written a neural-network library. What is the first thing that you would make faster, and how would
#    you find out?

# %% [markdown] answer
# **Answers.**
#
# 1. The convolution has $3 \cdot 3 \cdot 1 \cdot 8 = 72$. The linear layer has, for the 8 x 8 digits,
#    $4 \cdot 4 \cdot 8 \cdot 10 = 1280$, and for MNIST $14 \cdot 14 \cdot 8 \cdot 10 = 15680$.
# 2. Measure before you guess: `python -m cProfile -s tottime 10_digits.py` shows in which function the time goes.
#    (It is the convolution. PySmorch's own runs in a compiled program; compare the two by deleting `Conv2d` from
#    `my_smorch.py`.)
