"""A right solution of the assignment in its own style; wrong solutions are made from it by changing one method."""

from math import sqrt

import numpy as np
from numpy.linalg import norm
from numpy.random import randn


class Data:
    def __init__(self, data):
        self.data = data
        self.out_dims = data.shape

    def set_data(self, data):
        self.data = data

    def forward(self):
        return self.data

    def backward(self, dwnstrm):
        pass


class SquareLoss:
    def __init__(self, in_layer, labels):
        self.in_layer = in_layer
        self.labels = labels

    def set_data(self, labels):
        self.labels = labels

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.num_data = len(self.in_array)
        return norm(self.in_array - self.labels) ** 2 / (2 * self.num_data)

    def backward(self):
        self.pass_back = (self.in_array - self.labels) / self.num_data
        self.in_layer.backward(self.pass_back)


class Linear:
    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        num_data, num_in_features = in_layer.out_dims
        self.out_dims = np.array([num_data, num_out_features])
        self.W = randn(num_in_features, num_out_features) / sqrt(num_in_features)

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class Relu:
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.maximum(self.in_array, 0)

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.in_array > 0))


class Bias:
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = randn(1, in_layer.out_dims[1])

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array + self.W

    def backward(self, dwnstrm):
        self.G = np.sum(dwnstrm, axis=0, keepdims=True)
        self.in_layer.backward(dwnstrm)


class Scale:
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = np.ones((1, in_layer.out_dims[1]))

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array * self.W

    def backward(self, dwnstrm):
        self.G = np.sum(self.in_array * dwnstrm, axis=0, keepdims=True)
        self.in_layer.backward(dwnstrm * self.W)


class CrossEntropy:
    def __init__(self, in_layer, ones_hot):
        self.in_layer = in_layer
        self.ones_hot = ones_hot

    def set_labels(self, ones_hot):
        self.ones_hot = ones_hot

    def forward(self):
        self.in_array = self.in_layer.forward()
        shifted = self.in_array - np.max(self.in_array, axis=1, keepdims=True)
        self.log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        return -np.sum(self.ones_hot * self.log_p) / len(self.in_array)

    def backward(self):
        self.in_layer.backward((np.exp(self.log_p) - self.ones_hot) / len(self.log_p))


class Sigmoid:
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        self.out_array = 1 / (1 + np.exp(-self.in_layer.forward()))
        return self.out_array

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.out_array * (1 - self.out_array))


class Tanh:
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        self.out_array = np.tanh(self.in_layer.forward())
        return self.out_array

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (1 - self.out_array**2))


class Flatten:
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = (in_layer.out_dims[0], int(np.prod(in_layer.out_dims[1:])))

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.reshape(len(self.in_array), -1)

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm.reshape(self.in_array.shape))


class Normalize:
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.std = np.sqrt(self.in_array.var(axis=0) + 1e-5)
        self.out_array = (self.in_array - self.in_array.mean(axis=0)) / self.std
        return self.out_array

    def backward(self, dwnstrm):
        along = np.mean(dwnstrm * self.out_array, axis=0)
        self.in_layer.backward((dwnstrm - dwnstrm.mean(axis=0) - self.out_array * along) / self.std)


class Dropout:
    def __init__(self, in_layer, rate=0.5):
        self.in_layer = in_layer
        self.rate = rate
        self.training = True
        self.out_dims = in_layer.out_dims

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.random(x.shape) >= self.rate) / (1 - self.rate) if self.training else np.ones(x.shape)
        return x * self.mask

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.mask)


class Conv2d:
    """Valid padding."""

    def __init__(self, in_layer, num_filters, kernel_size):
        self.in_layer = in_layer
        num_data, height, width, channels = in_layer.out_dims
        self.out_dims = (num_data, height - kernel_size + 1, width - kernel_size + 1, num_filters)
        self.W = randn(kernel_size, kernel_size, channels, num_filters) / kernel_size

    def windows(self):
        """Yield each place of the filter with the part of the image that is seen through it."""
        rows, columns = self.out_dims[1:3]
        for i in range(self.W.shape[0]):
            for j in range(self.W.shape[1]):
                yield (i, j), (slice(None), slice(i, i + rows), slice(j, j + columns))

    def forward(self):
        self.in_array = self.in_layer.forward()
        return sum(self.in_array[part] @ self.W[place] for place, part in self.windows())

    def backward(self, dwnstrm):
        self.G = np.zeros_like(self.W)
        handed_back = np.zeros(self.in_array.shape)
        for place, part in self.windows():
            self.G[place] = np.tensordot(self.in_array[part], dwnstrm, axes=((0, 1, 2), (0, 1, 2)))
            handed_back[part] += dwnstrm @ self.W[place].T
        self.in_layer.backward(handed_back)
