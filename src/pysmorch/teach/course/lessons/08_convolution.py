# %% [markdown]
# # Lesson 8: Convolution
#
# The linear layer looks at a picture as at a list. Shuffle the pixels, the same for all pictures, and it learns
# just as well: it has no idea that two pixels are neighbours. And what it learns about an edge in the upper left
# corner does not help it with an edge in the lower right.
#
# A convolution looks through a small window, and slides the same window over the whole picture. You are about to
# get one: the room has none so far.
#
# ## What it computes
#
# Pictures are arrays of shape (N, H, W, C): the picture, the row, the column, the channel (one for grey, three
# for colours). With a window of $k \times k$ places and $K$ filters, the weights are an array of shape
# $(k, k, C, K)$. At the place $(i, j)$ of a picture
#
# $$ y_{ij} = \sum_{a=0}^{k-1} \sum_{b=0}^{k-1} x_{i+a,\,j+b} \; W_{ab} , $$
#
# where $x_{i+a,\,j+b}$ is a row with the $C$ channels of one pixel, and $W_{ab}$ is a $C \times K$ matrix. So a
# convolution is a sum of linear layers, one for each place $(a, b)$ in the window, which share their results and
# look at the picture each a bit further along.
#
# At the border the window looks beyond the picture. We put zeros around it first, so many that the output is as
# large as the input, and let $x$ stand for the picture with these zeros.
#
# **An example** with one row of pixels, one channel, and a window of three:
#
# $$ (1, 2, 3, 4) \to x = (0, 1, 2, 3, 4, 0), \qquad W = (1, 0, -1), \qquad y_i = x_i - x_{i+2} $$
# $$ y = (0 - 2,\; 1 - 3,\; 2 - 4,\; 3 - 0) = (-2, -2, -2, 3) . $$
#
# This filter measures the slope, and gets a fright at the end of the world.

# %%
import numpy as np
from utility import check, digits, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## What comes back
#
# Take one place $(a, b)$ of the window. Its linear layer sees the part of the padded pictures that begins at row
# $a$ and column $b$ and is as large as the output. Call it $X^{(ab)}$, an array of shape (N, H, W, C):
#
# $$ Y = \sum_{a,b} X^{(ab)} W_{ab} . $$
#
# FORMULAS
# From lesson 2 you know what goes back through $X^{(ab)} W_{ab}$. A sum hands its gradient to all of its terms,
# so each is handed the same $\Delta$:
#
# $$ G_{ab} = \sum_{n,i,j} \big(x^{(ab)}_{nij}\big)^T \, \delta_{nij} \quad (C \times K), \qquad
#    \frac{\partial L}{\partial X^{(ab)}} = \Delta \, W_{ab}^T . $$
#
# - $G_{ab}$ sums over all pictures and all places, because the same $W_{ab}$ is used everywhere: what is copied
#   on the way forward is summed on the way back.
# - A pixel is seen by many places of the window, so what comes back from them is *added up*, each at the part of
#   the picture that it looked at.
# - The zeros around get a gradient too. Nobody wants it; it is cut off.
#
# In the example with $\Delta = (1, 0, 0, 0)$: only $y_0 = x_0 w_0 + x_1 w_1 + x_2 w_2$ counts, so
# $G = (x_0, x_1, x_2) = (0, 1, 2)$, and back to the padded $x$ go $(1, 0, -1, 0, 0, 0)$, without the border
# $(0, -1, 0, 0)$.
# HARD
# From lesson 2 you know what goes back through $X^{(ab)} W_{ab}$, and a sum hands its gradient to all of its terms.
# Which pictures and places use the same $W_{ab}$? And what becomes of a pixel that is seen by many places of the
# window? The zeros around get a gradient too. Nobody wants it; it is cut off.
# END
#
# ## By hand
#
# One row of three pixels, one channel, a window of three: the pixels $(1, 2, 3)$, $W = (1, 0, -1)$, and
# $\Delta = (0, 1, 0)$.

# %%
# BLANK
# quiz("convolution", ...)  # y
# quiz("gradient of the filter", ...)  # G
# quiz("back to the pixels", ...)  # without the border
# SOLUTION
quiz("convolution", [-2, -2, 2])
quiz("gradient of the filter", [1, 2, 3])
quiz("back to the pixels", [1, 0, -1])
# END

# %% [markdown]
# ## Your turn
#
# `self.padded[:, a : a + height, b : b + width]` is $X^{(ab)}$. In NumPy `@` multiplies along the last axis of an
# array of four axes too. For the sum in $G_{ab}$ make long matrices first: `array.reshape(-1, C)` has one row for
# each picture and place.


# %%
class Conv2d:
    """Slide a window of kernel_size x kernel_size places over images: (N, H, W, C) becomes (N, H, W, num_filters)."""

    def __init__(self, in_layer, num_filters, kernel_size):
        self.in_layer = in_layer
        num_data, height, width, channels = in_layer.out_dims
        self.out_dims = (num_data, height, width, num_filters)
        self.kernel_size = kernel_size
        weights = np.random.randn(kernel_size, kernel_size, channels, num_filters)
        self.W = weights / np.sqrt(kernel_size**2 * channels)

    def forward(self):
        self.in_array = self.in_layer.forward()
        num_data, height, width, channels = self.in_array.shape
        before, after = (self.kernel_size - 1) // 2, self.kernel_size // 2
        self.padded = np.pad(self.in_array, ((0, 0), (before, after), (before, after), (0, 0)))
        out = np.zeros((num_data, height, width, self.W.shape[3]))
        for a in range(self.kernel_size):
            for b in range(self.kernel_size):
                # BLANK
                # out += ...  # what the place (a, b) of the window adds to Y
                # SOLUTION
                out += self.padded[:, a : a + height, b : b + width] @ self.W[a, b]
                # END
        return out

    def backward(self, dwnstrm):
        num_data, height, width, channels = self.in_array.shape
        self.G = np.zeros(self.W.shape)
        padded_grad = np.zeros(self.padded.shape)
        for a in range(self.kernel_size):
            for b in range(self.kernel_size):
                # BLANK
                # self.G[a, b] = ...  # the sum over all pictures and places
                # padded_grad[:, a : a + height, b : b + width] += ...  # what goes back to this part of the pictures
                # SOLUTION
                seen = self.padded[:, a : a + height, b : b + width]
                self.G[a, b] = seen.reshape(-1, channels).T @ dwnstrm.reshape(-1, dwnstrm.shape[3])
                padded_grad[:, a : a + height, b : b + width] += dwnstrm @ self.W[a, b].T
                # END
        before = (self.kernel_size - 1) // 2
        self.pass_back = padded_grad[:, before : before + height, before : before + width]
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints Conv2d
# 1. Where: one place (a, b) of the window is a linear layer, of the padded pictures that begin at row a and column b.
# 2. Which rule: forward adds up the places; G[a, b] sums over all pictures and positions; what goes back is added at the part of the pictures that was looked at.
# 3. The formula: out += seen @ W[a, b]; G[a, b] = long(seen).T @ long(dwnstrm), where long(x) is x.reshape(-1, its last axis); dwnstrm @ W[a, b].T goes back.

# %%
Conv2d = check(Conv2d)

# %% [markdown]
# ## Edges
#
# Two filters made by hand, in the manner of the example: one measures the slope to the right, the other the slope
# downwards. Look at which strokes of a digit each of them sees.

# %%
Data, Conv2d = library("Data", "Conv2d")
images, labels, _, _ = digits()
seven = images[labels == 7][:1]
layer = Conv2d(Data(seven), num_filters=2, kernel_size=3)
slope = np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]) / 4
layer.W[:, :, 0, 0], layer.W[:, :, 0, 1] = slope, slope.T
edges = layer.forward()
pictures = {"a seven": seven[0, :, :, 0]}
pictures["from left to right"] = np.abs(edges[0, :, :, 0])
pictures["from top to bottom"] = np.abs(edges[0, :, :, 1])
show(sketch.images(pictures))
reward("A window. It is three pixels wide, but you may slide it.", "Conv2d")

# %% [markdown]
# ## Think about it
#
# 1. A layer turns 28 x 28 pictures with one channel into 8 channels of the same size. How many weights does it
#    have with a 3 x 3 window, and how many has a linear layer that does the same job?
# 2. If a picture is moved one pixel to the right, what happens to the output of a convolution? And to that of a
#    linear layer?

# %% [markdown] answer
# **Answers.**
#
# 1. $3 \cdot 3 \cdot 1 \cdot 8 = 72$. The linear layer has $784 \cdot 6272$, almost five million.
# 2. It moves along, one pixel to the right (except at the border): the layer is *equivariant* to shifts. The
#    output of a linear layer becomes something else altogether.
