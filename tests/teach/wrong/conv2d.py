"""Wrong ways to write Conv2d, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class FilterTurnedRound(assignment.Conv2d):
    says = "The filter is turned round (a convolution in the strict sense)"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return sum(self.in_array[part] @ self.W[::-1, ::-1][place] for place, part in self.windows())


class OneChannel(assignment.Conv2d):
    says = "Only the first channel of the image is used"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return sum(self.in_array[part][..., :1] @ self.W[place][:1] for place, part in self.windows())


class TurnedG(assignment.Conv2d):
    says = "The filter is turned round in G"

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        self.G = self.G[::-1, ::-1]


class AveragedG(assignment.Conv2d):
    says = "divided by the batch once too often"

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        self.G = self.G / len(dwnstrm)


class OneExampleInG(assignment.Conv2d):
    says = "This is what the first row of the batch gives alone"

    def backward(self, dwnstrm):
        super().backward(dwnstrm)
        for place, part in self.windows():
            self.G[place] = np.tensordot(self.in_array[part][:1], dwnstrm[:1], axes=((0, 1, 2), (0, 1, 2)))


class TurnedOnTheWayBack(assignment.Conv2d):
    says = "The filter is turned the wrong way in the backward pass"

    def backward(self, dwnstrm):
        W = self.W
        self.W = W[::-1, ::-1]
        super().backward(dwnstrm)
        self.W = W


class NoFullPadding(assignment.Conv2d):
    says = "What is passed back has shape (3, 3, 2, 2), but has to have (3, 5, 4, 2), that of the input"

    def backward(self, dwnstrm):
        in_layer, self.in_layer = self.in_layer, Keeper()
        super().backward(dwnstrm)
        everything, self.in_layer = self.in_layer.kept, in_layer
        edge = self.W.shape[0] // 2
        inside = slice(edge, -edge) if edge else slice(None)
        in_layer.backward(everything[:, inside, inside])


class Keeper:
    def backward(self, dwnstrm):
        self.kept = dwnstrm


class WrongOutDims(assignment.Conv2d):
    says = "What forward returns has shape (3, 3, 2, 6), but has to have (3, 5, 4, 6)"

    def __init__(self, in_layer, num_filters, kernel_size):
        super().__init__(in_layer, num_filters, kernel_size)
        self.real_dims = self.out_dims
        self.out_dims = (*in_layer.out_dims[:3], num_filters)

    def windows(self):
        rows, columns = self.real_dims[1:3]
        for i in range(self.W.shape[0]):
            for j in range(self.W.shape[1]):
                yield (i, j), (slice(None), slice(i, i + rows), slice(j, j + columns))


class OverwritesTheSum(assignment.Conv2d):
    says = "Only the last position in the filter counts: add up (+=)"

    def forward(self):
        size = self.W.shape[0]
        out = super().forward()
        rows, columns = out.shape[1:3]
        return self.in_array[:, size - 1 : size - 1 + rows, size - 1 : size - 1 + columns] @ self.W[-1, -1]


class SwapsRowsAndColumns(assignment.Conv2d):
    says = "Rows and columns of the filter are exchanged"

    def forward(self):
        W, self.W = self.W, self.W.swapaxes(0, 1)
        out = super().forward()
        self.W = W
        return out
