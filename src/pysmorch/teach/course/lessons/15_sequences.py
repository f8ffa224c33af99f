# %% [markdown]
# # Lesson 15: Memory and attention
#
# Birthday wishes are sequences of words, and so far your networks have read rows of numbers in which every position
# has a weight of its own. There are two ways to read something that goes on: remember, or look back. Gabbro's mailroom
# has tried both. Dag remembers; Ottoline looks back, mostly in anger.

# %%
import numpy as np
from utility import check, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## A recurrent layer
#
# It goes through the sequence step by step and keeps a *state* $h$, which is 0 at the beginning. In each step it sees
# the new input and its own old state, side by side, $s_t = (x_t, h_{t-1})$, and makes a new state with the same $W$
# every time:
#
# $$ h_t = \tanh( s_t W ) . $$
#
# What it returns is the last state. With $D$ features and $K$ units, $W$ has the shape $(D + K) \times K$.
#
# ## What comes back
#
# FORMULAS
# Unroll it: $T$ steps are $T$ layers, one behind the other, with the same $W$. So we walk back through time. The slope
# of $\tanh(a)$ is $1 - \tanh^2(a)$, which is $1 - h^2$: nothing has to be computed again. In step $t$, with the
# gradient $\delta_t$ for the state $h_t$,
#
# $$ a_t = \delta_t \odot (1 - h_t^2), \qquad G = \sum_t s_t^T a_t, \qquad
#    \frac{\partial L}{\partial s_t} = a_t W^T . $$
#
# The front part of $\partial L / \partial s_t$ is the gradient for $x_t$, the other part is $\delta_{t-1}$, for the
# state before. $G$ is a sum, since all steps use the same $W$.
#
# **An example.** One feature, one unit, $W = \begin{pmatrix} 0.5 \\ 1 \end{pmatrix}$, and the inputs 1 and 0:
# $h_1 = \tanh(0.5) = 0.4621$ and $h_2 = \tanh(0.4621) = 0.4318$. With $\delta_2 = 1$: $a_2 = 1 - 0.4318^2 = 0.8135$,
# $\delta_1 = 0.8135 \cdot 1$, $a_1 = 0.8135 \cdot (1 - 0.4621^2) = 0.6398$, and
#
# $$ G = \begin{pmatrix} 0 \\ 0.4621 \end{pmatrix} 0.8135 + \begin{pmatrix} 1 \\ 0 \end{pmatrix} 0.6398
#    = \begin{pmatrix} 0.6398 \\ 0.3759 \end{pmatrix} . $$
# HARD
# Unroll it: $T$ steps are $T$ layers, one behind the other, with the same $W$. What goes back through $\tanh$ (write
# the slope with the state itself), what is the gradient for $W$ of all steps together, and what goes to the step
# before?
#
# To compare: one feature, one unit, $W = \begin{pmatrix} 0.5 \\ 1 \end{pmatrix}$, the inputs 1 and 0, and
# $\delta_2 = 1$ give $G = \begin{pmatrix} 0.6398 \\ 0.3759 \end{pmatrix}$.
# END
#
# ## By hand
#
# Leave the $\tanh$ out, $h_t = s_t W$, so that the numbers stay whole: one feature, one unit,
# $W = \begin{pmatrix} 1 \\ 2 \end{pmatrix}$, the inputs 1 and 1, and $\delta_2 = 1$.

# %%
# BLANK
# quiz("two states", ...)  # h after the first and after the second step
# quiz("gradient through time", ...)  # G, as a row of two numbers
# SOLUTION
quiz("two states", [1, 3])
quiz("gradient through time", [3, 1])
# END

# %% [markdown]
# ## Your turn, first part


# %%
class Recurrent:
    """Read sequences (N, T, D) step by step, and return the last state (N, K)."""

    def __init__(self, in_layer, num_units):
        self.in_layer = in_layer
        num_data, _, num_features = in_layer.out_dims
        self.out_dims = (num_data, num_units)
        self.W = np.random.randn(num_features + num_units, num_units) / np.sqrt(num_features + num_units)

    def forward(self):
        self.in_array = self.in_layer.forward()
        state = np.zeros((len(self.in_array), self.W.shape[1]))
        self.seen, self.states = [], []
        for t in range(self.in_array.shape[1]):
            seen = np.concatenate([self.in_array[:, t], state], axis=1)  # s, one row for each sequence
            # BLANK
            # state = ...  # the new state
            # SOLUTION
            state = np.tanh(seen @ self.W)
            # END
            self.seen.append(seen)
            self.states.append(state)
        return state

    def backward(self, dwnstrm):
        num_features = self.in_array.shape[2]
        self.G = np.zeros(self.W.shape)
        self.pass_back = np.zeros(self.in_array.shape)
        state_grad = dwnstrm
        for t in reversed(range(len(self.states))):
            # BLANK
            # sum_grad = ...  # a: the gradient before the tanh
            # self.G += ...  # what this step adds
            # seen_grad = ...  # the gradient for s
            # SOLUTION
            sum_grad = state_grad * (1 - self.states[t] ** 2)
            self.G += self.seen[t].T @ sum_grad
            seen_grad = sum_grad @ self.W.T
            # END
            self.pass_back[:, t] = seen_grad[:, :num_features]
            state_grad = seen_grad[:, num_features:]
        self.in_layer.backward(self.pass_back)


# %% [markdown] hints Recurrent
# 1. Where: a step is a linear layer of self.seen[t], and a tanh behind it; self.states[t] is what the tanh returned.
# 2. Which rule: the slope of tanh is 1 - tanh²; then lesson 2 for the linear layer; the same W in all steps means a sum
#    over the steps.
# 3. The formula: state = np.tanh(seen @ W); sum_grad = state_grad * (1 - states[t]²); G += seen[t].T @ sum_grad;
#    seen_grad = sum_grad @ W.T

# %%
Recurrent = check(Recurrent)

# %% [markdown]
# ## Who wrote first?
#
# A sequence of eight letters, each one of three. The network has to say at the end which letter came first. It must
# carry it through seven steps in which it is told other things.

# %%
Data, Linear, Bias, CrossEntropy = library("Data", "Linear", "Bias", "CrossEntropy")
Recurrent, Adam, train_epoch, layers_with_weights = library("Recurrent", "Adam", "train_epoch", "layers_with_weights")
rng = np.random.default_rng(0)
np.random.seed(0)
letters = rng.integers(0, 3, (600, 8))
sequences, first = np.eye(3)[letters], np.eye(3)[letters[:, 0]]
data = Data(sequences[:400])
logits = Bias(Linear(Recurrent(data, 16), 3))
loss = CrossEntropy(logits, first[:400])
optimizer = Adam(layers_with_weights(loss), 0.01)
losses = [train_epoch(data, loss, optimizer, sequences[:400], first[:400], 40, rng) for _ in range(40)]
data.set_data(sequences[400:])
right = np.mean(logits.forward().argmax(axis=1) == letters[400:, 0])
print(f"loss {losses[0]:.3f} at first, {losses[-1]:.3f} in the end; of sequences never seen, {right:.1%} are right")
show(sketch.lines(range(1, 41), {"loss": losses}))

# %% [markdown]
# ## Attention
#
# To look back is another way. There is a memory of $T$ entries; each has a *key* (what it can be found by) and a
# *value* (what it says). A *query* is compared with all keys, and gets a mixture of the values: much of those whose key
# fits, little of the others (Vaswani and others, 2017).
#
# With the queries as rows of $Q$ ($M \times D$), the keys as rows of $K$ ($T \times D$) and the values as rows of $V$
# ($T \times C$):
#
# $$ S = \frac{1}{\sqrt{D}} Q K^T, \qquad P = \mathrm{softmax}(S) \text{ in each row}, \qquad Y = P V . $$
#
# $s_{it}$ says how well query $i$ fits key $t$; the $p_{it}$ of a query sum to 1. Without the root, the products of
# long rows would be so large that the softmax gives everything to one entry.
#
# FORMULAS
# **What comes back.** $Y = P V$ is a linear layer, for both of its factors:
#
# $$ \frac{\partial L}{\partial V} = P^T \Delta, \qquad \frac{\partial L}{\partial P} = \Delta V^T =: E . $$
#
# Then the softmax of a row. From lesson 4 we know $\partial \log p_t / \partial s_j = [t = j] - p_j$, so
# $\partial p_t / \partial s_j = p_t ([t = j] - p_j)$, and the sum over all paths is
#
# $$ \frac{\partial L}{\partial s_{j}} = \sum_t e_t \, p_t \big( [t = j] - p_j \big) = p_j \Big( e_j - \sum_t e_t p_t \Big) . $$
#
# In words: take the mean of $e$ away, weighted with $p$, and multiply by $p$. Call the result $F$. At last
#
# $$ \frac{\partial L}{\partial Q} = \frac{1}{\sqrt{D}} F K, \qquad \frac{\partial L}{\partial K} = \frac{1}{\sqrt{D}} F^T Q . $$
#
# **An example** with $D = 1$:
#
# $$ Q = \begin{pmatrix} \log 3 \\ 0 \end{pmatrix}, \quad K = \begin{pmatrix} 1 \\ 0 \end{pmatrix}, \quad
#    V = \begin{pmatrix} 4 & 0 \\ 0 & 8 \end{pmatrix}, \quad
#    P = \begin{pmatrix} 0.75 & 0.25 \\ 0.5 & 0.5 \end{pmatrix}, \quad Y = \begin{pmatrix} 3 & 2 \\ 2 & 4 \end{pmatrix} . $$
#
# With $\Delta = \begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}$:
#
# $$ E = \begin{pmatrix} 4 & 0 \\ 0 & 8 \end{pmatrix}, \quad
#    F = \begin{pmatrix} 0.75\,(4 - 3) & 0.25\,(0 - 3) \\ 0.5\,(0 - 4) & 0.5\,(8 - 4) \end{pmatrix}
#    = \begin{pmatrix} 0.75 & -0.75 \\ -2 & 2 \end{pmatrix}, \quad
#    \frac{\partial L}{\partial Q} = \begin{pmatrix} 0.75 \\ -2 \end{pmatrix} . $$
# HARD
# **What comes back.** To $V$, to $Q$ and to $K$, on the way through $P$ and $S$. For the softmax of a row, find
# $\partial p_t / \partial s_j$ (lesson 4 has the derivative of its logarithm) and add up all paths.
#
# To compare, with $D = 1$:
#
# $$ Q = \begin{pmatrix} \log 3 \\ 0 \end{pmatrix}, \quad K = \begin{pmatrix} 1 \\ 0 \end{pmatrix}, \quad
#    V = \begin{pmatrix} 4 & 0 \\ 0 & 8 \end{pmatrix}, \quad \Delta = \begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}, \quad
#    \frac{\partial L}{\partial Q} = \begin{pmatrix} 0.75 \\ -2 \end{pmatrix} . $$
# END
#
# ## By hand
#
# $D = 1$, and both queries are 0:
#
# $$ Q = \begin{pmatrix} 0 \\ 0 \end{pmatrix}, \quad K = \begin{pmatrix} 1 \\ 0 \end{pmatrix}, \quad
#    V = \begin{pmatrix} 2 & 0 \\ 0 & 4 \end{pmatrix}, \quad \Delta = \begin{pmatrix} 1 & 0 \\ 0 & 0 \end{pmatrix} . $$

# %%
# BLANK
# quiz("attention", ...)  # Y, two rows
# quiz("back to the scores", ...)  # the gradient for S, two rows
# quiz("back to the queries", ...)  # the gradient for Q, two rows of one number
# SOLUTION
quiz("attention", [[1, 2], [1, 2]])
quiz("back to the scores", [[0.5, -0.5], [0, 0]])
quiz("back to the queries", [[0.5], [0]])
# END

# %% [markdown]
# ## Your turn, second part
#
# Mind the rule of the house from lesson 4: never exponentiate a positive number.


# %%
class Attention:
    """Let each query (a row) look up a mixture of the values, by how well their keys fit."""

    def __init__(self, queries, keys, values):
        self.in_queries, self.in_keys, self.in_values = queries, keys, values
        self.out_dims = (queries.out_dims[0], values.out_dims[1])

    def forward(self):
        self.queries, self.keys = self.in_queries.forward(), self.in_keys.forward()
        self.values = self.in_values.forward()
        self.root = np.sqrt(self.keys.shape[1])
        # BLANK
        # scores = ...  # S
        # self.weights = ...  # P, from exponents that are not positive
        # return ...  # Y
        # SOLUTION
        scores = self.queries @ self.keys.T / self.root
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.weights = exponentials / exponentials.sum(axis=1, keepdims=True)
        return self.weights @ self.values
        # END

    def backward(self, dwnstrm):
        # BLANK
        # value_grad = ...  # for V
        # weight_grad = ...  # for P
        # score_grad = ...  # for S
        # query_grad = ...  # for Q
        # key_grad = ...  # for K
        # SOLUTION
        value_grad = self.weights.T @ dwnstrm
        weight_grad = dwnstrm @ self.values.T
        score_grad = self.weights * (weight_grad - (weight_grad * self.weights).sum(axis=1, keepdims=True))
        query_grad = score_grad @ self.keys / self.root
        key_grad = score_grad.T @ self.queries / self.root
        # END
        self.in_values.backward(value_grad)
        self.in_queries.backward(query_grad)
        self.in_keys.backward(key_grad)


# %% [markdown] hints Attention
# 1. Where: Y = P V and S = Q Kᵀ / √D are products of two arrays that both have a gradient; between them is a softmax of
#    each row.
# 2. Which rule: lesson 2, for both factors of a product. For the softmax: take the sum of weight_grad * P over each row
#    away from weight_grad, and multiply by P.
# 3. The formula: value_grad = Pᵀ Δ; weight_grad = Δ Vᵀ; score_grad = P * (weight_grad - row sums of weight_grad * P);
#    query_grad = score_grad K / √D; key_grad = score_gradᵀ Q / √D.

# %%
Attention = check(Attention)

# %% [markdown]
# ## The telephone book
#
# Gabbro's book has eight entries: a name (six numbers) and a department (one of three). The callers mumble: a query is
# a name with noise. Two linear layers learn how names are to be compared, and attention looks them up. The picture
# shows the weights $P$ of eight callers, each of whom wants the entry with the same number, before training and after it.

# %%
SquareLoss, Attention = library("SquareLoss", "Attention")
rng = np.random.default_rng(1)
np.random.seed(1)
names, departments = rng.standard_normal((8, 6)), np.eye(3)[np.arange(8) % 3]
wanted = np.concatenate([np.arange(8), rng.integers(0, 8, 192)])
calls = names[wanted] + 0.4 * rng.standard_normal((200, 6))
queries, keys = Linear(Data(calls), 6), Linear(Data(names), 6)
attention = Attention(queries, keys, Data(departments))
loss = SquareLoss(attention, departments[wanted])
optimizer = Adam([queries, keys], 0.02)
pictures, losses = {}, []


def look_up():
    """Return the weights of the first eight calls."""
    scores = queries.forward()[:8] @ keys.forward().T / np.sqrt(6)
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


pictures["before training"] = look_up()
for step in range(300):
    losses.append(loss.forward())
    loss.backward()
    optimizer.step()
pictures["after training"] = look_up()
right = np.mean(attention.forward().argmax(axis=1) == wanted % 3)
print(
    f"loss {losses[0]:.3f} at first, {losses[-1]:.3f} in the end; {right:.0%} of the callers get the right department"
)
show(sketch.images(pictures))
reward("A telephone book. It opens at the right page if you look at it for long enough.", "Recurrent", "Attention")

# %% [markdown]
# ## Think about it
#
# 1. What remains of a gradient after 20 steps of a recurrent layer in which each step multiplies it by 0.5? And by 1.5?
# 2. If the entries of the memory change places (keys and values alike), what happens to the output of attention?

# %% [markdown] answer
# **Answers.**
#
# 1. $0.5^{20} \approx 10^{-6}$: what came first is forgotten. $1.5^{20} \approx 3325$: a small change at the beginning
#    is everything. Gates (LSTM, GRU) were invented against the first, clipping of gradients against the second.
# 2. Nothing: a mixture does not know an order. If the order matters, it has to be put into the keys and values, as a
#    *positional encoding*.
