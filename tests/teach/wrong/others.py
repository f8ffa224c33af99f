"""Wrong ways to write Normalize, Data, Sigmoid, Tanh, Flatten and Dropout, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class NormalizeConstants(assignment.Normalize):
    says = "Mean and variance are treated as constants"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm / self.std)


class NormalizeConstantVariance(assignment.Normalize):
    says = "The variance is treated as a constant"

    def backward(self, dwnstrm):
        self.in_layer.backward((dwnstrm - dwnstrm.mean(axis=0)) / self.std)


class NormalizeWrongAxis(assignment.Normalize):
    says = "Normalised over the wrong axis"

    def forward(self):
        x = self.in_layer.forward()
        self.std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        self.out_array = (x - x.mean(axis=1, keepdims=True)) / self.std
        return self.out_array


class NormalizeUnbiased(assignment.Normalize):
    says = "The variance is divided by M - 1 instead of M"

    def forward(self):
        x = self.in_layer.forward()
        self.std = np.sqrt(x.var(axis=0, ddof=1) + 1e-5)
        self.out_array = (x - x.mean(axis=0)) / self.std
        return self.out_array


class NormalizeByTheVariance(assignment.Normalize):
    says = "Divided by the variance instead of its square root"

    def forward(self):
        x = self.in_layer.forward()
        self.std = x.var(axis=0) + 1e-5
        self.out_array = (x - x.mean(axis=0)) / self.std
        return self.out_array


class NormalizeWithoutEpsilon(assignment.Normalize):
    says = "forward divides by 0 where a feature does not vary"

    def forward(self):
        x = self.in_layer.forward()
        self.std = x.std(axis=0)
        self.out_array = (x - x.mean(axis=0)) / self.std
        return self.out_array


class DataTransposed(assignment.Data):
    says = "forward does not return the array that the constructor got"

    def forward(self):
        return self.data.T


class DataKeepsTheOldArray(assignment.Data):
    says = "forward does not return the array that set_data got"

    def set_data(self, data):
        self.new_data = data


class DataWritesIntoTheOldArray(assignment.Data):
    says = "set_data writes into the array of the constructor"

    def set_data(self, data):
        self.data[:] = data


class DataForAll(assignment.Data):
    says = "after a second Data was made"

    def __init__(self, data):
        DataForAll.data = data
        self.out_dims = data.shape

    def set_data(self, data):
        DataForAll.data = data


class DataWithoutRows(assignment.Data):
    says = "out_dims is (2,), but forward has to return an array of shape (3, 2)"

    def __init__(self, data):
        super().__init__(data)
        self.out_dims = data.shape[1:]


class SigmoidOfTheInput(assignment.Sigmoid):
    says = "The derivative is s (1 - s) in the output s; the input was put in"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return 1 / (1 + np.exp(-self.in_array))

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.in_array * (1 - self.in_array))


class SigmoidWithoutDownstream(assignment.Sigmoid):
    says = "dwnstrm does not appear in what is passed back"

    def backward(self, dwnstrm):
        self.in_layer.backward(self.out_array * (1 - self.out_array))


class SigmoidThatOverflows(assignment.Sigmoid):
    says = "For inputs of -10000, -800, 800, 10000, forward returns"

    def forward(self):
        e = np.exp(self.in_layer.forward())
        self.out_array = e / (1 + e)
        return self.out_array


class TanhWithoutSquare(assignment.Tanh):
    says = "The square is missing in the derivative"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (1 - self.out_array))


class TanhTwice(assignment.Tanh):
    says = "tanh is applied twice"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (1 - np.tanh(self.out_array) ** 2))


class FlattenTheBatch(assignment.Flatten):
    says = "The batch is flattened too"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.ravel()


class FlattenInFortranOrder(assignment.Flatten):
    says = "The entries come in Fortran order"

    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array.reshape(len(self.in_array), -1, order="F")


class FlattenHandsBackRows(assignment.Flatten):
    says = "it has to get the shape of the input"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm)


class DropoutWithoutScaling(assignment.Dropout):
    says = "an entry of 1 that stays becomes 1 instead of 1.667"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = np.random.random(x.shape) >= self.rate if self.training else np.ones(x.shape)
        return x * self.mask


class DropoutKeepsTheRate(assignment.Dropout):
    says = "59% of the entries are dropped"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.random(x.shape) < self.rate) / (1 - self.rate) if self.training else np.ones(x.shape)
        return x * self.mask


class DropoutWithANewMaskOnTheWayBack(assignment.Dropout):
    says = "What is passed back is not dwnstrm times the mask of the last forward pass"

    def backward(self, dwnstrm):
        mask = np.random.random(dwnstrm.shape) >= self.rate
        self.in_layer.backward(dwnstrm * mask / (1 - self.rate))


class DropoutWithOneMask(assignment.Dropout):
    says = "Every pass drops the same entries"

    def forward(self):
        x = self.in_layer.forward()
        if not self.training:
            self.mask = np.ones(x.shape)
        elif not hasattr(self, "mask"):
            self.mask = (np.random.random(x.shape) >= self.rate) / (1 - self.rate)
        return x * self.mask


class DropoutInPrediction(assignment.Dropout):
    says = "Entries are changed though training is False"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.random(x.shape) >= self.rate) / (1 - self.rate)
        return x * self.mask


class NormalizeSumInsteadOfMean(assignment.Normalize):
    says = "A sum over the batch stands where the mean of dwnstrm belongs"

    def backward(self, dwnstrm):
        y = self.out_array
        self.in_layer.backward((dwnstrm - dwnstrm.sum(axis=0) - y * (dwnstrm * y).mean(axis=0)) / self.std)


class NormalizeSumOfProducts(assignment.Normalize):
    says = "A sum over the batch stands where the mean of dwnstrm times y belongs"

    def backward(self, dwnstrm):
        y = self.out_array
        self.in_layer.backward((dwnstrm - dwnstrm.mean(axis=0) - y * (dwnstrm * y).sum(axis=0)) / self.std)


class NormalizeWithAPlus(assignment.Normalize):
    says = "The sign of the term with y is wrong"

    def backward(self, dwnstrm):
        y = self.out_array
        self.in_layer.backward((dwnstrm - dwnstrm.mean(axis=0) + y * (dwnstrm * y).mean(axis=0)) / self.std)


class NormalizeOfTheRootTwice(assignment.Normalize):
    says = "The standard deviation stands where the variance belongs"

    def forward(self):
        x = self.in_layer.forward()
        self.std = np.sqrt(x.std(axis=0) + 1e-5)
        self.out_array = (x - x.mean(axis=0)) / self.std
        return self.out_array


class NormalizeImagesOverTheBatchAlone(assignment.Normalize):
    says = "For images of shape (2, 3, 2, 4)"

    def __init__(self, in_layer):
        super().__init__(in_layer)
        self.running_mean = np.zeros(in_layer.out_dims[-1])
