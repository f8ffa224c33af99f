# %% [markdown]
# # Lesson 12: Adam, and when to slow down
#
# Momentum has one learning rate for all weights. But some weights get gradients of a thousand, and others of a
# thousandth, like Gabbro's departments. Ottoline's proposal is that everybody should be as loud as everybody else,
# relative to how loud they usually are. It is the first of her proposals that works. It is called *Adam* (Kingma and
# Ba, 2015), and it keeps two arrays for each $W$: a running mean of the gradients, and one of their squares.

# %%
import numpy as np
from utility import check, digits, hint, library, quiz, reward, show, sketch

# %% [markdown]
# ## The rule
#
# FORMULAS
# In step $t = 1, 2, \dots$, with the gradient $G$, and all entry by entry:
#
# $$ m \leftarrow \beta_1 m + (1 - \beta_1) \, G, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) \, G^2 . $$
#
# Both start at 0, and so they are too small at first. How much too small? If $G$ is the same in every step, then after
# $t$ steps
#
# $$ m = (1 - \beta_1)\,(1 + \beta_1 + \cdots + \beta_1^{t-1}) \, G = (1 - \beta_1^t) \, G , $$
#
# a geometric series. So we divide by what is missing, and go down in units of the usual size of the gradient:
#
# $$ \hat{m} = \frac{m}{1 - \beta_1^t}, \qquad \hat{v} = \frac{v}{1 - \beta_2^t}, \qquad
#    W \leftarrow W - r \, \frac{\hat{m}}{\sqrt{\hat{v}} + \varepsilon} . $$
#
# The small $\varepsilon = 10^{-8}$ is for gradients that are 0.
#
# **An example.** $\beta_1 = 0.9$, $\beta_2 = 0.999$, and the first gradient is 2. Then $m = 0.2$ and $v = 0.004$;
# corrected, $\hat{m} = 2$ and $\hat{v} = 4$, and the step is $r \cdot 2 / 2 = r$. If the first gradient is 2000, it is
# $r$ as well.
# HARD
# In each step the mean $m$ keeps the share $\beta_1$ of itself, and gets the share $1 - \beta_1$ of the gradient; the
# mean of squares $v$ does the same with $\beta_2$ and the square of the gradient. Both start at 0, and so they are too
# small at first. By which factor, after $t$ steps in which $G$ was always the same? Divide by it, and call the results
# $\hat{m}$ and $\hat{v}$. The step goes against $\hat{m}$, in units of the root of $\hat{v}$ (plus
# $\varepsilon = 10^{-8}$, for gradients that are 0), times the learning rate $r$.
#
# To compare: in the first step, every weight with a gradient other than 0 moves by $r$, whatever its gradient is.
# END
#
# ## By hand
#
# $\beta_1 = \beta_2 = 0.5$; the gradient is 4 in the first step and 0 in the second.

# %%
# BLANK
# quiz("running mean", ...)  # m after the first and after the second step
# quiz("corrected mean", ...)  # m with a hat, in both steps
# quiz("steps of Adam", ...)  # how far W goes down in both steps, in units of r
# SOLUTION
quiz("running mean", [2, 1])
quiz("corrected mean", [4, 1.3333])
quiz("steps of Adam", [1, 0.5774])
# END

# %% [markdown]
# ## Your turn, first part
#
# As with momentum, the arrays in `self.means` and `self.squares` have to remember: change them in place.
# `self.num_steps` is $t$, and counts from 1.


# %%
class Adam:
    """Gradient descent in units of the usual size of each weight's gradient."""

    def __init__(self, layers, rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.layers = layers
        self.rate = rate
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.num_steps = 0  # t
        self.means = [np.zeros(layer.W.shape) for layer in layers]  # m
        self.squares = [np.zeros(layer.W.shape) for layer in layers]  # v

    def step(self):
        self.num_steps += 1
        for layer, mean, square in zip(self.layers, self.means, self.squares):
            # BLANK
            # ...  # the new mean, in place
            # ...  # the new mean of squares, in place
            # ...  # both corrected, and the step of layer.W
            # SOLUTION
            mean *= self.beta1
            mean += (1 - self.beta1) * layer.G
            square *= self.beta2
            square += (1 - self.beta2) * layer.G**2
            corrected_mean = mean / (1 - self.beta1**self.num_steps)
            corrected_square = square / (1 - self.beta2**self.num_steps)
            layer.W -= self.rate * corrected_mean / (np.sqrt(corrected_square) + self.epsilon)
            # END


# %% [markdown] hints Adam
# 1. Where: mean and square are arrays of the optimizer and have to be changed in place, with *= and +=; the corrected
#    ones are new arrays, and are used in this step only.
# 2. Which rule: a running mean keeps the share beta of itself and gets the share 1 - beta of what is new; after t steps
#    it lacks the factor 1 - beta to the power t.
# 3. The formula: mean = beta1 mean + (1 - beta1) G; square = beta2 square + (1 - beta2) G²; W goes down by
#    rate * (mean / (1 - beta1**t)) / (np.sqrt(square / (1 - beta2**t)) + epsilon).

# %%
Adam = check(Adam)

# %% [markdown]
# ## When to slow down
#
# A large learning rate gets you near the valley fast, and then jumps from wall to wall. A small one would settle, if
# it ever arrived. So the rate should depend on the step: a *schedule*. A popular one goes down on half a wave of the
# cosine, from $r$ to 0, in $T$ steps:
#
# FORMULAS
# $$ r_t = \frac{r}{2} \Big( 1 + \cos \frac{\pi t}{T} \Big), \qquad t = 0, 1, \dots, T - 1 . $$
#
# **An example.** $r = 1$, $T = 4$: the cosines of $0, \pi/4, \pi/2, 3\pi/4$ are $1, 0.707, 0, -0.707$, so the rates
# are $1, 0.854, 0.5, 0.146$.
# HARD
# At $t = 0$ it is $r$, at $t = T/2$ half of it, at $t = T$ it would be 0, and it is level at both ends. Stretch and
# shift the cosine so that it does that. With $r = 1$ and $T = 4$ the rates are $1, 0.854, 0.5, 0.146$.
# END
#
# ## By hand

# %%
# BLANK
# quiz("cosine", ...)  # the rates of all three steps, for r = 0.4 and T = 3
# SOLUTION
quiz("cosine", [0.4, 0.3, 0.1])
# END

# %% [markdown]
# ## Your turn, second part


# %%
def cosine_rate(step, num_steps, rate):
    """Return the learning rate of a step, from 0 to num_steps - 1: half a wave from rate down to 0."""
    # BLANK
    # return ...  # r_t
    # SOLUTION
    return rate / 2 * (1 + np.cos(np.pi * step / num_steps))
    # END


# %% [markdown] hints cosine_rate
# 1. Where: the cosine goes from 1 at 0 to -1 at π; the steps go from 0 to num_steps.
# 2. Which rule: add 1 and halve, and the range from -1 to 1 becomes the range from 0 to 1.
# 3. The formula: rate / 2 * (1 + np.cos(np.pi * step / num_steps))

# %%
cosine_rate = check(cosine_rate)

# %% [markdown]
# ## Three drivers
#
# The digits of lesson 7, with Gabbro's own scale: somebody has measured the left half of each picture in hundredths.
# Its pixels are so small that their weights get hardly any gradient. Momentum does not care for them. Adam does.

# %%
Data, Linear, Relu, Bias, CrossEntropy = library("Data", "Linear", "Relu", "Bias", "CrossEntropy")
Momentum, Adam, cosine_rate = library("Momentum", "Adam", "cosine_rate")
train_epoch, layers_with_weights = library("train_epoch", "layers_with_weights")

images, labels, test_images, test_labels = digits()
scale = np.where(np.arange(8) < 4, 0.01, 1.0).reshape(1, 1, 8, 1)
X, test_X = (images * scale).reshape(-1, 64), (test_images * scale).reshape(-1, 64)
one_hot = np.eye(10)[labels]


def train(make_optimizer, schedule=None, epochs=8):
    np.random.seed(0)
    data = Data(X)
    logits = Bias(Linear(Relu(Bias(Linear(data, 32))), 10))
    loss = CrossEntropy(logits, one_hot)
    optimizer = make_optimizer(layers_with_weights(loss))
    largest = optimizer.rate
    rng = np.random.default_rng(0)
    losses = []
    for epoch in range(epochs):
        if schedule:
            optimizer.rate = schedule(epoch, epochs, largest)
        losses.append(train_epoch(data, loss, optimizer, X, one_hot, 32, rng))
    data.set_data(test_X)
    return losses, np.mean(logits.forward().argmax(axis=1) == test_labels)


runs = {
    "momentum": train(lambda layers: Momentum(layers, 0.05)),
    "Adam": train(lambda layers: Adam(layers, 0.05)),
    "Adam with cosine": train(lambda layers: Adam(layers, 0.05), cosine_rate),
}
for name, (losses, right) in runs.items():
    print(f"{name:<17} loss {losses[-1]:.4f}; of the digits put aside, {right:.1%} are right")
show(sketch.lines(range(1, 9), {name: losses for name, (losses, _) in runs.items()}))
reward("A bicycle with gears. The brake is a cosine.", "Adam", "cosine_rate")

# %% [markdown]
# ## Think about it
#
# 1. All gradients are multiplied by 1000. What does Adam do differently, and what does momentum?
# 2. Why is the learning rate of Adam usually smaller than that of momentum?

# %% [markdown] answer
# **Answers.**
#
# 1. Adam: nothing (except for $\varepsilon$). $\hat{m}$ and $\sqrt{\hat{v}}$ are both multiplied by 1000. Momentum
#    makes steps that are 1000 times as large.
# 2. With Adam, $r$ is about how far *each weight* moves in a step, in its own units. With momentum it is multiplied by
#    a gradient, which is mostly far below 1.
