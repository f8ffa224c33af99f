"""Wrong ways to write CrossEntropy, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class ExpOfPositives(assignment.CrossEntropy):
    says = "exp is taken of a positive number"

    def forward(self):
        x = self.in_layer.forward()
        self.log_p = x - np.log(np.sum(np.exp(x), axis=1, keepdims=True))
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class ExpOverflows(ExpOfPositives):
    says = "Logits around 10000 are too much: CrossEntropy.forward stops with FloatingPointError: overflow"


class Clipped(assignment.CrossEntropy):
    """Nothing overflows, but what is large is cut off."""

    says = "Logits around 10000 are too much:"

    def forward(self):
        x = np.clip(self.in_layer.forward(), -500, 500)
        self.log_p = x - np.log(np.sum(np.exp(x), axis=1, keepdims=True))
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class MaximumOfTheWholeBatch(assignment.CrossEntropy):
    says = "is each row's own maximum taken away?"

    def forward(self):
        x = self.in_layer.forward()
        shifted = x - np.max(x)
        self.log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class MaximumOfEachColumn(assignment.CrossEntropy):
    says = "The largest logit of each column is taken away instead of that of each row"

    def forward(self):
        x = self.in_layer.forward()
        shifted = x - np.max(x, axis=0)
        self.log_p = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class LogOfZero(assignment.CrossEntropy):
    says = "The logarithm of 0 is taken"

    def forward(self):
        x = self.in_layer.forward()
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return -np.mean(np.log(self.p[self.ones_hot > 0]))

    def backward(self):
        self.in_layer.backward((self.p - self.ones_hot) / len(self.p))


class SmallNumberInTheLogarithm(LogOfZero):
    says = "The loss is 27.63 instead of 10000: a small number that is added to the probabilities"

    def forward(self):
        super().forward()
        return -np.mean(np.log(self.p[self.ones_hot > 0] + 1e-12))


class WrongAxis(assignment.CrossEntropy):
    says = "The softmax is taken over the wrong axis"

    def forward(self):
        x = self.in_layer.forward()
        e = np.exp(x - x.max(axis=0))
        self.p = e / e.sum(axis=0)
        return -np.sum(self.ones_hot * np.log(self.p)) / len(x)

    def backward(self):
        self.in_layer.backward((self.p - self.ones_hot) / len(self.p))


class WholeBatch(assignment.CrossEntropy):
    says = "The softmax is taken over the whole batch at once"

    def forward(self):
        x = self.in_layer.forward()
        e = np.exp(x - x.max())
        self.p = e / e.sum()
        return -np.sum(self.ones_hot * np.log(self.p)) / len(x)

    def backward(self):
        self.in_layer.backward((self.p - self.ones_hot) / len(self.p))


class Summed(assignment.CrossEntropy):
    says = "Summed over the batch instead of averaged"

    def forward(self):
        return super().forward() * len(self.ones_hot)


class MeanOverEntries(assignment.CrossEntropy):
    says = "Divided by the number of all entries (np.mean) instead of the number of rows M"

    def forward(self):
        super().forward()
        return -np.mean(self.ones_hot * self.log_p)


class WrongSign(assignment.CrossEntropy):
    says = "The wrong sign: the loss is minus the logarithm of a probability"

    def forward(self):
        return -super().forward()


class LogarithmForgotten(assignment.CrossEntropy):
    says = "The logarithm is missing"

    def forward(self):
        super().forward()
        return -np.sum(self.ones_hot * np.exp(self.log_p)) / len(self.log_p)


class WrongBase(assignment.CrossEntropy):
    says = "The logarithm has the wrong base (2)"

    def forward(self):
        return super().forward() / np.log(2)


class MaximumTakenAwayInOnePlace(assignment.CrossEntropy):
    says = "The largest logit is taken away in the sum of exponentials but not from the logit of the label"

    def forward(self):
        super().forward()
        x = self.in_array
        log_sum = np.log(np.sum(np.exp(x - x.max(1, keepdims=True)), axis=1))
        return np.mean(log_sum - x[self.ones_hot > 0])


class NotAveragedOverTheBatch(assignment.CrossEntropy):
    says = "One number for each row is returned"

    def forward(self):
        super().forward()
        return -np.sum(self.ones_hot * self.log_p, axis=1)


class GradientSummed(assignment.CrossEntropy):
    says = "The factor 1/M is missing"

    def backward(self):
        self.in_layer.backward(np.exp(self.log_p) - self.ones_hot)


class LabelsMinusProbabilities(assignment.CrossEntropy):
    says = "The wrong sign: labels minus probabilities"

    def backward(self):
        self.in_layer.backward((self.ones_hot - np.exp(self.log_p)) / len(self.log_p))


class GradientForProbabilities(assignment.CrossEntropy):
    says = "the derivative of the softmax is missing"

    def backward(self):
        self.in_layer.backward(-self.ones_hot / np.exp(self.log_p) / len(self.log_p))


class OnlyTheLabel(assignment.CrossEntropy):
    says = "Only the class of the label gets a gradient"

    def backward(self):
        self.in_layer.backward((np.exp(self.log_p) - 1) * self.ones_hot / len(self.log_p))


class NotNormalized(assignment.CrossEntropy):
    says = "are not divided by their sum"

    def backward(self):
        x = self.in_array
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.in_layer.backward((e - self.ones_hot) / len(x))


class ChangesTheLabels(assignment.CrossEntropy):
    says = "backward changes the labels in place"

    def backward(self):
        self.ones_hot -= np.exp(self.log_p)
        self.in_layer.backward(-self.ones_hot / len(self.log_p))


class BatchOfTheConstructor(assignment.CrossEntropy):
    says = "is divided by the size of the first batch"

    def __init__(self, in_layer, ones_hot):
        super().__init__(in_layer, ones_hot)
        self.m = in_layer.out_dims[0]

    def forward(self):
        return super().forward() * len(self.ones_hot) / self.m


class SinglePrecision(assignment.CrossEntropy):
    """The exponentials fit into double precision, so that only single precision overflows."""

    says = "Logits around 10000 are too much: CrossEntropy.forward stops with FloatingPointError: overflow"

    def forward(self):
        x = self.in_layer.forward().astype(np.float32)
        e = np.exp(x).astype(np.float64)
        self.log_p = x - np.log(e.sum(axis=1, keepdims=True))
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class SumsOfColumns(assignment.CrossEntropy):
    says = "The exponentials are summed over each column instead of each row"

    def forward(self):
        x = self.in_layer.forward()
        shifted = x - x.max(1, keepdims=True)
        return np.sum(self.ones_hot * (np.log(np.exp(shifted).sum(0)) - shifted)) / len(x)


class OneLessEverywhere(assignment.CrossEntropy):
    says = "1 is taken away from every probability"

    def backward(self):
        x = self.in_layer.forward()
        e = np.exp(x - x.max(1, keepdims=True))
        self.in_layer.backward((e / e.sum(1, keepdims=True) - 1) / len(x))


class MaximumAsARow(assignment.CrossEntropy):
    says = "It runs only where all sizes are equal"

    def forward(self):
        x = self.in_layer.forward()
        shifted = x - x.max(1)
        return np.sum(self.ones_hot * (np.log(np.exp(shifted).sum(1, keepdims=True)) - shifted)) / len(x)


class TooLargeANumberInTheLogarithm(assignment.CrossEntropy):
    says = (
        "Probably: the probabilities are limited (np.clip, or a small number that is added), which makes others of them"
    )

    def forward(self):
        super().forward()
        return -np.mean(np.sum(self.ones_hot * np.log(np.exp(self.log_p) + 1e-3), axis=1))


class ProbabilitiesInBounds(assignment.CrossEntropy):
    says = "before the logarithm is a limit for the loss too."

    def forward(self):
        super().forward()
        p = np.clip(np.exp(self.log_p), 1e-12, 1 - 1e-12)
        return -np.mean(np.sum(self.ones_hot * np.log(p), axis=1))
