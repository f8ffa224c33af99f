"""Wrong ways to write Relu, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class NoMask(assignment.Relu):
    says = "dwnstrm is let through everywhere: the mask is missing"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm)


class MaskOfTheGradient(assignment.Relu):
    says = "The mask is taken from the wrong array: from dwnstrm instead of the input"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (dwnstrm > 0))


class MaskOfTheOutputWithZero(assignment.Relu):
    says = "or is true everywhere (as output >= 0 is)"

    def forward(self):
        self.out = np.maximum(self.in_layer.forward(), 0)
        return self.out

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.out >= 0))


class MaskTheWrongWayRound(assignment.Relu):
    says = "The mask is the wrong way round"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.in_array < 0))


class MaskAlone(assignment.Relu):
    says = "The mask itself is passed back"

    def backward(self, dwnstrm):
        self.in_layer.backward((self.in_array > 0).astype(float))


class OutputTimesGradient(assignment.Relu):
    says = "dwnstrm is multiplied by the output instead of the derivative"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * np.maximum(self.in_array, 0))


class SignOfTheInput(assignment.Relu):
    says = "it is 0 for negative x, not -1"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * np.sign(self.in_array))


class NegativeGradientsDropped(assignment.Relu):
    says = "Negative entries of dwnstrm are dropped"

    def backward(self, dwnstrm):
        self.in_layer.backward(np.maximum(dwnstrm, 0) * (self.in_array > 0))


class OneAtZero(assignment.Relu):
    says = "At an input of exactly 0 gradient is let through"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.in_array >= 0))


class LargestOfEachColumn(assignment.Relu):
    says = "np.max(x, 0) takes the largest entry of each column"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.max(self.in_array, 0)


class AbsoluteValue(assignment.Relu):
    says = "This is |x|"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.abs(self.in_array)


class ChangesItsInput(assignment.Relu):
    says = "forward changes its input array in place"

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.in_array[self.in_array < 0] = 0
        return self.in_array


class ChangesTheGradient(assignment.Relu):
    says = "backward changes dwnstrm in place"

    def backward(self, dwnstrm):
        dwnstrm[self.in_array <= 0] = 0
        self.in_layer.backward(dwnstrm)


class MaskOfTheFirstPass(assignment.Relu):
    says = "What is passed back comes from the input of an earlier pass (stale input)"

    def forward(self):
        x = self.in_layer.forward()
        if not hasattr(self, "mask"):
            self.mask = x > 0
        return np.maximum(x, 0)

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.mask)


class GradientForgotten(assignment.Relu):
    says = "Relu.backward stops with TypeError"

    def backward(self):
        self.in_layer.backward(self.in_array > 0)


class ListOfPositives(assignment.Relu):
    says = "Only the positive entries are returned, as one list"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array[self.in_array > 0]


class PythonsMax(assignment.Relu):
    says = "The truth value of an array with more than one element is ambiguous"

    def forward(self):
        return max(self.in_layer.forward(), 0)


class ComplexNumbers(assignment.Relu):
    says = "What forward returns is not an array of real numbers, but an array of complex128"

    def forward(self):
        return super().forward() + 0j
