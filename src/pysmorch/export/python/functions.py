"""What generated Python files consist of, beside the numbers of a model: functions are copied from here, so they are plain to read."""

import base64
import csv
import sys
from math import erf, erfc

import numpy as np

from pysmorch.entries import BLANKS


def unpack(dtype, shape, text):
    """Return an array whose bytes are written as base64."""
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


# Rows of a table.


def cells_of(rows, name):
    """Return the cells of a column: of a data frame, of a dictionary of columns, or of a list of dictionaries."""
    try:
        return list(rows[name]) if hasattr(rows, "keys") else [row[name] for row in rows]
    except KeyError:
        raise ValueError(f"there is no column {name!r}") from None


def is_missing(cell):
    """Whether there is no value: None, NaN, or what pandas has for them."""
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or bool(cell != cell)


def as_number(cell, column):
    """Return a cell as a number, NaN where it is missing; texts may be numbers, or words for false and true."""
    if is_missing(cell):
        return np.nan
    if isinstance(cell, str):
        text = cell.strip(BLANKS)
        if text == "" or text in column["missing texts"]:
            return np.nan
        cell = column["words"].get(text.lower(), text)
    try:
        number = float(cell)
    except (TypeError, ValueError):
        raise ValueError(f"column {column['name']!r} holds numbers, but a cell is {cell!r}") from None
    if abs(number) == np.inf:
        raise ValueError(f"column {column['name']!r} has an infinite number")
    return number


def as_index(cell, column):
    """Return the index of a cell among the values of a category, -1 for another value, -2 where it is missing."""
    if is_missing(cell):
        return -2
    if isinstance(cell, (bool, np.bool_)):
        cell = str(cell).lower()
    if isinstance(cell, (float, np.floating)) and cell == np.floor(cell):
        cell = int(cell)
    text = str(cell)
    index = column["values"].get(text, column["values"].get(text.strip(BLANKS), -1))
    is_empty = text.strip(BLANKS) in ("", *column["missing texts"])
    return -2 if index < 0 and is_empty else index


def indicators_of(indices, column):
    """Return 0 and 1 for each row: which value it has, whether it has a rare or new one, whether it is missing."""
    own = np.arange(column["indicators"])
    marks = own <= indices[:, None] if column["ordered"] else own == indices[:, None]
    more = [indices == code for code, wanted in ((-1, column["rare"]), (-2, column["missing"])) if wanted]
    return np.column_stack([marks, *more])


def scaled(numbers, scaling):
    """Return numbers with mean 0 and variance 1, and their positions in intervals; 0 for missing ones."""
    numbers = np.clip(numbers, scaling["low"], scaling["high"])
    logarithms = np.sign(numbers) * np.log1p(np.abs(numbers))
    around_zero = (np.where(scaling["logarithm"], logarithms, numbers) - scaling["mean"]) / scaling["scale"]
    start, end = scaling["interval low"], scaling["interval high"]
    positions = np.clip((numbers[:, scaling["owner"]] - start) / (end - start), 0, 1)
    together = np.concatenate([around_zero, positions], axis=1)
    return np.where(np.isnan(together), 0, together)


def encode_table(rows, columns, scaling):
    """Return the rows of a table as the network takes them: scaled numbers, then indicators."""
    numbers, indicators = [], []
    for column in columns:
        cells = cells_of(rows, column["name"])
        if column["kind"] == "number":
            values = np.array([as_number(cell, column) for cell in cells], dtype=np.float64)
            numbers.append(values)
            if column["missing"]:
                indicators.append(np.isnan(values))
            continue
        indices = np.array([as_index(cell, column) for cell in cells], dtype=np.int64)
        if column["statistics"] is not None:
            numbers.extend(column["statistics"][indices.clip(-1)].T)
        indicators.append(indicators_of(indices, column))
    parts = [scaled(np.column_stack(numbers), scaling)] if numbers else []
    return np.column_stack([*parts, *indicators]).astype(np.float32)


def encode_array(rows, included, missing, scaling, num_columns):
    """Return rows of numbers as the network takes them: scaled, then whether they are missing."""
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != num_columns:
        raise ValueError(f"rows must have shape (N, {num_columns}), but have {rows.shape}")
    if np.isinf(rows).any():
        raise ValueError("rows have an infinite number")
    return np.column_stack([scaled(rows[:, included], scaling), np.isnan(rows[:, missing])]).astype(np.float32)


def encode_images(rows, shape):
    """Return images (N, height, width, channels) as float32; those of one channel may have no axis for it."""
    images = np.asarray(rows, dtype=np.float32)
    images = images[..., None] if images.ndim == 3 else images
    if images.shape[1:] != shape:
        raise ValueError(f"images must have shape (N, {', '.join(map(str, shape))}), but have {images.shape}")
    return images


# Layers.


def relu(x):
    """max(x, 0)."""
    return np.maximum(x, 0)


def leaky_relu(x, slope):
    """x where x > 0, else slope x."""
    return np.where(x > 0, x, slope * x)


def sigmoid(x):
    """1 / (1 + exp(-x)), without an exponential of a positive number."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def gelu(x):
    """x P(x), with the distribution function P of the standard normal; NumPy has no error function."""
    distribution = [0.5 * erfc(-number / 2**0.5) for number in x.ravel().tolist()]
    return (x * np.reshape(distribution, x.shape)).astype(x.dtype)


def silu(x):
    """x sigmoid(x)."""
    return x * sigmoid(x)


def mish(x):
    """x tanh(log(1 + exp(x)))."""
    return x * np.tanh(softplus(x))


def softplus(x):
    """log(1 + exp(x)), without an exponential of a positive number."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def elu(x):
    """x where x > 0, else exp(x) - 1."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def error_function(x):
    """2 P(x sqrt(2)) - 1, with the distribution function P of the standard normal; NumPy has none."""
    return np.reshape([erf(number) for number in x.ravel().tolist()], x.shape).astype(x.dtype)


def selu(x, alpha, scale):
    """scale x where x > 0, else scale alpha (exp(x) - 1)."""
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def smooth_clip(x, limit):
    """x / sqrt(1 + (x / limit)^2)."""
    return x / np.hypot(1, x / limit)


def softmax(x):
    """exp(x) over its sum."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_mean_softmax(*inputs):
    """The logarithm of the mean of the softmax of each input."""
    logarithms = [log_softmax(x, -1) for x in inputs]
    return logsumexp(np.stack(logarithms), 0)[0] - np.float32(np.log(len(inputs)))


def log_softmax(x, axis):
    """The logarithm of exp(x) over its sum."""
    centred = x - x.max(axis=axis, keepdims=True)
    return centred - np.log(np.exp(centred).sum(axis=axis, keepdims=True))


def logsumexp(x, axis):
    """log(sum(exp(x)))."""
    largest = x.max(axis=axis, keepdims=True)
    return largest + np.log(np.exp(x - largest).sum(axis=axis, keepdims=True))


def padded(x, sides, value=0):
    """Return images with rows and columns of one value around them: ((above, below), (left, right))."""
    return np.pad(x, ((0, 0), *sides, (0, 0)), constant_values=value)


def cells_of_windows(x, size, stride, dilation, out):
    """Yield each cell of a window, (i, j), with what lies under it for all windows."""
    for i in range(size[0]):
        for j in range(size[1]):
            top, left = i * dilation[0], j * dilation[1]
            rows = slice(top, top + (out[0] - 1) * stride[0] + 1, stride[0])
            columns = slice(left, left + (out[1] - 1) * stride[1] + 1, stride[1])
            yield (i, j), x[:, rows, columns]


def convolution(x, W, stride, dilation, out, groups):
    """Every window of the images times the weights (height, width, channels, filters); each group of filters sees its own channels."""
    y = np.zeros((len(x), *out, W.shape[3]), dtype=np.float32)
    for cell, under in cells_of_windows(x, W.shape[:2], stride, dilation, out):
        parts = zip(np.split(under, groups, axis=3), np.split(W[cell], groups, axis=1), strict=True)
        y += np.concatenate([part @ weights for part, weights in parts], axis=3)
    return y


def transposed_convolution(x, W, stride, dilation, sides, out):
    """Every entry of the images adds a kernel, times its value, to the output."""
    (top, bottom), (left, right) = sides
    y = np.zeros((len(x), top + out[0] + bottom, left + out[1] + right, W.shape[2]), dtype=np.float32)
    for cell, under in cells_of_windows(y, W.shape[:2], stride, dilation, x.shape[1:3]):
        under += x @ W[cell].T
    return y[:, top : top + out[0], left : left + out[1]]


def max_pooling(x, size, stride, sides, out):
    """The largest entry of each window."""
    x = padded(x, sides, -np.inf)
    return np.max([under for _, under in cells_of_windows(x, size, stride, (1, 1), out)], axis=0)


def mean_pooling(x, size, stride, sides, out):
    """The mean of each window; cells outside the image do not count."""
    ones = padded(np.ones((1, *x.shape[1:3], 1), dtype=np.float32), sides)
    total, count = (
        sum(under for _, under in cells_of_windows(images, size, stride, (1, 1), out))
        for images in (padded(x, sides), ones)
    )
    return total / count


def normalize_groups(x, groups, epsilon):
    """Each group of channels with mean 0 and variance 1, over all positions."""
    parts = x.reshape(len(x), -1, groups, x.shape[-1] // groups).astype(np.float64)
    centred = parts - parts.mean(axis=(1, 3), keepdims=True)
    variance = np.square(centred).mean(axis=(1, 3), keepdims=True)
    return (centred / np.sqrt(variance + epsilon)).reshape(x.shape).astype(np.float32)


def normalize_features(x, epsilon):
    """Each row with mean 0 and variance 1."""
    centred = x - x.mean(axis=-1, keepdims=True, dtype=np.float64)
    return (centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + epsilon)).astype(np.float32)


def look_up(x, W):
    """A row of W for each index."""
    indices = np.asarray(x).astype(np.int64)
    if ((indices != x) | (indices < 0) | (indices >= len(W))).any():
        raise ValueError(f"indices must be integers from 0 to {len(W) - 1}")
    return W[indices]


# The program.


def read_table(file):
    """Return the rows of a CSV file with the names of its columns in the first line."""
    reader = csv.DictReader(file)
    reader.fieldnames = [name.removeprefix("\ufeff") for name in reader.fieldnames or []]
    return list(reader)


def read_numbers(file):
    """Return the numbers of a CSV file; empty cells are missing, and a first line that is none is left out."""
    lines = [line for line in csv.reader(file) if line]
    try:
        [float(cell or "nan") for cell in lines[0]]
    except ValueError:
        lines = lines[1:]
    return np.array([[float(cell or "nan") for cell in line] for line in lines], dtype=np.float64)


def write(names, columns):
    """Print columns as a CSV file."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
