"""Wrong ways to write SquareLoss, each with what has to be said about it."""

import numpy as np
from numpy.linalg import norm

from tests.teach import assignment


class HalfForgotten(assignment.SquareLoss):
    says = "The factor 1/2 is missing"

    def forward(self):
        return 2 * super().forward()


class Summed(assignment.SquareLoss):
    says = "Summed over the batch instead of averaged"

    def forward(self):
        return super().forward() * self.num_data


class MeanOverEntries(assignment.SquareLoss):
    says = "Divided by the number of all entries (np.mean) instead of the number of rows M"

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.num_data = len(self.in_array)
        return 0.5 * np.mean((self.in_array - self.labels) ** 2)


class NormNotSquared(assignment.SquareLoss):
    says = "The norm is not squared"

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.num_data = len(self.in_array)
        return 0.5 / self.num_data * norm(self.in_array - self.labels)


class GradientSummed(assignment.SquareLoss):
    says = "The factor 1/M is missing"

    def backward(self):
        self.in_layer.backward(self.in_array - self.labels)


class FactorTwo(assignment.SquareLoss):
    says = "A factor of 2 too much"

    def backward(self):
        self.in_layer.backward(2 * (self.in_array - self.labels) / self.num_data)


class HalfTheGradient(assignment.SquareLoss):
    says = "Everything is half of what it should be: a factor of 2 is missing"

    def backward(self):
        self.in_layer.backward((self.in_array - self.labels) / (2 * self.num_data))


class WrongSign(assignment.SquareLoss):
    says = "The wrong sign: labels minus input"

    def backward(self):
        self.in_layer.backward((self.labels - self.in_array) / self.num_data)


class BatchOfTheConstructor(assignment.SquareLoss):
    says = "is divided by the size of the first batch"

    def __init__(self, in_layer, labels):
        super().__init__(in_layer, labels)
        self.m = in_layer.out_dims[0]

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.num_data = self.m
        return norm(self.in_array - self.labels) ** 2 / (2 * self.m)


class WholeDivision(assignment.SquareLoss):
    says = "forward returns 0: it still has to be written, or whole numbers were divided"

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.num_data = len(self.in_array)
        return 1 // (2 * self.num_data) * norm(self.in_array - self.labels) ** 2


class ChangesTheLabels(assignment.SquareLoss):
    says = "forward changes the labels in place"

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.num_data = len(self.in_array)
        self.labels -= self.in_array
        return norm(self.labels) ** 2 / (2 * self.num_data)

    def backward(self):
        self.in_layer.backward(-self.labels / self.num_data)


class LabelsOfTheConstructor(assignment.SquareLoss):
    says = "The labels of the constructor are used after self.labels has changed"

    def __init__(self, in_layer, labels):
        super().__init__(in_layer, labels)
        self.y = labels

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.num_data = len(self.in_array)
        return norm(self.in_array - self.y) ** 2 / (2 * self.num_data)

    def backward(self):
        self.in_layer.backward((self.in_array - self.y) / self.num_data)


class TakesAGradient(assignment.SquareLoss):
    says = "SquareLoss.backward stops with TypeError"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.in_array - self.labels) / self.num_data)


class SquareOfTheSum(assignment.SquareLoss):
    says = "The sum is squared: first the square of every difference"

    def forward(self):
        super().forward()
        return np.sum(self.in_array - self.labels) ** 2 / (2 * len(self.in_array))


class WithoutBrackets(assignment.SquareLoss):
    says = "/ (2 * M) needs its brackets"

    def forward(self):
        super().forward()
        return np.sum((self.in_array - self.labels) ** 2) / 2 * len(self.in_array)


class AnyNumber(assignment.SquareLoss):
    says = "What forward returns is"

    def forward(self):
        return 1.234 * super().forward()
