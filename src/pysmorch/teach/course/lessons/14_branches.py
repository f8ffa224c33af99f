# %% [markdown]
# # Lesson 14: Branches
#
# All your networks have been corridors: one door in, one door out. Gabbro's building is not like that. There is a
# back staircase that leads from the first floor to the eleventh, past ten floors of meetings. Everybody who has ever
# got anything done has used it.
#
# Deep networks have such staircases too. A *residual block* (He and others, 2016) takes an input, lets some layers
# work on it, and adds the input to what they have made:
#
# $$ Y = X + f(X) . $$
#
# For that you need a layer with two inputs, and a way through a network in which one output has two readers.

# %%
import numpy as np
from utility import check, digits, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## A layer with two inputs
#
# `Add` reads two layers and adds what they return, entry by entry: $Y = A + B$.
#
# FORMULAS
# What comes back? $y_{ik} = a_{ik} + b_{ik}$ has the derivative 1 for both, so each of them gets all of $\Delta$:
#
# $$ \frac{\partial L}{\partial A} = \Delta, \qquad \frac{\partial L}{\partial B} = \Delta . $$
#
# Nothing is shared out. A gradient is no money: it says how the loss reacts, and it reacts to each of the two.
# HARD
# What comes back to $A$, and what to $B$? Derive it for one entry.
# END
#
# ## Your turn, first part


# %%
class Add:
    """The sum of two layers of the same shape."""

    def __init__(self, left, right):
        self.left = left
        self.right = right
        self.out_dims = left.out_dims

    def forward(self):
        # BLANK
        # return ...  # a new array: others may read the inputs too
        # SOLUTION
        return self.left.forward() + self.right.forward()
        # END

    def backward(self, dwnstrm):
        # BLANK
        # ...  # to the left input
        # ...  # to the right input
        # SOLUTION
        self.left.backward(dwnstrm)
        self.right.backward(dwnstrm)
        # END


# %% [markdown] hints Add
# 1. Where: there are two inputs, self.left and self.right, and both have a forward and a backward.
# 2. Which rule: the derivative of a sum for each of its terms is 1.
# 3. The formula: return self.left.forward() + self.right.forward(); self.left.backward(dwnstrm), and the same for
#    self.right.

# %%
Add = check(Add)

# %% [markdown]
# ## One output, two readers
#
# In a residual block the layer before it has two readers: $f$, and the sum. What does it get back? It reaches the loss
# on two paths, and the chain rule adds up all paths:
#
# FORMULAS
# $$ \frac{\partial L}{\partial X} = \Delta + \big(\text{what comes back through } f\big) . $$
#
# **An example** with $f(X) = \max(X, 0)$:
#
# $$ X = \begin{pmatrix} 1 & -1 \\ 2 & 0 \end{pmatrix}, \quad Y = \begin{pmatrix} 2 & -1 \\ 4 & 0 \end{pmatrix}, \quad
#    \Delta = \begin{pmatrix} 1 & 1 \\ 1 & 1 \end{pmatrix}, \quad
#    \frac{\partial L}{\partial X} = \begin{pmatrix} 1 & 1 \\ 1 & 1 \end{pmatrix} + \begin{pmatrix} 1 & 0 \\ 1 & 0 \end{pmatrix}
#    = \begin{pmatrix} 2 & 1 \\ 2 & 1 \end{pmatrix} . $$
#
# That is the use of the staircase: $\Delta$ itself arrives at the front, whatever $f$ does to it.
# HARD
# what comes back along the staircase, and what comes back through $f$. Write down both.
# END
#
# So far every layer calls the one before it. With two readers this goes wrong: it would be called twice, compute
# everything before it twice, and its `backward` would be called twice too, each time with a part of its gradient, and
# the second `G` would overwrite the first. Somebody has to stand between the layers, hold what was computed, and
# collect what comes back. That is a `Node`.
#
# ## By hand
#
# A residual block with $f(X) = \max(X, 0)$:
#
# $$ X = \begin{pmatrix} 3 & -2 \\ -1 & 1 \end{pmatrix}, \quad \Delta = \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} . $$

# %%
# BLANK
# quiz("residual block", ...)  # Y, two rows
# quiz("back through both", ...)  # the gradient for X, two rows
# SOLUTION
quiz("residual block", [[6, -2], [-1, 2]])
quiz("back through both", [[2, 2], [3, 8]])
# END

# %% [markdown]
# ## Your turn, second part
#
# `run` is called once a pass. Then every reader calls `forward`, and later `backward`, each with its own part.


# %%
class Node:
    """Stands between a layer and its readers: holds what it returned, and collects the gradient for it."""

    def __init__(self, layer):
        self.layer = layer
        self.out_dims = layer.out_dims

    def run(self):
        """Run the layer once, before its readers."""
        self.value = self.layer.forward()
        self.grad = np.zeros(self.value.shape)

    def forward(self):
        return self.value

    def backward(self, dwnstrm):
        # BLANK
        # self.grad = ...  # with what this reader passes back
        # SOLUTION
        self.grad = self.grad + dwnstrm
        # END


# %% [markdown] hints Node
# 1. Where: backward is called once by each reader, and grad is 0 before the first of them.
# 2. Which rule: the chain rule adds up all paths.
# 3. The formula: self.grad = self.grad + dwnstrm

# %%
Node = check(Node)

# %% [markdown]
# ## Your turn, third part
#
# A network is now a list of nodes, in the order in which they were made. A layer is made after its inputs, so in the
# forward pass the list is in the right order: every node runs when its inputs have. And in the backward pass?


# %%
def run_backward(nodes, loss):
    """Backpropagate: the loss first, then every layer, once, when all of its readers have passed back their parts."""
    # BLANK
    # ...  # the loss
    # for node in ...:  # in the right order
    #     ...  # the layer of the node gets the node's gradient
    # SOLUTION
    loss.backward()
    for node in reversed(nodes):
        node.layer.backward(node.grad)
    # END


# %% [markdown] hints run_backward
# 1. Where: the readers of a node were all made after it, so they stand behind it in the list.
# 2. Which rule: a layer may go back when its gradient is complete, that is, after all of its readers.
# 3. The formula: loss.backward(), then for node in reversed(nodes): node.layer.backward(node.grad)

# %%
run_backward = check(run_backward)

# %% [markdown]
# ## Is it right?
#
# A residual block of your own, and `numerical_gradient` of lesson 6 to compare with.

# %%
Data, Linear, Relu, Bias, CrossEntropy = library("Data", "Linear", "Relu", "Bias", "CrossEntropy")
Add, Node, run_backward, numerical_gradient = library("Add", "Node", "run_backward", "numerical_gradient")


class Graph:
    """A network as a list of nodes, with a loss at its end."""

    def __init__(self):
        self.nodes = []

    def add(self, layer):
        """Put a layer at the end, and return the node that stands for it."""
        self.nodes.append(Node(layer))
        return self.nodes[-1]

    def set_labels(self, labels):
        self.loss.set_labels(labels)

    def forward(self):
        for node in self.nodes:
            node.run()
        return self.loss.forward()

    def backward(self):
        run_backward(self.nodes, self.loss)

    def layers_with_weights(self):
        return [node.layer for node in self.nodes if hasattr(node.layer, "W")]


def deep(data, num_blocks, labels, with_shortcut, units=32):
    """Return a network of blocks, each with a shortcut or without."""
    graph = Graph()
    x = graph.add(Linear(graph.add(data), units))
    for _ in range(num_blocks):
        y = graph.add(Linear(graph.add(Relu(x)), units))
        x = graph.add(Add(x, y)) if with_shortcut else y
    graph.logits = graph.add(Bias(graph.add(Linear(x, labels.shape[1]))))
    graph.loss = CrossEntropy(graph.logits, labels)
    return graph


np.random.seed(0)
rows, one_hot = np.random.randn(6, 4), np.eye(3)[np.random.randint(3, size=6)]
graph = deep(Data(rows), 2, one_hot, with_shortcut=True, units=5)
graph.forward()
graph.backward()
for layer in graph.layers_with_weights():
    W, G = layer.W.copy(), layer.G.copy()

    def value(moved, layer=layer):
        layer.W[:] = moved
        return graph.forward()

    expected = numerical_gradient(value, W)
    layer.W[:] = W
    error = np.linalg.norm(G - expected) / np.linalg.norm(expected)
    print(f"  {type(layer).__name__:<8} W {W.shape!s:<9} relative error {error:.0e}")

# %% [markdown]
# ## The eleventh floor
#
# Ten blocks, with and without the staircase, on the digits.

# %%
Adam, train_epoch = library("Adam", "train_epoch")
images, labels, _, _ = digits()
X, one_hot = images.reshape(len(images), -1)[:640], np.eye(10)[labels[:640]]


def train(with_shortcut, epochs=3):
    np.random.seed(0)
    data = Data(X)
    graph = deep(data, 10, one_hot, with_shortcut)
    for layer in graph.layers_with_weights()[1:-2]:
        layer.W *= 0.5
    optimizer = Adam(graph.layers_with_weights(), 0.002)
    rng = np.random.default_rng(0)
    return [train_epoch(data, graph, optimizer, X, one_hot, 32, rng) for _ in range(epochs)]


corridor, staircase = train(with_shortcut=False), train(with_shortcut=True)
for epoch, (a, b) in enumerate(zip(corridor, staircase), start=1):
    print(f"epoch {epoch}: loss {a:.4f} through the corridor, {b:.4f} with the staircase")
show(sketch.lines(range(1, 4), {"corridor": corridor, "staircase": staircase}))
reward("A staircase. It adds itself to wherever you are going.", "Add", "Node", "run_backward")

# %% [markdown]
# ## Think about it
#
# 1. What is the gradient for $X$ in $Y = X + X$, and how does it come about with a node?
# 2. Where would a list of nodes *not* be in an order in which one can run?

# %% [markdown] answer
# **Answers.**
#
# 1. $2 \Delta$: `Add` passes $\Delta$ to its left input and to its right one. Both are the same node, which adds them
#    up.
# 2. Nowhere, if a layer is always made after its inputs. If layers could be connected later, one would have to sort
#    them (a *topological order*), and a circle could not be sorted at all. PySmorch sorts; see what
#    `pysmorch.Network` makes of a branch.
