"""Wrong ways to write Linear, each with what has to be said about it."""

import numpy as np

from pysmorch.layers import Layer
from tests.teach import assignment


class NotWritten(assignment.Linear):
    says = "forward returns 0: it still has to be written"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return 0


class TransposeForgottenForTheInput(assignment.Linear):
    says = "W is not transposed"

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W)


class TransposeForgottenForW(assignment.Linear):
    says = "X is not transposed"

    def backward(self, dwnstrm):
        self.G = self.in_array @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class TransposedG(assignment.Linear):
    says = "This is the transpose of what it should be"

    def backward(self, dwnstrm):
        self.G = dwnstrm.T @ self.in_array
        self.in_layer.backward(dwnstrm @ self.W.T)


class WTransposedInForward(assignment.Linear):
    says = "W is transposed: this is X W^T instead of X W. It runs only where all sizes are equal, else Linear.forward stops with"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W.T


class EntryByEntry(assignment.Linear):
    says = "X and W are multiplied entry by entry (*) instead of as matrices (@)"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array * self.W


class AveragedG(assignment.Linear):
    says = "divided by the batch once too often"

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm / len(dwnstrm)
        self.in_layer.backward(dwnstrm @ self.W.T)


class WrongSign(assignment.Linear):
    says = "Everything has the wrong sign"

    def backward(self, dwnstrm):
        self.G = -self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class InputLeftOutOfG(assignment.Linear):
    says = "The input does not appear in G"

    def backward(self, dwnstrm):
        self.G = np.ones(self.in_array.shape).T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class OneRowInG(assignment.Linear):
    says = "This is what the last row of the batch gives alone: the sum over the batch is missing"

    def backward(self, dwnstrm):
        for row, down in zip(self.in_array, dwnstrm, strict=True):
            self.G = np.outer(row, down)
        self.in_layer.backward(dwnstrm @ self.W.T)


class Accumulated(assignment.Linear):
    says = "G is accumulated by mistake (+=)"

    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer, num_out_features)
        self.G = np.zeros(self.W.shape)

    def backward(self, dwnstrm):
        self.G += self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class GNotSet(assignment.Linear):
    says = "backward does not set self.G"

    def backward(self, dwnstrm):
        gradient = self.in_array.T @ dwnstrm
        self.gradient = gradient
        self.in_layer.backward(dwnstrm @ self.W.T)


class NothingHandedBack(assignment.Linear):
    says = "backward does not call self.in_layer.backward(...): nothing is passed back"

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm


class ReturnedInsteadOfHandedBack(assignment.Linear):
    says = "backward returns the gradient instead of calling self.in_layer.backward(...)"

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        return dwnstrm @ self.W.T


class DownstreamHandedBack(assignment.Linear):
    says = "dwnstrm is passed back as it came"

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm)


class GHandedBack(assignment.Linear):
    says = "The gradient for W is passed back instead of that for the input"

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(self.G)


class ReturnForgotten(assignment.Linear):
    says = "forward returns nothing (None)"

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.out = self.in_array @ self.W


class Prints(assignment.Linear):
    says = "forward prints its result and returns nothing"

    def forward(self):
        self.in_array = self.in_layer.forward()
        print(self.in_array @ self.W)


class InputOfTheConstructor(assignment.Linear):
    says = "G comes from the input of an earlier pass (stale input)"

    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer, num_out_features)
        self.in_array = in_layer.forward()

    def forward(self):
        return self.in_layer.forward() @ self.W


class InputNotKept(assignment.Linear):
    says = "Linear.backward stops with AttributeError"

    def forward(self):
        return self.in_layer.forward() @ self.W


class ForwardTwice(assignment.Linear):
    says = "forward calls self.in_layer.forward() 2 times instead of once"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_layer.forward() @ self.W


class ForwardAgainInBackward(assignment.Linear):
    says = "backward calls self.in_layer.forward() again"

    def forward(self):
        return self.in_layer.forward() @ self.W

    def backward(self, dwnstrm):
        self.G = self.in_layer.forward().T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class HandsBackTwice(assignment.Linear):
    says = "backward calls self.in_layer.backward(...) 2 times instead of once"

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        self.in_layer.backward(dwnstrm @ self.W.T)


class NewWeightsInEveryPass(assignment.Linear):
    says = "W is another one after the passes than before"

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.W = np.random.randn(*self.W.shape)
        return self.in_array @ self.W


class StepInBackward(assignment.Linear):
    says = "backward changes W"

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        self.W -= 0.1 * self.G


class SizesAsNumbers(assignment.Linear):
    says = "sizes are written as numbers instead of taken from the arrays"

    def backward(self, dwnstrm):
        self.G = np.zeros((3, 5))
        for i in range(10):
            for j in range(3):
                for k in range(5):
                    self.G[j, k] += self.in_array[i, j] * dwnstrm[i, k]
        self.in_layer.backward(dwnstrm @ self.W.T)


class BatchOfTheConstructor(assignment.Linear):
    says = "With 8 rows after 5:"

    def forward(self):
        self.in_array = self.in_layer.forward()
        out = np.zeros(self.out_dims)
        for i in range(len(self.in_array)):
            out[i] = self.in_array[i] @ self.W
        return out


class WrongOutDims(assignment.Linear):
    says = "out_dims is (5, 4), but forward has to return an array of shape (5, 3)"

    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer, num_out_features)
        self.out_dims = in_layer.out_dims


class WeightsOfTheWrongShape(assignment.Linear):
    says = "W has shape (3, 4), the other way round: here it is (features, outputs)"

    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer, num_out_features)
        self.W = self.W.T.copy()

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W.T


class WholeNumbers(assignment.Linear):
    says = "The decimals are lost: the numbers became whole ones"

    def backward(self, dwnstrm):
        self.G = (self.in_array.T @ dwnstrm).astype(int)
        self.in_layer.backward(dwnstrm @ self.W.T)


class HalfPrecision(assignment.Linear):
    says = "they were put into an array of float16"

    def forward(self):
        self.in_array = self.in_layer.forward()
        out = np.empty((len(self.in_array), self.W.shape[1]), dtype=np.float16)
        out[:] = self.in_array @ self.W
        return out


KEPT = {}


class KeptInAGlobalName(assignment.Linear):
    says = "A second layer of the class disturbs the first"

    def forward(self):
        KEPT["x"] = self.in_layer.forward()
        return KEPT["x"] @ self.W

    def backward(self, dwnstrm):
        self.G = KEPT["x"].T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class KeptInTheClass(assignment.Linear):
    says = "A second layer of the class disturbs the first"

    def forward(self):
        type(self).x = self.in_layer.forward()
        return self.x @ self.W

    def backward(self, dwnstrm):
        self.G = self.x.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class ChangesTheGradient(assignment.Linear):
    says = "backward changes dwnstrm in place"

    def backward(self, dwnstrm):
        super().backward(dwnstrm.copy())
        dwnstrm /= len(dwnstrm)


class NoImport(assignment.Linear):
    says = "stops with NameError: name 'numpi' is not defined"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return numpi.dot(self.in_array, self.W)  # noqa: F821


class NoBackward:
    says = "Linear has no method backward"

    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        self.out_dims = (in_layer.out_dims[0], num_out_features)
        self.W = np.random.randn(in_layer.out_dims[1], num_out_features)

    def forward(self):
        return self.in_layer.forward() @ self.W


class OneArgumentOnly(assignment.Linear):
    says = "Linear(...) stops with TypeError"

    def __init__(self, in_layer):
        super().__init__(in_layer, 3)


class PullBackReturnsNothing(Layer):
    says = "pull_back returns nothing (None)"

    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer)
        self.num_out_features = num_out_features
        self.out_dims = (in_layer.out_dims[0], num_out_features)
        self.W = np.random.standard_normal((in_layer.out_dims[1], num_out_features))

    def compute(self, x):
        return x @ self.W

    def pull_back(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm


class TransposedGOfTheLibrary(PullBackReturnsNothing):
    says = "G must have the shape of W"

    def pull_back(self, dwnstrm):
        self.G = dwnstrm.T @ self.in_array
        return dwnstrm @ self.W.T


class FactorsInTheWrongOrder(assignment.Linear):
    says = "The factors are in the wrong order: this is W X instead of X W"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.W @ self.in_array


class HandsBackWithG(assignment.Linear):
    says = "G was taken instead of W"

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.G.T)
