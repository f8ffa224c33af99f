"""More wrong ways to write Conv2d, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class Conv2dShifted(assignment.Conv2d):
    says = "The output is shifted by 1 row and 1 column: the padding, or an index, is off."

    def __init__(self, in_layer, num_filters, kernel_size):
        super().__init__(in_layer, num_filters, kernel_size)
        n, h, w, _c = in_layer.out_dims
        self.out_dims = (n, h, w, num_filters)

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        k = len(self.W)
        x = np.pad(x, ((0, 0), (k - 1, 0), (k - 1, 0), (0, 0)))
        _n, h, w, _c = self.in_array.shape
        return sum(x[:, i : i + h, j : j + w] @ self.W[i, j] for i in range(k) for j in range(k))

    def backward(self, d):
        x = self.in_array
        k = len(self.W)
        xp = np.pad(x, ((0, 0), (k - 1, 0), (k - 1, 0), (0, 0)))
        _n, h, w, _c = x.shape
        self.G = np.zeros_like(self.W)
        back = np.zeros_like(xp)
        for i in range(k):
            for j in range(k):
                self.G[i, j] = np.tensordot(xp[:, i : i + h, j : j + w], d, ((0, 1, 2), (0, 1, 2)))
                back[:, i : i + h, j : j + w] += d @ self.W[i, j].T
        self.in_layer.backward(back[:, :h, :w])


class SameConv(assignment.Conv2d):
    mode = "constant"
    pads = None

    def __init__(self, in_layer, num_filters, kernel_size):
        super().__init__(in_layer, num_filters, kernel_size)
        n, h, w, _c = in_layer.out_dims
        self.out_dims = (n, h, w, num_filters)

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        k = len(self.W)
        p, q = (k - 1) // 2, k // 2
        x = np.pad(x, ((0, 0), (p, q), (p, q), (0, 0)), mode=self.mode)
        _n, h, w, _c = self.in_array.shape
        return sum(x[:, i : i + h, j : j + w] @ self.W[i, j] for i in range(k) for j in range(k))

    cut = 0

    def backward(self, d):
        x = self.in_array
        k = len(self.W)
        p, q = (k - 1) // 2, k // 2
        xp = np.pad(x, ((0, 0), (p, q), (p, q), (0, 0)))
        _n, h, w, _c = x.shape
        self.G = np.zeros_like(self.W)
        back = np.zeros_like(xp)
        for i in range(k):
            for j in range(k):
                self.G[i, j] = np.tensordot(xp[:, i : i + h, j : j + w], d, ((0, 1, 2), (0, 1, 2)))
                back[:, i : i + h, j : j + w] += d @ self.W[i, j].T
        p += self.cut
        self.in_layer.backward(back[:, p : p + h, p : p + w])


class Conv2dEdgePadding(SameConv):
    says = "The border is filled with copies of the pixels at the edge instead of zeros."

    mode = "edge"


class Conv2dReflect(SameConv):
    says = "The border is filled with mirrored pixels instead of zeros."

    mode = "reflect"


class Conv2dCutWrong(SameConv):
    says = "What is passed back is shifted by 1 row and 1 column: the border has to be cut off as it was put on."

    cut = -1


class Conv2dStride(assignment.Conv2d):
    says = "The window moves by 2 pixels instead of 1: the stride is 1 here."

    def forward(self):
        return super().forward()[:, ::2, ::2]


class Conv2dOneTooFew(assignment.Conv2d):
    says = "What forward returns has shape (3, 2, 1, 6), but has to have (3, 3, 2, 6)"

    def forward(self):
        return super().forward()[:, :-1, :-1]


class Conv2dLastRowZero(assignment.Conv2d):
    says = "The last row of the image of what forward returns stays 0"

    def forward(self):
        out = super().forward().copy()
        out[:, -1] = 0
        return out


class Conv2dWithBias(assignment.Conv2d):
    says = "Something is added to the image correlated with every filter, a number for each filter"

    def __init__(self, *args):
        super().__init__(*args)
        self.b = np.random.randn(self.W.shape[-1])

    def forward(self):
        return super().forward() + self.b


class Conv2dAveraged(assignment.Conv2d):
    says = "Everything is divided by the number of weights in a window."

    def forward(self):
        return super().forward() / self.W.shape[0] ** 2


class Conv2dFlippedRows(assignment.Conv2d):
    says = "The rows of the filter are in reverse order."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return sum(self.in_array[part] @ self.W[::-1][place] for place, part in self.windows())


class Conv2dMax(assignment.Conv2d):
    says = "The largest product in a window is taken instead of the sum of them."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.max([self.in_array[part] @ self.W[place] for place, part in self.windows()], axis=0)


class Conv2dGMean(assignment.Conv2d):
    says = "Everything is divided by the number of positions."

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        self.G = self.G / (dwnstrm.shape[1] * dwnstrm.shape[2])


class Conv2dGOverwritten(assignment.Conv2d):
    says = "Only the last position in the image counts: add up (+=) what all positions contribute."

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        for place, part in self.windows():
            self.G[place] = np.tensordot(self.in_array[part][:, -1, -1], dwnstrm[:, -1, -1], axes=(0, 0))


class Conv2dPassBackOverwritten(assignment.Conv2d):
    says = "What comes back through one position in the filter is written over by the next: add up (+=)."

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        self.in_layer.received.pop()
        back = np.zeros(self.in_array.shape)
        for place, part in self.windows():
            back[part] = dwnstrm @ self.W[place].T
        self.in_layer.backward(back)


class Conv2dChannelSum(assignment.Conv2d):
    says = "The channels are not told apart: pixels and weights are added up over the channels before they are"

    def forward(self):
        self.in_array = self.in_layer.forward()
        x = self.in_array.sum(-1, keepdims=True)
        W = self.W.sum(2, keepdims=True)
        return sum(x[part] @ W[place] for place, part in self.windows())


class Conv2dFirstRowOfFilter(assignment.Conv2d):
    says = "Only row 0 of the filter counts: add up over all of them."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return sum(self.in_array[part] @ self.W[place] for place, part in self.windows() if place[0] == 0)


class Conv2dMissesLastTap(assignment.Conv2d):
    says = "All but column 2 of the filter counts: add up over all of them."

    def forward(self):
        self.in_array = self.in_layer.forward()
        k = len(self.W) - 1
        return sum(self.in_array[part] @ self.W[place] for place, part in self.windows() if place[1] < k)


class Conv2dOutTransposed(assignment.Conv2d):
    says = "The axes of what forward returns are exchanged"

    def forward(self):
        return super().forward().transpose(0, 3, 1, 2)


class Conv2dPassBackRelu(assignment.Conv2d):
    says = "dwnstrm is cut off at 0, as by a ReLU, before it is used; it has to be taken as it is."

    def backward(self, dwnstrm):
        super().backward(np.maximum(dwnstrm, 0))


class Conv2dGHalf(assignment.Conv2d):
    says = "Everything is divided by the number of rows. A factor of 2 is missing."

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        self.G = self.G / (2 * len(dwnstrm))


class Conv2dPaddingOneMore(assignment.Conv2d):
    says = "What forward returns has shape (3, 5, 4, 6), but has to have (3, 3, 2"

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        k = len(self.W)
        x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        h, w = x.shape[1] - k + 1, x.shape[2] - k + 1
        return sum(x[:, i : i + h, j : j + w] @ self.W[i, j] for i in range(k) for j in range(k))


class Conv2dStartsAtOne(assignment.Conv2d):
    says = "The output is shifted by 1 row: the padding, or an index, is off."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        _n, h, w, k = *self.out_dims[:3], len(self.W)
        out = np.zeros((len(x), h, w, self.W.shape[3]))
        for i in range(h):
            for j in range(w):
                patch = x[:, i + 1 : i + 1 + k, j : j + k]
                out[:, i, j] = np.tensordot(patch, self.W[: patch.shape[1]], ((1, 2, 3), (0, 1, 2)))
        return out


class Conv2dKernelTransposed(assignment.Conv2d):
    says = "Rows and columns of the filter are exchanged."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        return sum(x[part] @ self.W.transpose(1, 0, 2, 3)[place] for place, part in self.windows())


class Conv2dGAveragedPositionsAndImages(assignment.Conv2d):
    says = "Everything is divided by the number of positions in all images."

    def backward(self, d):
        super().backward(d)
        self.G = self.G / (d.shape[0] * d.shape[1] * d.shape[2])


class Conv2dReshapeKernel(assignment.Conv2d):
    says = "W is reshaped, or its axes (6, 2, 3, 3) are in another order than (row, column, channel, filter)."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        W = self.W.transpose(3, 2, 0, 1).reshape(self.W.shape)
        return sum(x[part] @ W[place] for place, part in self.windows())


class Conv2dPassBackZeros(assignment.Conv2d):
    says = "Everything found is 0: the gradient is not computed, or not passed on."

    def backward(self, d):
        super().backward(d)
        self.in_layer.received.pop()
        self.in_layer.backward(np.zeros_like(self.in_array))


class Conv2dGWrongImages(assignment.Conv2d):
    says = "The averages over the images are multiplied; it is the products that are added up."

    def backward(self, d):
        super().backward(d)
        for place, part in self.windows():
            self.G[place] = np.tensordot(self.in_array[part].mean(0), d.mean(0), ((0, 1), (0, 1)))


class Conv2dPassBackNotTransposed(assignment.Conv2d):
    says = "Conv2d.backward stops with ValueError: the shapes do not fit in a matrix product (size 2 is"

    def backward(self, d):
        self.G = np.zeros_like(self.W)
        back = np.zeros(self.in_array.shape)
        for place, part in self.windows():
            self.G[place] = np.tensordot(self.in_array[part], d, axes=((0, 1, 2), (0, 1, 2)))
            back[part] += d @ self.W[place]
        self.in_layer.backward(back)


class Conv2dOneImageAlone(assignment.Conv2d):
    says = "Images have 4 axes: examples, rows, columns and channels; here are names for 3."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        height, width, channels = x.shape
        return x.reshape(height, width, channels)


class Conv2dEntryByEntry(assignment.Conv2d):
    says = "are a matrix of channels and filters: multiply by them with @, not with *."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        return sum(x[part] * self.W[place] for place, part in self.windows())


class Conv2dGTheOtherWayRound(assignment.Conv2d):
    says = "in the order (0, 1, 3, 2). It runs only where there are as many filters as channels"

    def backward(self, dwnstrm):
        self.G = np.zeros_like(self.W)
        for place, part in self.windows():
            self.G[place] = np.tensordot(dwnstrm, self.in_array[part], axes=((0, 1, 2), (0, 1, 2)))
        self.in_layer.backward(np.zeros_like(self.in_array))


class Conv2dAllAxesTurned(assignment.Conv2d):
    says = "Probably: .T turns round all four axes of an array of images"

    def backward(self, dwnstrm):
        self.G = np.zeros_like(self.W)
        for place, part in self.windows():
            self.G[place] = self.in_array[part].T @ dwnstrm
        self.in_layer.backward(np.zeros_like(self.in_array))


class Conv2dTooSmallAnOutput(assignment.Conv2d):
    says = "An array has 1 columns, but the window has 2 positions there: width - kernel_size + 1."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        k = len(self.W)
        n, height, width, _ = x.shape
        out = np.zeros((n, height - k, width - k, self.W.shape[-1]))
        for i in range(height - k + 1):
            for j in range(width - k + 1):
                out[:, i, j] = np.tensordot(x[:, i : i + k, j : j + k], self.W, axes=3)
        return out


class Conv2dTooLongALoop(assignment.Conv2d):
    says = "A loop over the positions is too long: there are 2 columns of them, width - kernel_size + 1."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        k = len(self.W)
        n, height, width, _ = x.shape
        out = np.zeros((n, height - k + 1, width - k + 1, self.W.shape[-1]))
        for j in range(width):
            out[:, 0, j] = x[:, 0, j] @ self.W[0, 0]
        return out


class Conv2dAxesOfTensordot(assignment.Conv2d):
    says = "np.tensordot adds up over pairs of axes of the same size: (1, 2, 3) of a window belong to (0, 1, 2) of W"

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        return np.tensordot(x[:, :3, :3], self.W, axes=((1, 2, 3), (1, 2, 3)))[:, None, None]


class Conv2dBackAsLargeAsTheOutput(assignment.Conv2d):
    says = "Probably: the array for what is passed back has to have the shape of the input, not that of dwnstrm."

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        back = np.zeros_like(dwnstrm)
        for place, part in self.windows():
            back[part] += dwnstrm @ self.W[place].T


class FlattenWithoutChannels(assignment.Flatten):
    says = "There are 120 numbers, of shape (5, 3, 2, 4), and the new shape leaves out axis 3, of size 4."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        return x.reshape(x.shape[0], x.shape[1] * x.shape[2])


class FlattenBackWithoutTheBatch(assignment.Flatten):
    says = "the new shape leaves out the batch, axis 0."

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm.reshape(self.in_layer.out_dims[1:]))


class FlattenOfRows(assignment.Flatten):
    says = "The input may have any number of axes, here 4; reshape(len(x), -1) needs no name for each."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        rows, columns = x.shape
        return x.reshape(rows, columns)


class FlattenAsInPyTorch(assignment.Flatten):
    says = "flatten(1) is PyTorch's; NumPy's is x.reshape(len(x), -1)."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.flatten(1)


class FlattenOfUnknownSizes(assignment.Flatten):
    says = "One size may be -1, the one that follows from the others; the first is len(x)."

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.reshape(-1, -1)
