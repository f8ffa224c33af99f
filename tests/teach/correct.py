"""Right solutions in other styles than that of the assignment: none of them may lose a point."""

import math

import numpy as np
from scipy.signal import correlate2d
from scipy.special import log_softmax, softmax

from pysmorch.layers import Layer
from pysmorch.losses import Loss
from tests.teach import assignment


def name_is(name):
    """Say which class of the library this is."""

    def mark(cls):
        cls.graded_as = name
        return cls

    return mark


@name_is("Linear")
class LinearOfTheLibrary(Layer):
    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer)
        self.num_out_features = num_out_features
        self.out_dims = (in_layer.out_dims[0], num_out_features)
        self.W = np.random.standard_normal((in_layer.out_dims[1], num_out_features))

    def compute(self, x):
        return x @ self.W

    def pull_back(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        return dwnstrm @ self.W.T


@name_is("Linear")
class LinearInLoops:
    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        self.out_dims = [in_layer.out_dims[0], num_out_features]
        self.W = np.random.random((in_layer.out_dims[1], num_out_features))

    def forward(self):
        self.x = self.in_layer.forward()
        out = []
        for row in self.x:
            out.append([sum(row[d] * self.W[d, k] for d in range(len(row))) for k in range(self.W.shape[1])])
        return np.array(out)

    def backward(self, dwnstrm):
        n, d = self.x.shape
        self.G = np.zeros(self.W.shape)
        back = np.zeros((n, d))
        for i in range(n):
            for j in range(d):
                for k in range(self.W.shape[1]):
                    self.G[j, k] += self.x[i, j] * dwnstrm[i, k]
                    back[i, j] += self.W[j, k] * dwnstrm[i, k]
        self.in_layer.backward(back)


@name_is("Linear")
class LinearWithEinsum(assignment.Linear):
    calls = 0

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.calls += 1
        return np.einsum("nd,dk->nk", self.in_array, self.W)

    def backward(self, dwnstrm):
        np.copyto(self.G, 0) if hasattr(self, "G") else setattr(self, "G", np.zeros_like(self.W))
        self.G += np.einsum("nd,nk->dk", self.in_array, dwnstrm)
        self.in_layer.backward(np.einsum("nk,dk->nd", dwnstrm, self.W))


@name_is("Linear")
class LinearInFloat32(assignment.Linear):
    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer, num_out_features)
        self.W = self.W.astype(np.float32)


@name_is("Linear")
class LinearThatPrintsAndKeepsMore(assignment.Linear):
    """Says what it does, keeps copies, and has a second name for its weights."""

    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer, num_out_features)
        self.weights = self.W
        self.history = []

    def forward(self):
        print("forward")
        self.in_array = self.in_layer.forward().copy()
        self.history.append(self.in_array.shape)
        return np.dot(self.in_array, self.weights)

    def backward(self, dwnstrm):
        print("backward")
        self.G = np.dot(self.in_array.transpose(), dwnstrm)
        self.pass_back = np.dot(dwnstrm, self.weights.transpose())
        return self.in_layer.backward(self.pass_back)


@name_is("Relu")
class ReluWithAMask(assignment.Relu):
    def forward(self):
        x = self.in_layer.forward()
        self.mask = x > 0
        return np.where(self.mask, x, 0.0)

    def backward(self, dwnstrm):
        handed_back = np.array(dwnstrm)
        handed_back[~self.mask] = 0
        self.in_layer.backward(handed_back)


@name_is("Relu")
class ReluFromItsOutput(assignment.Relu):
    def forward(self):
        self.out = self.in_layer.forward().clip(min=0)
        return self.out

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * np.sign(self.out))


@name_is("Relu")
class ReluOfTheLibrary(Layer):
    def __init__(self, in_layer):
        super().__init__(in_layer)

    def compute(self, x):
        return x * (x > 0)

    def pull_back(self, dwnstrm):
        return dwnstrm * (self.in_array > 0)


@name_is("Bias")
class BiasWithReshape(assignment.Bias):
    def backward(self, dwnstrm):
        self.G = np.ones((1, len(dwnstrm))) @ dwnstrm
        self.in_layer.backward(dwnstrm.copy())


@name_is("Bias")
class BiasInLoops(assignment.Bias):
    def forward(self):
        return np.vstack([row + self.W[0] for row in self.in_layer.forward()])

    def backward(self, dwnstrm):
        total = np.zeros_like(self.W)
        for row in dwnstrm:
            total = total + row
        self.G = total
        self.in_layer.backward(dwnstrm)


@name_is("Scale")
class ScaleWithEinsum(assignment.Scale):
    def backward(self, dwnstrm):
        self.G = np.einsum("nd,nd->d", self.in_array, dwnstrm)[None]
        self.in_layer.backward(np.einsum("nd,od->nd", dwnstrm, self.W))


@name_is("SquareLoss")
class SquareLossWithTrace(assignment.SquareLoss):
    def forward(self):
        self.difference = self.in_layer.forward() - self.labels
        return np.trace(self.difference @ self.difference.T) / len(self.difference) / 2

    def backward(self):
        self.in_layer.backward(self.difference / len(self.difference))


@name_is("SquareLoss")
class SquareLossThatWritesItsLabelsOver(assignment.SquareLoss):
    def set_data(self, labels):
        self.labels[:] = labels


@name_is("SquareLoss")
class SquareLossOfTheLibrary(Loss):
    def sample_losses(self, x, y):
        return ((x - y) ** 2).sum(1) / 2

    def sample_gradients(self, x, y):
        return x - y


@name_is("CrossEntropy")
class CrossEntropyInLoops(assignment.CrossEntropy):
    def forward(self):
        self.x = self.in_layer.forward()
        total = 0.0
        self.p = np.zeros(self.x.shape)
        for i, row in enumerate(self.x):
            largest = max(row)
            self.p[i] = [math.exp(v - largest) for v in row]
            total += math.log(sum(self.p[i])) + largest - row[np.argmax(self.ones_hot[i])]
            self.p[i] /= sum(self.p[i])
        return total / len(self.x)

    def backward(self):
        grad = self.p.copy()
        grad[np.arange(len(grad)), np.argmax(self.ones_hot, axis=1)] -= 1
        self.in_layer.backward(grad / len(grad))


@name_is("CrossEntropy")
class CrossEntropyWithScipy(assignment.CrossEntropy):
    def forward(self):
        self.x = self.in_layer.forward()
        return np.mean(-log_softmax(self.x, axis=1)[self.ones_hot > 0])

    def backward(self):
        self.in_layer.backward((softmax(self.x, axis=1) - self.ones_hot) / self.x.shape[0])


@name_is("CrossEntropy")
class CrossEntropyAsAnArrayOfOne(assignment.CrossEntropy):
    def forward(self):
        return np.array([[super().forward()]])


@name_is("Sigmoid")
class SigmoidWithTanh(assignment.Sigmoid):
    def forward(self):
        self.out_array = 0.5 + 0.5 * np.tanh(0.5 * self.in_layer.forward())
        return self.out_array


@name_is("Tanh")
class TanhWithCosh(assignment.Tanh):
    def forward(self):
        self.x = self.in_layer.forward()
        return np.tanh(self.x)

    def backward(self, dwnstrm):
        with np.errstate(over="ignore"):
            self.in_layer.backward(dwnstrm / np.cosh(self.x) ** 2)


@name_is("Normalize")
class NormalizeWithAJacobian(assignment.Normalize):
    """The derivative of every output with respect to every input of a feature, written down."""

    def backward(self, dwnstrm):
        n = len(dwnstrm)
        back = np.empty(dwnstrm.shape)
        for d in range(dwnstrm.shape[1]):
            y = self.out_array[:, d]
            jacobian = (np.eye(n) - 1 / n - np.outer(y, y) / n) / self.std[d]
            back[:, d] = jacobian @ dwnstrm[:, d]
        self.in_layer.backward(back)


@name_is("Normalize")
class NormalizeWithAnEpsilonOfItsOwn(assignment.Normalize):
    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.epsilon = 1e-3

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.std = np.sqrt(self.in_array.var(axis=0) + self.epsilon)
        self.out_array = (self.in_array - self.in_array.mean(axis=0)) / self.std
        return self.out_array


@name_is("Conv2d")
class Conv2dOfSciPy:
    """Same or valid padding, image by image and channel by channel."""

    def __init__(self, in_layer, num_filters, kernel_size, padding="same"):
        self.in_layer, self.padding = in_layer, padding
        n, h, w, channels = in_layer.out_dims
        cut = 0 if padding == "same" else kernel_size - 1
        self.out_dims = (n, h - cut, w - cut, num_filters)
        self.W = np.random.randn(kernel_size, kernel_size, channels, num_filters)

    def forward(self):
        self.x = self.in_layer.forward()
        out = np.zeros((len(self.x), *self.out_dims[1:]))
        for n in range(len(self.x)):
            for k in range(self.W.shape[3]):
                for c in range(self.W.shape[2]):
                    out[n, :, :, k] += correlate2d(self.x[n, :, :, c], self.W[:, :, c, k], self.padding)
        return out

    def backward(self, dwnstrm):
        size = self.W.shape[0]
        edge = size // 2 if self.padding == "same" else 0
        x = np.pad(self.x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
        self.G = np.zeros_like(self.W)
        back = np.zeros(x.shape)
        for n in range(len(x)):
            for k in range(self.W.shape[3]):
                for c in range(self.W.shape[2]):
                    self.G[:, :, c, k] += correlate2d(x[n, :, :, c], dwnstrm[n, :, :, k], "valid")
                    back[n, :, :, c] += correlate2d(dwnstrm[n, :, :, k], self.W[::-1, ::-1, c, k], "full")
        h, w = self.x.shape[1:3]
        self.in_layer.backward(back[:, edge : edge + h, edge : edge + w])


@name_is("Data")
class DataThatCopies(assignment.Data):
    def set_data(self, data):
        self.data = np.array(data)

    def backward(self, dwnstrm=None):
        return None


@name_is("Flatten")
class FlattenExampleByExample(assignment.Flatten):
    def forward(self):
        x = self.in_layer.forward()
        self.shape = x.shape[1:]
        return np.stack([example.ravel() for example in x])

    def backward(self, dwnstrm):
        self.in_layer.backward(np.stack([row.reshape(self.shape) for row in dwnstrm]))


@name_is("Dropout")
class DropoutThatKeepsItsPlaces(assignment.Dropout):
    def forward(self):
        out = self.in_layer.forward().copy()
        self.mask = np.ones(out.shape)
        if self.training:
            self.mask /= 1 - self.rate
            self.mask[np.random.uniform(size=out.shape) < self.rate] = 0
        return out * self.mask


@name_is("Normalize")
class NormalizeWithRunningStatistics(assignment.Normalize):
    """With the variance of the batch as it is, divided by the number of rows."""

    def __init__(self, in_layer, momentum=0.1):
        super().__init__(in_layer)
        self.momentum, self.training = momentum, True
        self.running_mean, self.running_var = np.zeros(in_layer.out_dims[1:]), np.ones(in_layer.out_dims[1:])

    def moved(self, running, batch):
        return (1 - self.momentum) * running + self.momentum * batch

    def forward(self):
        if self.training:
            out = super().forward()
            self.running_mean = self.moved(self.running_mean, self.in_array.mean(axis=0))
            self.running_var = self.moved(self.running_var, self.in_array.var(axis=0))
            return out
        self.in_array = self.in_layer.forward()
        self.std = np.sqrt(self.running_var + 1e-5)
        return (self.in_array - self.running_mean) / self.std

    def backward(self, dwnstrm):
        if self.training:
            super().backward(dwnstrm)
        else:
            self.in_layer.backward(dwnstrm / self.std)
