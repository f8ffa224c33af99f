"""More wrong ways to write Sigmoid, Tanh and Flatten, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class SigmoidSquared(assignment.Sigmoid):
    says = "dwnstrm is multiplied by s - s^3; the derivative is s (1 - s) in the output s."

    def backward(self, dwnstrm):
        s = self.out_array
        self.in_layer.backward(dwnstrm * s * (1 - s**2))


class SigmoidTanhDerivative(assignment.Sigmoid):
    says = "This is the derivative of tanh."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (1 - self.out_array**2))


class SigmoidPlus(assignment.Sigmoid):
    says = "dwnstrm is multiplied by s + s^2; the derivative is s (1 - s) in the output s."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.out_array * (1 + self.out_array))


class SigmoidMinusOne(assignment.Sigmoid):
    says = "dwnstrm is multiplied by -s + s^2; the derivative is s (1 - s) in the output s."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.out_array * (self.out_array - 1))


class SigmoidOnlyOneMinus(assignment.Sigmoid):
    says = "The factor s of the derivative s (1 - s) is missing."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (1 - self.out_array))


class SigmoidOfDwnstrm(assignment.Sigmoid):
    says = "The derivative was taken at dwnstrm instead of the input, and it is not multiplied by dwnstrm."

    def backward(self, dwnstrm):
        s = 1 / (1 + np.exp(-dwnstrm))
        self.in_layer.backward(s * (1 - s))


class SigmoidOfDwnstrmTimes(assignment.Sigmoid):
    says = "The derivative was taken at dwnstrm instead of the input."

    def backward(self, dwnstrm):
        s = 1 / (1 + np.exp(-dwnstrm))
        self.in_layer.backward(dwnstrm * s * (1 - s))


class SigmoidMeanToo(assignment.Sigmoid):
    says = "Everything is divided by the number of rows, the size of the batch: divided by the batch once too often"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.out_array * (1 - self.out_array) / len(dwnstrm))


class SigmoidSum(assignment.Sigmoid):
    says = "dwnstrm is added to the derivative instead of multiplied by it."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm + self.out_array * (1 - self.out_array))


class SigmoidSoftmax(assignment.Sigmoid):
    says = "This is a softmax, over all entries: each entry has to be taken by itself."

    def forward(self):
        x = self.in_layer.forward()
        self.out_array = np.exp(x) / np.sum(np.exp(x))
        return self.out_array


class SigmoidSign(assignment.Sigmoid):
    says = "The sign in the exponent is wrong: this falls where it should rise."

    def forward(self):
        self.out_array = 1 / (1 + np.exp(self.in_layer.forward()))
        return self.out_array


class SigmoidBrackets(assignment.Sigmoid):
    says = "The brackets are missing in the denominator: this is 1 / 1 + exp(-x)."

    def forward(self):
        self.out_array = 1 / 1 + np.exp(-self.in_layer.forward())
        return self.out_array


class SigmoidRounded(assignment.Sigmoid):
    says = "This is 0 or 1: a threshold instead of the sigmoid."

    def forward(self):
        self.out_array = np.round(1 / (1 + np.exp(-self.in_layer.forward())))
        return self.out_array


class SigmoidExpDerivative(assignment.Sigmoid):
    says = "The factor s of the derivative s (1 - s) is missing."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return super().forward()

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * np.exp(-self.in_array) / (1 + np.exp(-self.in_array)))


class SigmoidExpDerivative2(assignment.Sigmoid):
    says = "dwnstrm is multiplied by -s + s^2; the derivative is s (1 - s) in the output s."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return super().forward()

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * -np.exp(-self.in_array) / (1 + np.exp(-self.in_array)) ** 2)


class TanhNoOne(assignment.Tanh):
    says = "dwnstrm is multiplied by t^2; the derivative is 1 - t^2 in the output t."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.out_array**2)


class TanhSigmoidD(assignment.Tanh):
    says = "This is the derivative of the sigmoid."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.out_array * (1 - self.out_array))


class TanhOnePlus(assignment.Tanh):
    says = "dwnstrm is multiplied by 1 + t^2; the derivative is 1 - t^2 in the output t."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (1 + self.out_array**2))


class TanhHalf(assignment.Tanh):
    says = "The 2 in the exponent is missing: this is tanh(x / 2)."

    def forward(self):
        x = self.in_layer.forward()
        self.out_array = 2 / (1 + np.exp(-x)) - 1
        return self.out_array


class TanhOverflow(assignment.Tanh):
    says = "For inputs of -10000, -800, 800, 10000, forward returns nan, nan, nan, nan instead of -1, -1, 1, 1"

    def forward(self):
        x = self.in_layer.forward()
        self.out_array = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
        return self.out_array


class TanhSquaredBoth(assignment.Tanh):
    says = "dwnstrm is multiplied by 1 - 2 t + t^2; the derivative is 1 - t^2 in the output t."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (1 - self.out_array) ** 2)


class TanhDwnstrmSquared(assignment.Tanh):
    says = "dwnstrm was put into the derivative in place of the output."

    def backward(self, dwnstrm):
        self.in_layer.backward((1 - dwnstrm**2) * dwnstrm)


class TanhSech(assignment.Tanh):
    says = "The square is missing: the derivative is 1 / cosh(x)^2."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.tanh(self.in_array)

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm / np.cosh(self.in_array))


class TanhDegrees(assignment.Tanh):
    says = "This is the tangent (np.tan) instead of the hyperbolic one (np.tanh)."

    def forward(self):
        self.out_array = np.tan(self.in_layer.forward())
        return self.out_array


class FlattenChannelsFirst(assignment.Flatten):
    says = "The axes are exchanged, to (0, 3, 1, 2), before reshape"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.transpose(0, 3, 1, 2).reshape(len(self.in_array), -1)

    def backward(self, dwnstrm):
        n, h, w, c = self.in_array.shape
        self.in_layer.backward(dwnstrm.reshape(n, c, h, w).transpose(0, 2, 3, 1))


class FlattenTurned(assignment.Flatten):
    says = "All numbers of what forward returns are right, but at the wrong positions"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.reshape(-1, len(self.in_array)).T


class FlattenT(assignment.Flatten):
    says = "The batch has become the last axis: it has to stay the first."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.reshape(len(self.in_array), -1).T


class FlattenKeepChannels(assignment.Flatten):
    says = "Only rows and columns became one axis; the channels have to join them."

    def forward(self):
        self.in_array = self.in_layer.forward()
        n, h, w, c = self.in_array.shape
        return self.in_array.reshape(n, h * w, c)


class FlattenBackWrongOrder(assignment.Flatten):
    says = "The axes are exchanged, to (0, 3, 1, 2), after reshape"

    def backward(self, dwnstrm):
        n, h, w, c = self.in_array.shape
        self.in_layer.backward(dwnstrm.reshape(n, c, h, w).transpose(0, 2, 3, 1))


class FlattenBackTransposed(assignment.Flatten):
    says = "The axes of what is passed back are exchanged and the result is reshaped"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm.T.reshape(self.in_array.shape))


class FlattenBatchOfConstructor(assignment.Flatten):
    says = "With 8 rows after 5: Flatten.forward stops with ValueError"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.reshape(self.out_dims)


class FlattenOutDims(assignment.Flatten):
    says = "out_dims is (5, 6), but forward has to return an array of shape (5, 24)."

    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.out_dims = (in_layer.out_dims[0], in_layer.out_dims[1] * in_layer.out_dims[2])


class FlattenBackMean(assignment.Flatten):
    says = "Everything is divided by the number of entries of an example."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm.reshape(self.in_array.shape) / dwnstrm.shape[1])


class SigmoidForwardTanhBackwardRight(assignment.Sigmoid):
    says = "This is tanh, which goes from -1 to 1."

    def forward(self):
        self.out_array = np.tanh(self.in_layer.forward())
        return self.out_array


class SigmoidClip(assignment.Sigmoid):
    says = "Entries beyond 0.2689 and 0.7311 are cut off (clip)."

    def forward(self):
        x = np.clip(self.in_layer.forward(), -1, 1)
        self.out_array = 1 / (1 + np.exp(-x))
        return self.out_array


class SigmoidMissingNeg(assignment.Sigmoid):
    says = "The sign in the exponent is wrong: this falls where it should rise."

    def forward(self):
        x = self.in_layer.forward()
        self.out_array = np.exp(-x) / (1 + np.exp(-x))
        return self.out_array


class SigmoidDerivInput(assignment.Sigmoid):
    says = "The derivative is s (1 - s) in the output s; the input was put in."

    def forward(self):
        self.x = self.in_layer.forward()
        self.out_array = 1 / (1 + np.exp(-self.x))
        return self.out_array

    def backward(self, d):
        self.in_layer.backward(d * self.x * (1 - self.x))


class SigmoidSum2(assignment.Sigmoid):
    says = "What is passed back is d s - s^2, where d is dwnstrm"

    def backward(self, d):
        s = self.out_array
        self.in_layer.backward(d * s - s**2)


class SigmoidPrecedence(assignment.Sigmoid):
    says = "What is passed back is d s - s, where d is dwnstrm"

    def backward(self, d):
        s = self.out_array
        self.in_layer.backward(d * s * 1 - s)


class TanhPrecedence(assignment.Tanh):
    says = "What is passed back is d - t^2, where d is dwnstrm"

    def backward(self, d):
        self.in_layer.backward(d * 1 - self.out_array**2)


class TanhInputSquared(assignment.Tanh):
    says = "The derivative is 1 - t^2 in the output t; the input was put in."

    def forward(self):
        self.x = self.in_layer.forward()
        return np.tanh(self.x)

    def backward(self, d):
        self.in_layer.backward(d * (1 - self.x**2))


class TanhTwoTimes(assignment.Tanh):
    says = "dwnstrm is multiplied by 2 - 2 t^2; the derivative is 1 - t^2 in the output t."

    def backward(self, d):
        self.in_layer.backward(2 * d * (1 - self.out_array**2))


class TanhExpOne(assignment.Tanh):
    says = "The 2 in the exponent is missing: this is tanh(x / 2)."

    def forward(self):
        x = self.in_layer.forward()
        self.out_array = (1 - np.exp(-x)) / (1 + np.exp(-x))
        return self.out_array


class TanhExpSign(assignment.Tanh):
    says = "The wrong sign: this is -tanh(x)."

    def forward(self):
        x = self.in_layer.forward()
        self.out_array = (np.exp(-2 * x) - 1) / (np.exp(-2 * x) + 1)
        return self.out_array


class FlattenRavel(assignment.Flatten):
    says = "dwnstrm is flattened once more; it has to get the shape of the input."

    def backward(self, d):
        self.in_layer.backward(d.ravel())


class FlattenSwapRowsCols(assignment.Flatten):
    says = "The axes are exchanged, to (0, 2, 1, 3), before reshape"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.transpose(0, 2, 1, 3).reshape(len(self.in_array), -1)


class FlattenScaledBack(assignment.Flatten):
    says = "Everything is 2 times too large: a factor of 2."

    def backward(self, d):
        self.in_layer.backward(d.reshape(self.in_array.shape) * 2)
