"""Wrong ways to write Bias, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class NotSummed(assignment.Bias):
    says = "dwnstrm is not summed over the batch"

    def backward(self, dwnstrm):
        self.G = dwnstrm
        self.in_layer.backward(dwnstrm)


class Averaged(assignment.Bias):
    says = "The average over the batch is taken instead of the sum"

    def backward(self, dwnstrm):
        self.G = dwnstrm.mean(0, keepdims=True)
        self.in_layer.backward(dwnstrm)


class OneDimension(assignment.Bias):
    says = "The numbers are right, but the shape is (4,) and has to be (1, 4)"

    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(0)
        self.in_layer.backward(dwnstrm)


class WrongAxis(assignment.Bias):
    says = "Summed over the wrong axis: over the features instead of the batch"

    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(1, keepdims=True)
        self.in_layer.backward(dwnstrm)


class OneNumber(assignment.Bias):
    says = "Everything is summed into one number"

    def backward(self, dwnstrm):
        self.G = np.sum(dwnstrm)
        self.in_layer.backward(dwnstrm)


class Ones(assignment.Bias):
    says = "G is 1 everywhere"

    def backward(self, dwnstrm):
        self.G = np.ones(self.W.shape)
        self.in_layer.backward(dwnstrm)


class InputSummed(assignment.Bias):
    says = "The input is summed instead of dwnstrm"

    def backward(self, dwnstrm):
        self.G = self.in_array.sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm)


class GHandedBack(assignment.Bias):
    says = "G is passed back"

    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(0, keepdims=True)
        self.in_layer.backward(self.G)


class TimesW(assignment.Bias):
    says = "dwnstrm is multiplied by W, as in Scale"

    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm * self.W)


class WOfOneDimension(assignment.Bias):
    says = "W has shape (4,), but has to have (1, 4)"

    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.W = np.zeros(in_layer.out_dims[1])

    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(0)
        self.in_layer.backward(dwnstrm)


class RepeatedForTheBatchOfTheConstructor(assignment.Bias):
    says = "With 8 rows after 5: Bias.forward stops with ValueError"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array + np.tile(self.W, (self.out_dims[0], 1))


class AddsInPlace(assignment.Bias):
    says = "forward changes its input array in place"

    def forward(self):
        x = self.in_layer.forward()
        x += self.W
        return x


class ForRowsAlone(assignment.Bias):
    says = "For images of shape (2, 3, 2, 4): G has shape (1, 3, 2, 4), but has to have (1, 4)"

    def __init__(self, in_layer):
        self.in_layer, self.out_dims = in_layer, in_layer.out_dims
        self.W = np.zeros((1, in_layer.out_dims[-1]))
