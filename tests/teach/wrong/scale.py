"""Wrong ways to write Scale, each with what has to be said about it."""

from tests.teach import assignment


class InputLeftOut(assignment.Scale):
    says = "The input is missing in G: this is the gradient of a Bias"

    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm * self.W)


class NotSummed(assignment.Scale):
    says = "The sum over the batch is missing"

    def backward(self, dwnstrm):
        self.G = self.in_array * dwnstrm
        self.in_layer.backward(dwnstrm * self.W)


class OutputInsteadOfInput(assignment.Scale):
    says = "The output was taken instead of the input"

    def backward(self, dwnstrm):
        self.G = (self.in_array * self.W * dwnstrm).sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm * self.W)


class HandedBackAsItCame(assignment.Scale):
    says = "dwnstrm is passed back as it came: W is missing"

    def backward(self, dwnstrm):
        self.G = (self.in_array * dwnstrm).sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm)


class TimesTheInput(assignment.Scale):
    says = "dwnstrm is multiplied by the input instead of W"

    def backward(self, dwnstrm):
        self.G = (self.in_array * dwnstrm).sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm * self.in_array)


class Adds(assignment.Scale):
    says = "W is added instead of multiplied"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array + self.W


class WInsteadOfTheInput(assignment.Scale):
    says = "W was taken instead of the input"

    def backward(self, dwnstrm):
        self.G = (dwnstrm * self.W).sum(axis=0, keepdims=True)
        self.in_layer.backward(dwnstrm * self.W)
