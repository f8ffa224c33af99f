"""More wrong ways to write SquareLoss and CrossEntropy, each with what has to be said about it."""

import numpy as np

from tests.teach import assignment


class SquareLossColumns2(assignment.SquareLoss):
    says = "Divided by the number of columns instead of the number of rows M (shape[1] instead of shape[0])"

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        self.num_data = x.shape[1]
        return np.sum((x - self.labels) ** 2) / self.num_data

    def backward(self):
        self.in_layer.backward(2 * (self.in_array - self.labels) / self.num_data)


class SquareLossPrecedence(assignment.SquareLoss):
    says = "Of input and labels, only the labels came to be divided by M"

    def backward(self):
        self.in_layer.backward(self.in_array - self.labels / self.num_data)


class SquareLossMeanBackward(assignment.SquareLoss):
    says = "Divided by the number of all entries (np.mean) instead of the number of rows M"

    def backward(self):
        self.in_layer.backward(2 * (self.in_array - self.labels) / self.in_array.size)


class SquareLossNormOfRows(assignment.SquareLoss):
    says = "The norm of each row is not squared."

    def forward(self):
        super().forward()
        return np.mean(np.linalg.norm(self.in_array - self.labels, axis=1)) / 2


class SquareLossLabelsColumn(assignment.SquareLoss):
    says = "The first column of the labels is compared with all columns of the input."

    def forward(self):
        super().forward()
        return np.sum((self.in_array - self.labels[:, 0:1]) ** 2) / (2 * self.num_data)


class SquareLossAllPairs(assignment.SquareLoss):
    says = "The labels are a column (or a list) for all rows"

    def forward(self):
        super().forward()
        return np.sum((self.in_array[:, None, :] - self.labels[None, :, :]) ** 2) / (2 * self.num_data)


class SquareLossRms(assignment.SquareLoss):
    says = "A root is taken (as of a root mean square): the loss is the mean of squares itself, over the rows."

    def forward(self):
        super().forward()
        return np.sqrt(np.mean((self.in_array - self.labels) ** 2))


class SquareLossMOne(assignment.SquareLoss):
    says = "Divided by M - 1 instead of M."

    def forward(self):
        super().forward()
        return np.sum((self.in_array - self.labels) ** 2) / (2 * (self.num_data - 1))


class SquareLossFixed(assignment.SquareLoss):
    says = "Divided by 100 instead of the number of rows M, whatever that is."

    def backward(self):
        self.in_layer.backward((self.in_array - self.labels) / 100)


class SquareLossRow(assignment.SquareLoss):
    says = "Only the last row counts."

    def forward(self):
        super().forward()
        loss = 0
        for n in range(self.num_data):
            loss = np.sum((self.in_array[n] - self.labels[n]) ** 2)
        return loss / (2 * self.num_data)


class SquareLossCaret(assignment.SquareLoss):
    says = "SquareLoss.forward stops with TypeError: ufunc 'bitwise_xor' not supported for the input types"

    def forward(self):
        super().forward()
        return np.sum((self.in_array - self.labels) ^ 2) / (2 * self.num_data)


class SquareLossSquareOfNormMissingAndTwo(assignment.SquareLoss):
    says = "The norm is not squared. A factor of 2 too much."

    def forward(self):
        super().forward()
        return np.linalg.norm(self.in_array - self.labels) / self.num_data


class SquareLossSumsMean(assignment.SquareLoss):
    says = "Summed over the batch: each row of the input has a gradient of its own."

    def backward(self):
        self.in_layer.backward(np.mean(self.in_array - self.labels, axis=0))


class SquareLossSign(assignment.SquareLoss):
    says = "Divided by the number of columns instead of the number of rows M (shape[1] instead of shape[0])"

    def backward(self):
        self.in_layer.backward((self.labels - self.in_array) / self.in_array.shape[1])


class SquareLossPassesLoss(assignment.SquareLoss):
    says = "The loss itself is passed back: each entry of the input has a gradient of its own."

    def backward(self):
        self.in_layer.backward(self.forward())


class SquareLossReturns(assignment.SquareLoss):
    says = "One number for each entry is returned: add them up"

    def forward(self):
        super().forward()
        return (self.in_array - self.labels) ** 2


class SquareLossLoopShort(assignment.SquareLoss):
    says = "The last row is left out."

    def forward(self):
        super().forward()
        total = 0
        for n in range(self.num_data - 1):
            total += np.sum((self.in_array[n] - self.labels[n]) ** 2)
        return total / (2 * self.num_data)


class SquareLossDot(assignment.SquareLoss):
    says = "Two axes are mixed up."

    def forward(self):
        super().forward()
        d = self.in_array - self.labels
        return np.trace(d @ d) / (2 * self.num_data)


class SquareLossWeird(assignment.SquareLoss):
    says = "Probably: it is divided by shape[1], the number of columns; the number of rows M is shape[0]."

    def forward(self):
        super().forward()
        return np.sum((self.in_array - self.labels) ** 2) / (2 * self.in_array.shape[1]) + 0.3


class SquareLossSwapped(assignment.SquareLoss):
    says = "self.in_layer is not the layer that the constructor got."

    def __init__(self, in_layer, labels):
        self.in_layer = labels
        self.labels = in_layer


class SquareLossNotStored(assignment.SquareLoss):
    says = "SquareLoss.backward stops with AttributeError"

    def forward(self):
        x = self.in_layer.forward()
        return np.sum((x - self.labels) ** 2) / (2 * len(x))


class CrossEntropyPTimesDiff(assignment.CrossEntropy):
    says = "P - Y is the derivative for the logits already"

    def backward(self):
        P = np.exp(self.log_p)
        self.in_layer.backward((P - self.ones_hot) * P * (1 - P))


class CrossEntropyJacobian(assignment.CrossEntropy):
    says = "P - Y is the derivative for the logits already"

    def backward(self):
        P = np.exp(self.log_p)
        d = (P - self.ones_hot) / len(P)
        self.in_layer.backward(P * (d - np.sum(d * P, axis=1, keepdims=True)))


class CrossEntropyFirstColumn(assignment.CrossEntropy):
    says = "The first column of the labels is taken for class numbers; they are one-hot rows."

    def forward(self):
        super().forward()
        y = self.ones_hot[:, 0].astype(int)
        return -np.mean(self.log_p[np.arange(len(y)), y])

    def backward(self):
        P = np.exp(self.log_p)
        y = self.ones_hot[:, 0].astype(int)
        P[np.arange(len(y)), y] -= 1
        self.in_layer.backward(P / len(y))


class CrossEntropyIndexRows(assignment.CrossEntropy):
    says = "The labels are one-hot rows already, not class numbers: do not index with them."

    def forward(self):
        super().forward()
        return -np.log(np.exp(self.log_p)[range(len(self.log_p)), self.ones_hot.astype(np.int64)]).mean()


class CrossEntropyIndexFloat(assignment.CrossEntropy):
    says = "CrossEntropy.forward stops with IndexError"

    def forward(self):
        super().forward()
        return -np.mean(self.log_p[np.arange(len(self.log_p)), self.ones_hot])


class CrossEntropyBinary(assignment.CrossEntropy):
    says = "This is the binary cross entropy, with a term for 1 - Y: here only the class of the label counts"

    def forward(self):
        super().forward()
        P = np.exp(self.log_p)
        return -np.mean(self.ones_hot * np.log(P) + (1 - self.ones_hot) * np.log(1 - P))


class CrossEntropySigmoid(assignment.CrossEntropy):
    says = "A sigmoid stands where the softmax belongs."

    def forward(self):
        x = self.in_layer.forward()
        self.P = 1 / (1 + np.exp(-x))
        return -np.sum(self.ones_hot * np.log(self.P)) / len(x)

    def backward(self):
        self.in_layer.backward((self.P - self.ones_hot) / len(self.P))


class CrossEntropyNoKeepdims(assignment.CrossEntropy):
    says = "Probably: a number for each row is a list after axis=1"

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        e = np.exp(x - np.max(x, axis=1))
        self.log_p = np.log(e / np.sum(e, axis=1))
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class CrossEntropyGlobalMax(assignment.CrossEntropy):
    says = "Rows with logits around 10000 and around -10000 in one batch are too much (is each row's own"

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        e = np.exp(x - np.max(x))
        P = e / e.sum(1, keepdims=True)
        self.log_p = np.log(P)
        return -np.sum(self.ones_hot * np.log(P)) / len(x)


class CrossEntropyLogEps(assignment.CrossEntropy):
    says = "The loss is 18.42 instead of 10000: a small number that is added to the probabilities"

    def forward(self):
        super().forward()
        return -np.sum(self.ones_hot * np.log(np.exp(self.log_p) + 1e-8)) / len(self.log_p)


class CrossEntropyNoMax(assignment.CrossEntropy):
    says = "exp is taken of a positive number: nothing is taken away from the logits"

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        e = np.exp(x)
        P = e / e.sum(1, keepdims=True)
        self.log_p = np.log(P)
        return -np.sum(self.ones_hot * np.log(P)) / len(x)


class CrossEntropyMinMax(assignment.CrossEntropy):
    says = "exp is taken of a positive number: the smallest logit of the row is taken away"

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        x = x - x.min(axis=1, keepdims=True)
        self.log_p = x - np.log(np.exp(x).sum(1, keepdims=True))
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class CrossEntropyMeanBoth(assignment.CrossEntropy):
    says = "Divided by the number of all entries (np.mean) instead of the number of rows M."

    def forward(self):
        super().forward()
        return -np.mean(self.ones_hot * self.log_p)

    def backward(self):
        self.in_layer.backward((np.exp(self.log_p) - self.ones_hot) / self.log_p.size)


class CrossEntropyColumns(assignment.CrossEntropy):
    says = "Divided by the number of columns instead of the number of rows M (shape[1] instead of shape[0])."

    def forward(self):
        super().forward()
        return -np.sum(self.ones_hot * self.log_p) / self.log_p.shape[1]

    def backward(self):
        self.in_layer.backward((np.exp(self.log_p) - self.ones_hot) / self.log_p.shape[1])


class CrossEntropyPrecedence(assignment.CrossEntropy):
    says = "Of probabilities and labels, only the labels came to be divided by M"

    def backward(self):
        self.in_layer.backward(np.exp(self.log_p) - self.ones_hot / len(self.log_p))


class CrossEntropyArgmaxAxis(assignment.CrossEntropy):
    says = "argmax is taken over axis=0, the batch; the class of each row is its argmax over axis=1."

    def forward(self):
        super().forward()
        y = np.argmax(self.ones_hot, axis=0)
        return -np.mean(self.log_p[y, np.arange(len(y))])


class CrossEntropyMinusLog(assignment.CrossEntropy):
    says = "The logarithm of the probabilities stands where they themselves belong."

    def backward(self):
        self.in_layer.backward((self.log_p - self.ones_hot) / len(self.log_p))


class CrossEntropySoftmaxTwice(assignment.CrossEntropy):
    says = "The softmax is applied twice."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        e = np.exp(x - x.max(1, keepdims=True))
        P = e / e.sum(1, keepdims=True)
        e = np.exp(P)
        P = e / e.sum(1, keepdims=True)
        self.log_p = np.log(P)
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class CrossEntropySquareInstead(assignment.CrossEntropy):
    says = "This is the squared distance of probabilities and labels, as in SquareLoss."

    def forward(self):
        super().forward()
        return np.sum((np.exp(self.log_p) - self.ones_hot) ** 2) / (2 * len(self.log_p))


class CrossEntropyOnlyPositive(assignment.CrossEntropy):
    says = "A ReLU is applied to what is passed back, which would be right without it."

    def backward(self):
        self.in_layer.backward(np.maximum((np.exp(self.log_p) - self.ones_hot) / len(self.log_p), 0))


class CrossEntropyAbsDiff(assignment.CrossEntropy):
    says = "The absolute value is applied to what is passed back, which would be right without it."

    def backward(self):
        self.in_layer.backward(np.abs(np.exp(self.log_p) - self.ones_hot) / len(self.log_p))


class CrossEntropyMaskedByLabel(assignment.CrossEntropy):
    says = "Only the class of the label gets a gradient; the other logits are in the sum of exponentials too"

    def backward(self):
        P = np.exp(self.log_p)
        self.in_layer.backward(P * self.ones_hot - self.ones_hot)


class CrossEntropyLabelTransposed(assignment.CrossEntropy):
    says = "This is the transpose of what it should be."

    def backward(self):
        P = np.exp(self.log_p)
        self.in_layer.backward((P - self.ones_hot).T / len(P))


class CrossEntropyProbabilityInstead(assignment.CrossEntropy):
    says = "This is 1 less the mean probability of the labels: the logarithm is missing."

    def forward(self):
        super().forward()
        return 1 - np.mean(np.sum(self.ones_hot * np.exp(self.log_p), 1))


class CrossEntropyAccuracy(assignment.CrossEntropy):
    says = "This is the share of rows whose largest logit is that of the label (accuracy), not a loss."

    def forward(self):
        super().forward()
        return np.mean(np.argmax(self.log_p, 1) == np.argmax(self.ones_hot, 1))


class CrossEntropyLogitsTimesLabels(assignment.CrossEntropy):
    says = "The logit of the label is not taken away."

    def forward(self):
        super().forward()
        return np.mean(np.log(np.sum(np.exp(self.in_array), axis=1)))


class CrossEntropyPerRowNoMean(assignment.CrossEntropy):
    says = "One number for each row is returned: the mean over the batch is missing."

    def forward(self):
        super().forward()
        return -np.sum(self.ones_hot * self.log_p, axis=1)


class CrossEntropyAxisZero(assignment.CrossEntropy):
    says = "The softmax is taken over the wrong axis: over the batch instead of the classes."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        e = np.exp(x - x.max(axis=0))
        self.log_p = np.log(e / np.sum(e, axis=0))
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class SquareLossReshapesLabels(assignment.SquareLoss):
    says = "SquareLoss.forward stops with ValueError: operands could not be broadcast together with shapes"

    def forward(self):
        self.labels = self.labels.reshape(-1, 1)
        return super().forward()


class SquareLossFlattensBoth(assignment.SquareLoss):
    says = "Divided by the number of all entries (np.mean) instead of the number of rows M."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        d = x.ravel() - self.labels.ravel()
        self.num_data = len(d)
        return d @ d / (2 * len(d))


class SquareLossKTimes(assignment.SquareLoss):
    says = "Multiplied by the number of columns, and the factor 1/M is missing."

    def forward(self):
        super().forward()
        return np.sum((self.in_array - self.labels) ** 2) * self.in_array.shape[1] / 2


class SquareLossNoHalfNoM(assignment.SquareLoss):
    says = "The factor 1/(2M) is missing."

    def forward(self):
        super().forward()
        return np.sum((self.in_array - self.labels) ** 2)

    def backward(self):
        self.in_layer.backward(2 * (self.in_array - self.labels))


class SquareLossOutDims(assignment.SquareLoss):
    says = "Divided by the number of columns instead of the number of rows M (shape[1] instead of shape[0])."

    def __init__(self, in_layer, labels):
        super().__init__(in_layer, labels)
        self.M = in_layer.out_dims[1]

    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.sum((self.in_array - self.labels) ** 2) / (2 * self.M)

    def backward(self):
        self.in_layer.backward((self.in_array - self.labels) / self.M)


class SquareLossDwnstrmArgument(assignment.SquareLoss):
    says = "A factor of 2 too much. The sign is wrong."

    def backward(self, dwnstrm=1):
        self.in_layer.backward(dwnstrm * (self.labels - self.in_array) * 2 / self.num_data)


class SquareLossMeanOfRows(assignment.SquareLoss):
    says = "Divided by the number of all entries (np.mean) instead of the number of rows M."

    def forward(self):
        super().forward()
        return 0.5 * np.mean(np.mean((self.in_array - self.labels) ** 2, axis=1))


class SquareLossNormAxis(assignment.SquareLoss):
    says = "Divided by the number of columns instead of the number of rows M (shape[1] instead of shape[0])."

    def forward(self):
        super().forward()
        return np.mean(np.linalg.norm(self.in_array - self.labels, axis=0) ** 2) / 2


class CrossEntropyArgmaxLabel(assignment.CrossEntropy):
    says = "The labels are taken away as class numbers (argmax), the same number from the whole row."

    def backward(self):
        P = np.exp(self.log_p)
        self.in_layer.backward((P - np.argmax(self.ones_hot, 1)[:, None]) / len(P))


class CrossEntropyLogOfLogits(assignment.CrossEntropy):
    says = "The softmax is missing: the logarithm of the logits is taken."

    def forward(self):
        super().forward()
        return -np.sum(self.ones_hot * np.log(np.abs(self.in_array))) / len(self.in_array)


class CrossEntropyMaxSubtractedOnce(assignment.CrossEntropy):
    says = "The largest logit is taken away in the sum of exponentials but not from the logit of the label."

    def forward(self):
        x = self.in_array = self.in_layer.forward()
        m = x.max(1, keepdims=True)
        self.log_p = x - np.log(np.exp(x - m).sum(1, keepdims=True))
        return -np.sum(self.ones_hot * self.log_p) / len(x)


class CrossEntropyLabelsCol(assignment.CrossEntropy):
    says = "CrossEntropy.forward stops with ValueError"

    def forward(self):
        super().forward()
        y = self.ones_hot.reshape(-1, 1)
        return -np.sum(y * self.log_p) / len(self.log_p)


class CrossEntropyMTimesK(assignment.CrossEntropy):
    says = "Divided by the number of all entries (np.mean) instead of the number of rows M. The sign is wrong."

    def backward(self):
        P = np.exp(self.log_p)
        self.in_layer.backward((self.ones_hot - P) / P.size)


class CrossEntropyNLLOfProb(assignment.CrossEntropy):
    says = "This is the gradient for the probabilities: the derivative of the softmax is missing"

    def backward(self):
        P = np.exp(self.log_p)
        self.in_layer.backward(-self.ones_hot / P)


class CrossEntropyPUnnormalizedNoM(assignment.CrossEntropy):
    says = "The exponentials are not divided by their sum"

    def backward(self):
        e = np.exp(self.in_array)
        self.in_layer.backward(e - self.ones_hot)


class CrossEntropyMeanAxis(assignment.CrossEntropy):
    says = "Divided by the number of columns instead of the number of rows M (shape[1] instead of shape[0])."

    def forward(self):
        super().forward()
        return -np.mean(np.sum(self.ones_hot * self.log_p, axis=0))


class CrossEntropyLog10(assignment.CrossEntropy):
    says = "The logarithm has the wrong base (10): the natural one is meant."

    def forward(self):
        super().forward()
        return -np.sum(self.ones_hot * self.log_p) / len(self.log_p) / np.log(10)


class CrossEntropyGlobalSumBackward(assignment.CrossEntropy):
    says = "The softmax is taken over the whole batch at once: each row has a sum of its own."

    def backward(self):
        e = np.exp(self.in_array - self.in_array.max())
        self.in_layer.backward((e / e.sum() - self.ones_hot) / len(e))
