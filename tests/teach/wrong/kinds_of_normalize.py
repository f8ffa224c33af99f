"""More wrong ways to write Normalize, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class WithRunningStatistics(assignment.Normalize):
    mom_wrong = False

    def __init__(self, in_layer, momentum=0.1, epsilon=1e-5):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.momentum, self.epsilon, self.training = momentum, epsilon, True
        self.running_mean = np.zeros(in_layer.out_dims[-1])
        self.running_var = np.ones(in_layer.out_dims[-1])

    def move(self, mean, var):
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        ax = tuple(range(x.ndim - 1))
        if self.training:
            mean, var = x.mean(ax), x.var(ax)
            self.move(mean, var)
        else:
            mean, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + self.epsilon)
        self.out_array = (x - mean) / self.std
        return self.out_array

    def backward(self, dwnstrm):
        if not self.training:
            return self.in_layer.backward(dwnstrm / self.std)
        ax = tuple(range(dwnstrm.ndim - 1))
        y = self.out_array
        self.in_layer.backward((dwnstrm - dwnstrm.mean(ax) - y * (dwnstrm * y).mean(ax)) / self.std)


class NormalizeMomentumReversed(WithRunningStatistics):
    says = "momentum is the weight of the batch in the running statistics"

    def move(self, mean, var):
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var


class NormalizeNotMoved(WithRunningStatistics):
    says = "A pass in training leaves running_mean as it was."

    def move(self, mean, var):
        pass


class NormalizeReplaced(WithRunningStatistics):
    says = "running_mean is replaced by that of the batch: it has to move by momentum only."

    def move(self, mean, var):
        self.running_mean, self.running_var = mean, var


class NormalizePlusEquals(WithRunningStatistics):
    says = "momentum times that of the batch is added to running_var"

    def move(self, mean, var):
        self.running_mean += self.momentum * mean
        self.running_var += self.momentum * var


class NormalizeStdInVar(WithRunningStatistics):
    says = "running_var follows the standard deviation instead of the variance."

    def move(self, mean, var):
        super().move(mean, np.sqrt(var))


class NormalizeRunningInTraining(WithRunningStatistics):
    says = "The running statistics are used in training too, after they have moved"

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        if self.training:
            self.move(x.mean(0), x.var(0))
        self.std = np.sqrt(self.running_var + self.epsilon)
        self.out_array = (x - self.running_mean) / self.std
        return self.out_array


class NormalizePredictionMoves(WithRunningStatistics):
    says = "The running statistics move in prediction as well; they follow the batches of training only."

    def forward(self):
        out = super().forward()
        if not self.training:
            self.move(self.in_array.mean(0), self.in_array.var(0))
        return out


class NormalizePredictionBackwardBatch(WithRunningStatistics):
    says = "In prediction the running mean and variance are constants"

    def backward(self, dwnstrm):
        y = self.out_array
        ax = tuple(range(dwnstrm.ndim - 1))
        self.in_layer.backward((dwnstrm - dwnstrm.mean(ax) - y * (dwnstrm * y).mean(ax)) / self.std)


class NormalizePredictionIdentity(WithRunningStatistics):
    says = "In prediction the input is returned as it came; the running mean and variance have to be used."

    def forward(self):
        if not self.training:
            return self.in_layer.forward()
        return super().forward()


class NormalizeTrainingSwapped(WithRunningStatistics):
    says = "The running statistics are used in training too (they are 0 and 1 at first)"

    def forward(self):
        self.training = not self.training
        out = super().forward()
        self.training = not self.training
        return out


class NormalizeHalfVarTerm(assignment.Normalize):
    says = "The term with y comes in with the factor -2 instead of -1."

    def backward(self, dwnstrm):
        y = self.out_array
        self.in_layer.backward((dwnstrm - dwnstrm.mean(0) - 2 * y * (dwnstrm * y).mean(0)) / self.std)


class NormalizePlusBoth(assignment.Normalize):
    says = "The sign of the mean of dwnstrm is wrong. The sign of the term with y is wrong."

    def backward(self, dwnstrm):
        y = self.out_array
        self.in_layer.backward((dwnstrm + dwnstrm.mean(0) + y * (dwnstrm * y).mean(0)) / self.std)


class NormalizeNoDivision(assignment.Normalize):
    says = "The mean of dwnstrm is a sum over the batch instead of a mean"

    def backward(self, dwnstrm):
        y = self.out_array
        self.in_layer.backward(dwnstrm - dwnstrm.sum(0) - y * (dwnstrm * y).mean(0))


class NormalizeNotTimesN(assignment.Normalize):
    says = "Everything is too large by the number of rows, the size of the batch: a factor 1/batch is missing."

    def backward(self, dwnstrm):
        y, N = self.out_array, len(dwnstrm)
        self.in_layer.backward((1 / self.std) * (N * dwnstrm - dwnstrm.sum(0) - y * (dwnstrm * y).sum(0)))


class NormalizeCs231nDvar(assignment.Normalize):
    says = "The term with y comes in with the factor -0.5 instead of -1."

    def backward(self, dout):
        x = self.in_array
        N = len(x)
        mu = x.mean(0)
        s = self.std
        dvar = np.sum(dout * (x - mu) * -0.5 * s**-3, axis=0)
        dmu = np.sum(dout * -1 / s, axis=0)
        self.in_layer.backward(dout / s + dvar * (x - mu) / N + dmu / N)


class NormalizeDvarSign(assignment.Normalize):
    says = "The sign of the term with y is wrong."

    def backward(self, dout):
        x = self.in_array
        N = len(x)
        mu = x.mean(0)
        s = self.std
        dvar = np.sum(dout * (x - mu) * 0.5 * s**-3, axis=0)
        dmu = np.sum(dout * -1 / s, axis=0)
        self.in_layer.backward(dout / s + dvar * 2 * (x - mu) / N + dmu / N)


class NormalizeDvarPower(assignment.Normalize):
    says = "In the last term a division by s is missing."

    def backward(self, dout):
        x = self.in_array
        N = len(x)
        mu = x.mean(0)
        s = self.std
        dvar = np.sum(dout * (x - mu) * -0.5 * s**-2, axis=0)
        dmu = np.sum(dout * -1 / s, axis=0)
        self.in_layer.backward(dout / s + dvar * 2 * (x - mu) / N + dmu / N)


class NormalizeForgotMu(assignment.Normalize):
    says = "The mean is treated as a constant; it depends on the input too."

    def backward(self, dout):
        x = self.in_array
        N = len(x)
        mu = x.mean(0)
        s = self.std
        dvar = np.sum(dout * (x - mu) * -0.5 * s**-3, axis=0)
        self.in_layer.backward(dout / s + dvar * 2 * (x - mu) / N)


class NormalizeAxisOfMean(assignment.Normalize):
    says = "The mean of dwnstrm is taken over everything: each feature has its own"

    def backward(self, dout):
        y = self.out_array
        self.in_layer.backward((dout - dout.mean() - y * (dout * y).mean()) / self.std)


class NormalizeFeatures(assignment.Normalize):
    says = "The variance is divided by the number of columns instead of the number of rows M."

    def forward(self):
        x = self.in_layer.forward()
        self.std = np.sqrt(((x - x.mean(0)) ** 2).sum(0) / x.shape[1] + 1e-5)
        self.out_array = (x - x.mean(0)) / self.std
        return self.out_array


class NormalizeMeanSquares(assignment.Normalize):
    says = "The mean is not taken away in the variance: this is the mean of the squares."

    def forward(self):
        x = self.in_layer.forward()
        self.std = np.sqrt((x**2).mean(0) + 1e-5)
        self.out_array = (x - x.mean(0)) / self.std
        return self.out_array


class NormalizeBigEps(assignment.Normalize):
    says = "What is added to the variance is 1: epsilon has to be small, such as 1e-5."

    def forward(self):
        x = self.in_layer.forward()
        self.std = np.sqrt(x.var(0) + 1)
        self.out_array = (x - x.mean(0)) / self.std
        return self.out_array


class NormalizeStdPlusEps(assignment.Normalize):
    says = "What is added to the standard deviation is 0.1: epsilon has to be small, such as 1e-5."

    def forward(self):
        x = self.in_layer.forward()
        self.std = x.std(0) + 0.1
        self.out_array = (x - x.mean(0)) / self.std
        return self.out_array


class NormalizeOverAll(assignment.Normalize):
    says = "One mean and one variance for all features: each feature has its own."

    def forward(self):
        x = self.in_layer.forward()
        self.std = np.sqrt(x.var() + 1e-5)
        self.out_array = (x - x.mean()) / self.std
        return self.out_array


class NormalizeTwiceMean(assignment.Normalize):
    says = "The mean of dwnstrm comes in with the factor -2 instead of -1."

    def backward(self, d):
        y = self.out_array
        self.in_layer.backward((d - 2 * d.mean(0) - y * (d * y).mean(0)) / self.std)


class NormalizeNMinus1(assignment.Normalize):
    says = "The term with y is divided by M - 1 instead of M."

    def backward(self, d):
        y, n = self.out_array, len(d)
        self.in_layer.backward((d - d.mean(0) - y * (d * y).sum(0) / (n - 1)) / self.std)


class NormalizeByVariance(assignment.Normalize):
    says = "Divided by the variance instead of its square root."

    def backward(self, d):
        y = self.out_array
        self.in_layer.backward((d - d.mean(0) - y * (d * y).mean(0)) / self.std**2)


class NormalizePlainDivAndMean(assignment.Normalize):
    says = "Mean and variance are treated as constants; they depend on the input too"

    def backward(self, d):
        self.in_layer.backward(d / self.std / len(d))
