"""More wrong ways to write Linear, Relu, Bias and Scale, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class LinearDividedByFeatures(assignment.Linear):
    says = "Everything is divided by the square root of the number of columns."

    def forward(self):
        return super().forward() / np.sqrt(self.W.shape[0])


class LinearMeanOverBatchAndWrongSign(assignment.Linear):
    says = "Everything is divided by the number of rows. The sign is wrong."

    def backward(self, dwnstrm):
        self.G = -self.in_array.T @ dwnstrm / len(dwnstrm)
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearDividedByOutputs(assignment.Linear):
    says = "Everything is divided by the number of all outputs."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm / dwnstrm.size
        self.in_layer.backward(dwnstrm @ self.W.T / dwnstrm.shape[1])


class LinearWeightDecayInG(assignment.Linear):
    says = "0.01 W is added to G, as for weight decay: that is not part of this gradient."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm + 0.01 * self.W
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearReluInside(assignment.Linear):
    says = "A ReLU is applied to what forward returns, which would be right without it."

    def forward(self):
        return np.maximum(super().forward(), 0)


class LinearTanhInside(assignment.Linear):
    says = "Tanh is applied to what forward returns, which would be right without it."

    def forward(self):
        return np.tanh(super().forward())


class LinearOwnWeights(assignment.Linear):
    says = "X is multiplied by another matrix than self.W: forward has to use self.W as it is when forward runs."

    def __init__(self, in_layer, num_out_features):
        super().__init__(in_layer, num_out_features)
        self.weights = np.random.randn(*self.W.shape)

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.weights


class LinearNewWeightsEachTime(assignment.Linear):
    says = "forward returns other numbers each time, though nothing has changed: does it draw random numbers?"

    def forward(self):
        self.in_array = self.in_layer.forward()
        W = np.random.randn(*self.W.shape)
        return self.in_array @ W


class LinearLoopOneShort(assignment.Linear):
    says = "The last row of what forward returns stays 0"

    def forward(self):
        self.in_array = self.in_layer.forward()
        out = np.zeros((len(self.in_array), self.W.shape[1]))
        for n in range(len(self.in_array) - 1):
            out[n] = self.in_array[n] @ self.W
        return out


class LinearLoopOverFeaturesOneShort(assignment.Linear):
    says = "The first feature is left out: a loop over the features begins one step late."

    def forward(self):
        self.in_array = self.in_layer.forward()
        out = np.zeros((len(self.in_array), self.W.shape[1]))
        for n in range(len(self.in_array)):
            for k in range(self.W.shape[1]):
                for d in range(1, self.W.shape[0]):
                    out[n, k] += self.in_array[n, d] * self.W[d, k]
        return out


class LinearOverwritten(assignment.Linear):
    says = "Only the last feature counts: add up (+=) over all of them."

    def forward(self):
        self.in_array = self.in_layer.forward()
        out = np.zeros((len(self.in_array), self.W.shape[1]))
        for n in range(len(self.in_array)):
            for k in range(self.W.shape[1]):
                for d in range(self.W.shape[0]):
                    out[n, k] = self.in_array[n, d] * self.W[d, k]
        return out


class LinearReturnInLoop(assignment.Linear):
    says = "Only the first row of what forward returns is computed, the others are 0"

    def forward(self):
        self.in_array = self.in_layer.forward()
        out = np.zeros((len(self.in_array), self.W.shape[1]))
        for n in range(len(self.in_array)):
            out[n] = self.in_array[n] @ self.W
            return out


class LinearOnesColumn(assignment.Linear):
    says = "The number 1 is added to every entry of what forward returns."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W + 1


class LinearReshapedG(assignment.Linear):
    says = "These are the entries of the transpose, reshaped: the transpose of what it should be."

    def backward(self, dwnstrm):
        self.G = (dwnstrm.T @ self.in_array).reshape(self.W.shape)
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearOuterOfMeans(assignment.Linear):
    says = "The averages of X and of dwnstrm over the batch are multiplied"

    def backward(self, dwnstrm):
        self.G = np.outer(self.in_array.mean(0), dwnstrm.mean(0))
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearGTwiceAndClip(assignment.Linear):
    says = "Entries beyond -1 and 1 are cut off (clip)."

    def backward(self, dwnstrm):
        self.G = np.clip(self.in_array.T @ dwnstrm, -1, 1)
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearPassBackTimesInput(assignment.Linear):
    says = "It is multiplied by the input as well."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward((dwnstrm @ self.W.T) * self.in_array)


class LinearPassBackMasked(assignment.Linear):
    says = "A mask is applied, as in a ReLU: what is passed back is 0 where the input is negative."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward((dwnstrm @ self.W.T) * (self.in_array > 0))


class LinearUpdatesBeforePassingBack(assignment.Linear):
    says = "backward changes W."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.W -= 0.1 * self.G
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearHadamardWithRelu(assignment.Linear):
    says = "dwnstrm is set to 0 where the output is negative, as in a ReLU, before it is used"

    def backward(self, dwnstrm):
        d = dwnstrm * (self.in_array @ self.W > 0)
        self.G = self.in_array.T @ d
        self.in_layer.backward(d @ self.W.T)


class LinearGradientNotThroughW(assignment.Linear):
    says = "What is passed back was taken instead of the input."

    def backward(self, dwnstrm):
        self.G = np.dot(dwnstrm, self.W.T).T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearNormalizedG(assignment.Linear):
    says = "Everything is divided by its norm: it must not be scaled."

    def backward(self, dwnstrm):
        G = self.in_array.T @ dwnstrm
        self.G = G / np.linalg.norm(G)
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearGName(assignment.Linear):
    says = "backward does not set self.G."

    def backward(self, dwnstrm):
        self.grad = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearGradOfBiasInG(assignment.Linear):
    says = "G is what is right plus the sum of dwnstrm over the batch."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm + dwnstrm.sum(0)
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearTensordotWrongAxes(assignment.Linear):
    says = "The sums of X and of dwnstrm over the batch are multiplied; it is the products that are added up."

    def backward(self, dwnstrm):
        self.G = np.einsum("nd,mk->dk", self.in_array, dwnstrm)
        self.in_layer.backward(np.einsum("nk,dk->nd", dwnstrm, self.W))


class LinearIntegerWeights(assignment.Linear):
    says = "The input is cut to whole numbers before it is used; it has to be taken as it is."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.astype(int) @ self.W


class LinearPassBackSummed(assignment.Linear):
    says = "Summed over the batch: each row of the input has a gradient of its own."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward((dwnstrm @ self.W.T).sum(axis=0, keepdims=True))


class ReluLeaky(assignment.Relu):
    says = "This is a leaky ReLU with the slope 0.1: negative entries have to become 0, but -2 becomes -0.2."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.where(self.in_array > 0, self.in_array, 0.1 * self.in_array)

    def backward(self, dwnstrm):
        self.in_layer.backward(np.where(self.in_array > 0, dwnstrm, 0.1 * dwnstrm))


class ReluElu(assignment.Relu):
    says = "Positive entries stay and negative entries become exp(x) - 1; they have to stay and become 0."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.where(self.in_array > 0, self.in_array, np.exp(self.in_array) - 1)


class ReluSix(assignment.Relu):
    says = "Entries above 1 are cut off: max(x, 0) has no upper limit."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.clip(self.in_array, 0, 1)


class ReluAboveOne(assignment.Relu):
    says = "Entries become 0 up to 0.8, and not from 1.1 on: the limit has to be 0."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.where(self.in_array > 1, self.in_array, 0)

    def backward(self, dwnstrm):
        self.in_layer.backward(np.where(self.in_array > 1, dwnstrm, 0))


class ReluHalvedMask(assignment.Relu):
    says = "Where the input is positive, 0.5 dwnstrm is passed back, and where it is negative, 0"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.in_array > 0) * 0.5)


class ReluWrongMaskAndHalf(assignment.Relu):
    says = "The mask is made from dwnstrm: its positive entries became 0.2 dwnstrm and its negative entries became 0"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (dwnstrm > 0) / len(dwnstrm))


class ReluMinusOneOnTheLeft(assignment.Relu):
    says = "Where the input is positive, dwnstrm is passed back, and where it is negative, -1"

    def backward(self, dwnstrm):
        g = dwnstrm.copy()
        g[self.in_array <= 0] = -1
        self.in_layer.backward(g)


class ReluOneOnTheRight(assignment.Relu):
    says = "The mask itself is passed back; dwnstrm does not appear in it."

    def backward(self, dwnstrm):
        g = dwnstrm.copy()
        g[self.in_array > 0] = 1
        g[self.in_array <= 0] = 0
        self.in_layer.backward(g)


class ReluOnesWhereInputPositive(assignment.Relu):
    says = "Where the input is positive, 1 is passed back, and where it is negative, dwnstrm"

    def backward(self, dwnstrm):
        g = dwnstrm.copy()
        g[self.in_array > 0] = 1
        self.in_layer.backward(g)


class ReluReluOfDwnstrm(assignment.Relu):
    says = "The mask is taken from the wrong array: from dwnstrm instead of the input."

    def backward(self, dwnstrm):
        self.in_layer.backward(np.maximum(0, dwnstrm))


class ReluReluOfProduct(assignment.Relu):
    says = "Where the input is positive and dwnstrm positive, dwnstrm times the input is passed back"

    def backward(self, dwnstrm):
        self.in_layer.backward(np.maximum(0, dwnstrm * self.in_array))


class ReluMaskOfFirstRow(assignment.Relu):
    says = "The mask of the first row is used for all rows."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.in_array[0] > 0))


class ReluMaskPlus(assignment.Relu):
    says = "Where the input is positive, dwnstrm + 1 is passed back, and where it is negative, dwnstrm"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm + (self.in_array > 0))


class ReluSquare(assignment.Relu):
    says = "Positive entries become its square and negative entries become 0; they have to stay and become 0."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.maximum(0, self.in_array) ** 2


class ReluInt(assignment.Relu):
    says = "The decimals are lost: the numbers became whole ones."

    def forward(self):
        self.in_array = self.in_layer.forward()
        out = np.zeros(self.in_array.shape, dtype=int)
        out[self.in_array > 0] = self.in_array[self.in_array > 0]
        return out


class ReluAbsMask(assignment.Relu):
    says = "Where the input is positive and dwnstrm negative, -dwnstrm is passed back"

    def backward(self, dwnstrm):
        self.in_layer.backward(np.abs(dwnstrm) * (self.in_array > 0))


class ReluNegated(assignment.Relu):
    says = "Where the input is positive, -dwnstrm is passed back, and where it is negative, 0"

    def backward(self, dwnstrm):
        self.in_layer.backward(-dwnstrm * (self.in_array > 0))


class ReluSigmoidlike(assignment.Relu):
    says = "dwnstrm is multiplied by the sigmoid of the input, as for softplus; the derivative is 0 or 1."

    def backward(self, dwnstrm):
        s = 1 / (1 + np.exp(-self.in_array))
        self.in_layer.backward(dwnstrm * s)


class ReluReturnMinus(assignment.Relu):
    says = "Positive entries become 0 and negative entries become -the entry; they have to stay and become 0."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.maximum(-self.in_array, 0)


class ReluHeavisideHalf(assignment.Relu):
    says = "At an input of exactly 0 gradient is let through"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * np.heaviside(self.in_array, 0.5))


class ReluSumOfRow(assignment.Relu):
    says = "dwnstrm is the sum of each row before it is used; it has to be taken as it is."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm.sum(axis=1, keepdims=True) * (self.in_array > 0))


class ReluLoopShort(assignment.Relu):
    says = "The last column of what is passed back stays 0"

    def backward(self, dwnstrm):
        g = np.zeros_like(dwnstrm)
        for i in range(dwnstrm.shape[0]):
            for j in range(dwnstrm.shape[1] - 1):
                if self.in_array[i, j] > 0:
                    g[i, j] = dwnstrm[i, j]
        self.in_layer.backward(g)


class BiasRowsBroadcastWrong(assignment.Bias):
    says = "Every entry of G is the sum over everything: sum over the batch only (axis=0)."

    def backward(self, dwnstrm):
        self.G = dwnstrm.sum() * np.ones_like(self.W)
        self.in_layer.backward(dwnstrm)


class BiasHalfAndMean(assignment.Bias):
    says = "Everything is divided by the number of rows. A factor of 2 is missing."

    def backward(self, dwnstrm):
        self.G = dwnstrm.mean(0, keepdims=True) / 2
        self.in_layer.backward(dwnstrm / len(dwnstrm))


class BiasTwiceW(assignment.Bias):
    says = "This is X + 2 W instead of X + W."

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.in_array = self.in_array + self.W
        return self.in_array + self.W


class BiasMeanW(assignment.Bias):
    says = "This is X + the mean of W instead of X + W."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array + self.W.mean()


class BiasLastRow(assignment.Bias):
    says = "This is what the last row of the batch gives alone: the sum over the batch is missing."

    def backward(self, dwnstrm):
        for row in dwnstrm:
            self.G = row[None]
        self.in_layer.backward(dwnstrm)


class BiasFirstFeatureOnly(assignment.Bias):
    says = "This is X + the first entry of W instead of X + W."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array + self.W[0, 0]


class BiasGMinus(assignment.Bias):
    says = "Everything has the wrong sign."

    def backward(self, dwnstrm):
        self.G = -np.sum(dwnstrm, axis=0, keepdims=True)
        self.in_layer.backward(dwnstrm)


class BiasGUnkept(assignment.Bias):
    says = "Summed over the wrong axis: over the features instead of the batch."

    def backward(self, dwnstrm):
        self.G = np.sum(dwnstrm, axis=1)
        self.in_layer.backward(dwnstrm - self.W)


class BiasGWithInput(assignment.Bias):
    says = "This is X^T dwnstrm, the gradient of a Linear; the input plays no part here."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm)


class BiasXW(assignment.Bias):
    says = "dwnstrm is multiplied by the input in G: that is the gradient of a Scale."

    def backward(self, dwnstrm):
        self.G = (dwnstrm * self.in_array).sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm @ self.W.T)


class BiasNormalizedByFeatures(assignment.Bias):
    says = "Everything is divided by the number of columns."

    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(0, keepdims=True) / dwnstrm.shape[1]
        self.in_layer.backward(dwnstrm)


class ScaleGMean(assignment.Scale):
    says = "The average over the batch is taken instead of the sum."

    def backward(self, dwnstrm):
        self.G = np.mean(self.in_array * dwnstrm, axis=0, keepdims=True)
        self.in_layer.backward(dwnstrm * self.W)


class ScaleOnePlusW(assignment.Scale):
    says = "This is X + X * W instead of X * W."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array * (1 + self.W)


class ScaleSquared(assignment.Scale):
    says = "What forward returns is what is right multiplied by W once more."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array * self.W**2


class ScaleMatrixG(assignment.Scale):
    says = "The numbers are right, but the shape is (4,) and has to be (1, 4)."

    def backward(self, dwnstrm):
        self.G = np.diag(self.in_array.T @ dwnstrm)
        self.in_layer.backward(dwnstrm * self.W)


class ScaleMatrixG2(assignment.Scale):
    says = "X^T dwnstrm is summed, a matrix product; here each feature stays by itself."

    def backward(self, dwnstrm):
        self.G = (self.in_array.T @ dwnstrm).sum(0, keepdims=True)
        self.in_layer.backward(dwnstrm * self.W)


class ScalePassBackWrongOrder(assignment.Scale):
    says = "dwnstrm is multiplied by G instead of W."

    def backward(self, dwnstrm):
        self.G = np.sum(dwnstrm * self.in_array, 0)[None]
        self.in_layer.backward(dwnstrm * self.G)


class ScaleAbsW(assignment.Scale):
    says = "W has lost its sign (absolute values) before it is used; it has to be taken as it is."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array * np.abs(self.W)


class ScalePlusX(assignment.Scale):
    says = "This is X + X * W instead of X * W."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array * self.W + self.in_array


class LinearPytorchWeights(assignment.Linear):
    says = "W has shape (3, 4), the other way round: here it is (features, outputs), (4, 3)"

    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        rows, features = in_layer.out_dims
        self.out_dims = (rows, num_out_features)
        self.W = np.random.randn(num_out_features, features)

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W.T

    def backward(self, dwnstrm):
        self.G = dwnstrm.T @ self.in_array
        self.in_layer.backward(dwnstrm @ self.W)


class LinearPytorchAndMean(LinearPytorchWeights):
    says = "W has shape (3, 4), the other way round: here it is (features, outputs), (4, 3)"

    def backward(self, dwnstrm):
        self.G = dwnstrm.T @ self.in_array / len(dwnstrm)
        self.in_layer.backward(dwnstrm @ self.W)


class LinearBatchWeights(assignment.Linear):
    says = "W has shape (5, 3), but has to have (4, 3): a row for each feature of the input, a column for each output"

    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        rows, _features = in_layer.out_dims
        self.out_dims = (rows, num_out_features)
        self.W = np.random.randn(rows, num_out_features)


class LinearGThenUpdate(assignment.Linear):
    says = "backward changes W."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)
        self.W = self.W - 0.01 * self.G


class LinearOverwritesDwnstrm(assignment.Linear):
    says = "dwnstrm is multiplied by W^T before G is made of it."

    def backward(self, dwnstrm):
        dwnstrm = dwnstrm @ self.W.T
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm)


class LinearStarInForward(assignment.Linear):
    says = "X and W are multiplied entry by entry (*) instead of as matrices (@)."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array * self.W


class LinearStarInBackward(assignment.Linear):
    says = "X^T and dwnstrm are multiplied entry by entry (*) instead of as matrices (@)."

    def backward(self, dwnstrm):
        self.G = self.in_array.T * dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearGradWithoutT(assignment.Linear):
    says = "X is not transposed: this is X dwnstrm."

    def backward(self, dwnstrm):
        self.G = np.dot(self.in_array, dwnstrm)
        self.in_layer.backward(np.dot(dwnstrm, self.W))


class LinearReturnsTuple(assignment.Linear):
    says = "What forward returns is not an array of real numbers, but of type tuple."

    def forward(self):
        return super().forward(), self.W


class LinearForgotReturn(assignment.Linear):
    says = "forward returns nothing (None)."

    def forward(self):
        self.in_array = self.in_layer.forward()
        self.out = self.in_array @ self.W


class LinearInArrayNotKept(assignment.Linear):
    says = "Linear.backward stops with AttributeError: 'LinearInArrayNotKept' object has no attribute 'in_array'"

    def forward(self):
        in_array = self.in_layer.forward()
        return in_array @ self.W


class LinearHalfSign(assignment.Linear):
    says = "A factor of 2 is missing. The sign is wrong."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(-0.5 * dwnstrm @ self.W.T)


class LinearMeanFeaturesPassBack(assignment.Linear):
    says = "Everything is divided by the number of columns."

    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T / self.in_array.shape[1])


class LinearRowByRowLastOnly(assignment.Linear):
    says = "This is what the last row of the batch gives alone: the sum over the batch is missing."

    def backward(self, dwnstrm):
        for x, d in zip(self.in_array, dwnstrm, strict=False):
            self.G = np.outer(x, d)
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearAccumulatesInInit(assignment.Linear):
    says = "A second backward pass adds to the G of the first: G is accumulated by mistake (+=)."

    def __init__(self, in_layer, n):
        super().__init__(in_layer, n)
        self.G = np.zeros_like(self.W)

    def backward(self, dwnstrm):
        self.G += self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearSquareOfInput(assignment.Linear):
    says = "The input is squared before it is used; it has to be taken as it is."

    def backward(self, dwnstrm):
        self.G = (self.in_array**2).T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class LinearClassVariable(assignment.Linear):
    says = "A second layer of the class disturbs the first"

    def forward(self):
        LinearClassVariable.x = self.in_layer.forward()
        return LinearClassVariable.x @ self.W

    def backward(self, dwnstrm):
        self.G = LinearClassVariable.x.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)


class ReluInputZeroedAndScaled(assignment.Relu):
    says = "Where the input is positive, 0 is passed back, and where it is negative, 0.2 dwnstrm"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.in_array < 0) / len(dwnstrm))


class ReluLeaky3(assignment.Relu):
    says = "Where the input is positive, dwnstrm is passed back, and where it is negative, 0.2"

    def backward(self, dwnstrm):
        self.in_layer.backward(np.where(self.in_array > 0, dwnstrm, 0.2))


class ReluPReluForward(assignment.Relu):
    says = "This is a leaky ReLU with the slope 0.25: negative entries have to become 0, but -2 becomes -0.5."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        return np.maximum(x, 0.25 * x)


class ReluMaskFromOutputOfDwnstrm(assignment.Relu):
    says = "The mask is made from dwnstrm: its positive entries became dwnstrm times the input and its negative"

    def backward(self, dwnstrm):
        dwnstrm = dwnstrm.copy()
        dwnstrm[dwnstrm <= 0] = 0
        self.in_layer.backward(self.in_array * dwnstrm)


class ReluForwardTwice(assignment.Relu):
    says = "backward calls self.in_layer.forward() again."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.in_layer.forward() > 0))


class ReluElementLoopWrong(assignment.Relu):
    says = "Two axes are mixed up."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        out = x.copy()
        for i in range(x.shape[0]):
            for j in range(x.shape[0]):
                if out[i, j] < 0:
                    out[i, j] = 0
        return out


class ReluMinusOnes(assignment.Relu):
    says = "The derivative is taken as the sign of x: it is 0 for negative x, not -1."

    def backward(self, dwnstrm):
        self.in_layer.backward(np.where(self.in_array > 0, 1, -1) * dwnstrm)


class BiasColumn(assignment.Bias):
    says = "W is a column (4, 1) and has to be a row (1, 4)."

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = np.random.rand(in_layer.out_dims[1], 1)

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        return x + np.repeat(self.W.T, self.in_layer.out_dims[0], axis=0)

    def backward(self, d):
        self.G = d.mean(0).reshape(1, -1)
        self.in_layer.backward(d)


class BiasFullMatrix(assignment.Bias):
    says = "W has shape (5, 4), but has to have (1, 4)"

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = np.random.randn(*in_layer.out_dims)

    def backward(self, d):
        self.G = d
        self.in_layer.backward(d)


class BiasPerRow(assignment.Bias):
    says = "W has shape (5, 1), but has to have (1, 4)"

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = np.random.randn(in_layer.out_dims[0], 1)


class BiasScalar(assignment.Bias):
    says = "W has shape (), but has to have (1, 4): one row, with a number for each feature"

    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = np.random.randn()


class BiasPassesMean(assignment.Bias):
    says = "The average over the batch is passed back to every row; each row gets its own dwnstrm."

    def backward(self, d):
        self.G = d.sum(0, keepdims=True)
        self.in_layer.backward(d.mean(0, keepdims=True) * np.ones_like(d))


class BiasGOnesTimesSum(assignment.Bias):
    says = "G is the size of the batch everywhere: dwnstrm does not appear in it."

    def backward(self, d):
        self.G = np.ones((1, d.shape[1])) * d.shape[0]
        self.in_layer.backward(d)


class BiasGOfFirst(assignment.Bias):
    says = "This is what the first row of the batch gives alone: the sum over the batch is missing."

    def backward(self, d):
        self.G = d[:1]
        self.in_layer.backward(d)


class ScaleNoSumNoInput(assignment.Scale):
    says = "G is dwnstrm as it came."

    def backward(self, d):
        self.G = d
        self.in_layer.backward(d * self.W)


class ScaleGOutput(assignment.Scale):
    says = "The output was taken instead of the input. Everything is divided by the number of rows."

    def forward(self):
        self.out = super().forward()
        return self.out

    def backward(self, d):
        self.G = np.mean(self.out * d, axis=0, keepdims=True)
        self.in_layer.backward(d * self.W)


class ScalePassBackAverage(assignment.Scale):
    says = "dwnstrm is passed back as it came: W is missing. Besides, everything is multiplied by the mean of W."

    def backward(self, d):
        self.G = (self.in_array * d).sum(0, keepdims=True)
        self.in_layer.backward(d * self.W.mean())


class ScaleInverse(assignment.Scale):
    says = "dwnstrm is divided by W instead of multiplied."

    def backward(self, d):
        self.G = (self.in_array * d).sum(0, keepdims=True)
        self.in_layer.backward(d / self.W)


class ScaleMatMul(assignment.Scale):
    says = "X W^T is a matrix product; here each feature stays by itself."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        return x @ self.W.T


class ScaleGSumAxis1(assignment.Scale):
    says = "Summed over the wrong axis: over the features instead of the batch."

    def backward(self, d):
        self.G = (self.in_array * d).sum(1)
        self.in_layer.backward(d * self.W)
