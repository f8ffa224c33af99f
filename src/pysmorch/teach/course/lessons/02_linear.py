# %% [markdown]
# # Lesson 2: A linear layer
#
# Fenwick's notes on the linear layer consist of the sentence "trivial, see whiteboard". The whiteboard has been
# wiped. It is now a shopping list for Dag, the system administrator, who once got a server to run again by
# switching it off, and has switched off everything else since.
#
# The layer takes every row of $X$ and multiplies it by a matrix $W$ of numbers that training can change:
#
# $$ Y = X W, \qquad y_{ik} = \sum_{d=1}^{D} x_{id} \, w_{dk} . $$
#
# $X$ is $M \times D$ (rows are examples, columns are features), $W$ is $D \times K$, and $Y$ is $M \times K$.

# %%
import numpy as np
from utility import check, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## What comes back
#
# Somewhere after this layer there is a loss $L$. We need not know what happens in between, because `backward` is
# handed the answer: an array `dwnstrm`, call it $\Delta$, of the shape of $Y$, with
#
# $$ \delta_{ik} = \frac{\partial L}{\partial y_{ik}} , $$
#
# that is, how much the loss reacts when $y_{ik}$ moves. From it the layer has to make two things: the gradient
# for $W$, which it keeps as `self.G`, and the gradient for $X$, which it keeps as `self.pass_back` and hands to the
# layer before.
#
# The chain rule says: to see how $L$ reacts to some number $z$, follow every path by which $z$ gets to $L$, and
# add them up.
#
# $$ \frac{\partial L}{\partial z} = \sum_{i,k} \frac{\partial L}{\partial y_{ik}} \frac{\partial y_{ik}}{\partial z}
#    = \sum_{i,k} \delta_{ik} \frac{\partial y_{ik}}{\partial z} . $$
#
# FORMULAS
# **The gradient for W.** Take $z = w_{ab}$. It appears in $y_{ik}$ only if $k = b$, and there it is multiplied by
# $x_{ia}$. So the sum over $k$ has one term left, and
#
# $$ \frac{\partial L}{\partial w_{ab}} = \sum_{i=1}^{M} \delta_{ib} \, x_{ia} = \sum_{i=1}^{M} (X^T)_{ai} \, \delta_{ib} = (X^T \Delta)_{ab} . $$
#
# Every example uses the same $W$, so every example has its say: that is the sum over $i$.
#
# **The gradient for X.** Take $z = x_{ab}$. It appears in row $a$ of $Y$ only, and there in every column $k$,
# multiplied by $w_{bk}$. So
#
# $$ \frac{\partial L}{\partial x_{ab}} = \sum_{k=1}^{K} \delta_{ak} \, w_{bk} = \sum_{k=1}^{K} \delta_{ak} \, (W^T)_{kb} = (\Delta W^T)_{ab} . $$
#
# Altogether
#
# $$ G = X^T \Delta \quad (D \times K), \qquad \text{hand back } \Delta W^T \quad (M \times D) . $$
#
# If you forget it, think of the shapes: a gradient has the shape of what it belongs to, and there is only one way
# to multiply $X$ ($M \times D$) and $\Delta$ ($M \times K$) that gives $D \times K$.
#
# **An example** with one row, two features and two outputs:
#
# $$ X = \begin{pmatrix} 1 & 2 \end{pmatrix}, \quad
#    W = \begin{pmatrix} 3 & 0 \\ -1 & 1 \end{pmatrix}, \quad
#    Y = \begin{pmatrix} 1 & 2 \end{pmatrix}, \quad
#    \Delta = \begin{pmatrix} 10 & 1 \end{pmatrix} $$
#
# $$ G = \begin{pmatrix} 1 \\ 2 \end{pmatrix} \begin{pmatrix} 10 & 1 \end{pmatrix} = \begin{pmatrix} 10 & 1 \\ 20 & 2 \end{pmatrix}, \quad
#    \Delta W^T = \begin{pmatrix} 10 & 1 \end{pmatrix} \begin{pmatrix} 3 & -1 \\ 0 & 1 \end{pmatrix} = \begin{pmatrix} 30 & -9 \end{pmatrix} . $$
# HARD
# **The gradient for W.** Take $z = w_{ab}$. In which entries of $Y$ does it appear, and what is it multiplied by?
#
# **The gradient for X.** Take $z = x_{ab}$, and ask the same.
#
# Then write both results as products of whole arrays.
# END
#
# ## By hand
#
# $$ X = \begin{pmatrix} 1 & 0 \\ 2 & 1 \end{pmatrix}, \quad W = \begin{pmatrix} 1 & 2 \\ 0 & -1 \end{pmatrix}, \quad
#    \Delta = \begin{pmatrix} 1 & 1 \\ 0 & 2 \end{pmatrix} . $$

# %%
# BLANK
# quiz("gradient of W", ...)  # G, two rows
# quiz("back through Linear", ...)  # the gradient for X, two rows
# SOLUTION
quiz("gradient of W", [[1, 5], [0, 2]])
quiz("back through Linear", [[3, -1], [4, -2]])
# END

# %% [markdown]
# ## Your turn
#
# `W` starts with random numbers. They are divided by $\sqrt{D}$, so that a sum of $D$ of them is about as large
# as one of them: otherwise the numbers would grow from layer to layer.


# %%
class Linear:
    """Multiply every row by a matrix: Y = X W."""

    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        num_rows, num_features = in_layer.out_dims
        self.out_dims = (num_rows, num_out_features)
        self.W = np.random.randn(num_features, num_out_features) / np.sqrt(num_features)

    def forward(self):
        self.in_array = self.in_layer.forward()
        # BLANK
        # return ...  # Y
        # SOLUTION
        return self.in_array @ self.W
        # END

    def backward(self, dwnstrm):
        # BLANK
        # self.G = ...  # the gradient for W
        # self.pass_back = ...  # the gradient for X
        # SOLUTION
        self.G = self.in_array.T @ dwnstrm
        self.pass_back = dwnstrm @ self.W.T
        # END
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints Linear
# 1. Where: w_ab appears in column b of Y, in every row; x_ab appears in row a of Y, in every column.
# 2. Which rule: add up δ times the derivative over all paths. A gradient has the shape of what it belongs to, and there is only one way to multiply arrays of these shapes that gives it.
# 3. The formula: Y = X W, G = Xᵀ Δ, and Δ Wᵀ goes back; in NumPy @ multiplies matrices and .T transposes.

# %%
Linear = check(Linear)

# %% [markdown]
# ## Fitting a plane
#
# Ottoline has a theory: the minutes that a user spends on Gabbro are 3 times the number of their friends minus 2
# times the number of birthday wishes by bots. The data below are made after her theory, with some noise, and the
# layer does not know the 3 and the -2. It takes the lift.

# %%
Data, SquareLoss, Linear = library("Data", "SquareLoss", "Linear")
rng = np.random.default_rng(3)
users = rng.standard_normal((100, 2))
minutes = users @ np.array([[3.0], [-2.0]]) + 0.1 * rng.standard_normal((100, 1))
layer = Linear(Data(users), 1)
loss = SquareLoss(layer, minutes)
losses = []
for step in range(40):
    losses.append(loss.forward())
    loss.backward()
    layer.W -= 0.2 * layer.G
print(f"loss {losses[0]:.4f} at first, {losses[-1]:.4f} in the end; W = {layer.W.ravel().round(2).tolist()}")
show(sketch.lines(range(40), {"loss": losses}))
reward("A castor for your chair. You now move in a straight line.", "Linear")

# %% [markdown]
# ## Think about it
#
# 1. The loss does not go to 0 but stops near 0.005. Where does that number come from?
# 2. A layer with 1000 inputs and 1000 outputs gets a batch of 100 rows. How many multiplications does forward
#    need, and how many backward?

# %% [markdown] answer
# **Answers.**
#
# 1. It is the noise: $\frac{1}{2M}\sum (0.1\,\varepsilon_i)^2 \approx 0.1^2 / 2 = 0.005$. No $W$ can explain
#    noise; and if one could, we should not be proud of it.
# 2. Forward $100 \cdot 1000 \cdot 1000 = 10^8$. Backward is two such products, so twice as many. This is the rule
#    of thumb that a step of training costs three forward passes.
