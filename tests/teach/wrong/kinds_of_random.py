"""More wrong ways to write Dropout and Data, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class DropoutTimesRate(assignment.Dropout):
    says = "With rate 0.4, an entry of 1 that stays becomes 0.4 instead of 1.667"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.random(x.shape) >= self.rate) * self.rate if self.training else np.ones(x.shape)
        return x * self.mask


class DropoutTimesKeep(assignment.Dropout):
    says = "With rate 0.4, an entry of 1 that stays becomes 0.6 instead of 1.667"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.random(x.shape) >= self.rate) * (1 - self.rate) if self.training else np.ones(x.shape)
        return x * self.mask


class DropoutClassic(assignment.Dropout):
    says = "With rate 0.4, an entry of 1 that stays becomes 1 instead of 1.667"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.random(x.shape) >= self.rate) * 1.0 if self.training else np.full(x.shape, 1 - self.rate)
        return x * self.mask


class DropoutRandn(assignment.Dropout):
    says = "With rate 0.4, 66% of the entries are dropped: the random numbers are normal (randn)"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.randn(*x.shape) >= self.rate) / (1 - self.rate) if self.training else np.ones(x.shape)
        return x * self.mask


class DropoutWholeColumns(assignment.Dropout):
    says = "Whole columns are dropped: each entry has a random number of its own (of the shape of the input)."

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.rand(x.shape[1]) >= self.rate) / (1 - self.rate) if self.training else np.ones(x.shape)
        return x * self.mask


class DropoutWholeRows(assignment.Dropout):
    says = "Whole rows are dropped: each entry has a random number of its own (of the shape of the input)."

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (
            (np.random.rand(len(x), 1) >= self.rate) / (1 - self.rate) if self.training else np.ones((len(x), 1))
        )
        return x * self.mask


class DropoutHalf(assignment.Dropout):
    says = "With rate 0.4, an entry of 1 that stays becomes 2 instead of 1.667"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.rand(*x.shape) >= 0.5) / 0.5 if self.training else np.ones(x.shape)
        return x * self.mask


class DropoutSwappedTraining(assignment.Dropout):
    says = "training is read the wrong way round: entries are dropped where it is False"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = np.ones(x.shape) if self.training else (np.random.rand(*x.shape) >= self.rate) / (1 - self.rate)
        return x * self.mask


class DropoutBackOnlyMask(assignment.Dropout):
    says = "dwnstrm does not appear in what is passed back: it is the mask alone."

    def backward(self, dwnstrm):
        self.in_layer.backward(self.mask)


class DropoutBackInverted(assignment.Dropout):
    says = "The mask is the wrong way round: what was dropped passes gradient back, and what stayed does not"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.mask == 0))


class DropoutBackScaledTwice(assignment.Dropout):
    says = "The mask is right, but not the factor. It is multiplied by 2.778 and was multiplied by 1.667 in forward"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * self.mask / (1 - self.rate))


class DropoutBackAlwaysScaled(assignment.Dropout):
    says = "Entries are changed though training is False"

    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.mask > 0) / (1 - self.rate))


class DropoutMaskNotCompared(assignment.Dropout):
    says = "No entry is dropped: random numbers are added to the entries or multiplied with them"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = np.random.rand(*x.shape) / (1 - self.rate) if self.training else np.ones(x.shape)
        return x * self.mask


class DropoutSeeded(assignment.Dropout):
    says = "Every pass drops the same entries."

    def forward(self):
        np.random.seed(0)
        return super().forward()


class DropoutNoTraining(assignment.Dropout):
    says = "Dropout has no attribute training."

    def __init__(self, in_layer, rate=0.5):
        self.in_layer = in_layer
        self.rate = rate
        self.out_dims = in_layer.out_dims

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.rand(*x.shape) >= self.rate) / (1 - self.rate)
        return x * self.mask


class DropoutBinomial(assignment.Dropout):
    says = "rate is taken for the share that stays; it is the share that is dropped"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = np.random.binomial(1, self.rate, x.shape) / self.rate if self.training else np.ones(x.shape)
        return x * self.mask


class DataCopy1(assignment.Data):
    says = "forward does not return the array that set_data got."

    def set_data(self, data):
        pass


class DataFlat(assignment.Data):
    says = "forward does not return the array that the constructor got, but all entries in one row."

    def forward(self):
        return self.data.ravel()


class DataScaled(assignment.Data):
    says = "forward does not return the array that the constructor got"

    def forward(self):
        return self.data / np.abs(self.data).max()


class DataFirstRow(assignment.Data):
    says = "forward does not return the array that the constructor got, but its first row alone."

    def forward(self):
        return self.data[0]


class DataNoForward(assignment.Data):
    says = "forward does not return the array that the constructor got, but nothing (None): is there a return?."

    def forward(self):
        self.last = self.data


class DataOutDims(assignment.Data):
    says = "out_dims is not the shape of the output."

    def __init__(self, data):
        self.data = data
        self.out_dims = data.size


class DataNoSet(assignment.Data):
    says = "Data.set_data stops with TypeError: 'NoneType' object is not callable."

    set_data = None


class DataBackwardSubtracts(assignment.Data):
    says = "backward changes what forward returns: Data has no parameters, and backward has nothing to do."

    def backward(self, dwnstrm):
        self.data = self.data - 0.1 * dwnstrm


class DataNoBackwardArg(assignment.Data):
    says = "Data.backward stops with TypeError: DataNoBackwardArg.backward() takes 1 positional argument but 2"

    def backward(self):
        pass


class DataIntegers(assignment.Data):
    says = "forward does not return the array that the constructor got, but whole numbers"

    def __init__(self, data):
        self.data = data.astype(int)
        self.out_dims = data.shape


class DataReversed(assignment.Data):
    says = "out_dims is (2, 3), but forward has to return an array of shape (3, 2)."

    def __init__(self, data):
        self.data = data
        self.out_dims = data.T.shape


class DropoutKeepInverted(assignment.Dropout):
    says = "rate is taken for the share that stays; it is the share that is dropped"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = (np.random.random(x.shape) < self.rate) / self.rate if self.training else np.ones(x.shape)
        return x * self.mask


class DropoutBackDivRate(assignment.Dropout):
    says = "The mask is right, but not the factor. It is multiplied by 2.5 and was multiplied by 1.667 in forward"

    def backward(self, d):
        self.in_layer.backward(d * (self.mask > 0) / self.rate)


class DropoutNoiseAdded(assignment.Dropout):
    says = "No entry is dropped: random numbers are added to the entries or multiplied with them"

    def forward(self):
        x = self.in_layer.forward()
        self.mask = np.ones(x.shape)
        return x + np.random.randn(*x.shape) if self.training else x


class DropoutMaskInInit(assignment.Dropout):
    says = "Every pass drops the same entries."

    def __init__(self, in_layer, rate=0.5):
        super().__init__(in_layer, rate)
        self.mask = (np.random.random(in_layer.out_dims) >= rate) / (1 - rate)

    def forward(self):
        x = self.in_layer.forward()
        return x * self.mask if self.training else x

    def backward(self, d):
        self.in_layer.backward(d * self.mask if self.training else d)


class DropoutScaledInPrediction(assignment.Dropout):
    says = "Entries are changed though training is False: they are multiplied by 1 - rate"

    def forward(self):
        x = self.in_layer.forward()
        if not self.training:
            self.mask = np.ones(x.shape)
            return x * (1 - self.rate)
        self.mask = (np.random.random(x.shape) >= self.rate) / (1 - self.rate)
        return x * self.mask
