"""A class of students that do not exist: right, wrong, broken and hostile submissions, as files, notebooks and folders."""

import json
import random
import re

HEAD = "import numpy as np\nfrom numpy.random import randn\n"
CLASSES = {
    "Linear": '''
class Linear:
    """X W."""
    def __init__(self, in_layer, num_out_features):
        self.in_layer = in_layer
        num_data, num_in_features = in_layer.out_dims
        self.out_dims = np.array([num_data, num_out_features])
        self.W = randn(num_in_features, num_out_features) / np.sqrt(num_in_features)
    def forward(self):
        self.in_array = self.in_layer.forward()
        return self.in_array @ self.W
    def backward(self, dwnstrm):
        self.G = self.in_array.T @ dwnstrm
        self.in_layer.backward(dwnstrm @ self.W.T)
''',
    "Relu": '''
class Relu:
    """max(X, 0)."""
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
    def forward(self):
        self.in_array = self.in_layer.forward()
        return np.maximum(self.in_array, 0)
    def backward(self, dwnstrm):
        self.in_layer.backward(dwnstrm * (self.in_array > 0))
''',
    "Bias": '''
class Bias:
    """X + W."""
    def __init__(self, in_layer):
        self.in_layer = in_layer
        self.out_dims = in_layer.out_dims
        self.W = randn(1, in_layer.out_dims[1])
    def forward(self):
        return self.in_layer.forward() + self.W
    def backward(self, dwnstrm):
        self.G = dwnstrm.sum(axis=0, keepdims=True)
        self.in_layer.backward(dwnstrm)
''',
    "CrossEntropy": '''
class CrossEntropy:
    """The mean over the batch."""
    def __init__(self, in_layer, ones_hot):
        self.in_layer = in_layer
        self.ones_hot = ones_hot
    def set_labels(self, ones_hot):
        self.ones_hot = ones_hot
    def forward(self):
        x = self.in_layer.forward()
        x = x - x.max(axis=1, keepdims=True)
        self.log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        return -np.sum(self.ones_hot * self.log_p) / len(x)
    def backward(self):
        self.in_layer.backward((np.exp(self.log_p) - self.ones_hot) / len(self.log_p))
''',
}
RIGHT = HEAD + "".join(CLASSES.values())
MISTAKES = [
    ("self.in_array.T @ dwnstrm", "self.in_array.T @ dwnstrm / len(dwnstrm)"),
    ("dwnstrm @ self.W.T", "dwnstrm @ self.W"),
    ("dwnstrm * (self.in_array > 0)", "dwnstrm"),
    ("np.maximum(self.in_array, 0)", "self.in_array"),
    ("dwnstrm.sum(axis=0, keepdims=True)", "dwnstrm.mean(axis=0, keepdims=True)"),
    ("self.in_layer.backward(dwnstrm)", "pass"),
    ("/ len(x)", ""),
    (" - self.ones_hot) / len(self.log_p)", ") / len(self.log_p)"),
    ("x = x - x.max(axis=1, keepdims=True)", "pass"),
    ("return self.in_array @ self.W", "print(self.in_array @ self.W)"),
    ("self.G = self.in_array.T @ dwnstrm", "##### YOUR CODE HERE #####"),
]
BLANKS = [
    ("self.in_array.T @ dwnstrm", "##### YOUR CODE HERE #####"),
    ("self.in_layer.backward(dwnstrm @ self.W.T)", "self.in_layer.backward(##### YOUR CODE HERE #####)"),
    ("return np.maximum(self.in_array, 0)", "##### YOUR CODE HERE #####\n        return ##### YOUR CODE HERE #####"),
    ("dwnstrm.sum(axis=0, keepdims=True)", "##### YOUR CODE HERE #####"),
]
SYNTAX = [
    ("class Bias:", "class Bias"),
    ("def forward(self):", "def forward(self:"),
    ("        self.W = randn(1", "      self.W = randn(1"),
    ('"""max(X, 0)."""', '"""max(X, 0).'),
    ("self.in_layer.backward(dwnstrm)", "self.in_layer.backward(dwnstrm"),
    ("return self.in_array @ self.W", "return self.in_array @@ self.W"),
]
HOSTILE = {
    "an endless loop": ("self.in_layer.backward(dwnstrm *", "while True: pass\n        self.in_layer.backward(dwnstrm *"),
    "an endless loop at once": ("import numpy as np\n", "import numpy as np\nwhile True:\n    pass\n"),
    "os._exit": ("class Relu:", "import os\nos._exit(0)\nclass Relu:"),
    "os._exit in a test": ("self.G = dwnstrm.sum", "__import__('os')._exit(0)\n        self.G = dwnstrm.sum"),
    "a huge print": ("return self.in_layer.forward() + self.W", "print('spam\\n' * 10**6)\n        return self.in_layer.forward() + self.W"),
    "much memory": ("class Relu:", "x = np.ones(10**12)\nclass Relu:"),
    "a crash": ("class Relu:", "import ctypes\nctypes.string_at(0)\nclass Relu:"),
    "an end of the parent": ("class Bias:", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nclass Bias:"),
    "sys.exit": ("class Bias:", "import sys\nsys.exit(1)\nclass Bias:"),
    "a recursion": ("return np.maximum(self.in_array, 0)", "return self.forward()"),
    "a question": ("class Relu:", "name = input('?')\nclass Relu:"),
    "a file": ("class Relu:", "open('left_behind.txt', 'w').write('x')\nclass Relu:"),
    "deep brackets": ("class Relu:", "x = " + "(" * 5000 + ")" * 5000 + "\nclass Relu:"),
}  # fmt: skip
NO_TEXT = [
    b"PK\x03\x04\x00\x00\x00\x08",
    b"\x89PNG\r\n\x1a\n\x00\x00",
    b"class Relu:\n    x = '\xe4\xff'\n",
    b"\0" * 1000,
]
NO_NOTEBOOK = ["", "{}", "[1, 2]", '{"cells": 3}', "class Relu:\n    pass\n", "{" * 10_000, '{"cells": []}']


def notebook(source, random_numbers=random):
    """Return a notebook of a source: a cell for each class, with magics and shell lines."""
    parts = re.split(r"(?m)^(?=class )", source)
    parts[0] = "%matplotlib inline\n!pip install numpy\n" + parts[0]
    parts.append("%%time\nget_ipython().run_line_magic('ls', '')\n")
    parts.insert(1, "%%bash\nls (\n")
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "# class Linear:"}]
    for part in parts:
        source = part.splitlines(keepends=True) if random_numbers.random() < 0.8 else part
        cells.append({"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": source})
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def replaced(pair, source=RIGHT):
    before, after = pair
    assert before in source, before
    return source.replace(before, after, 1)


def renamed(source, number):
    """Return the same source with other names, so that it is not the same code as another one's."""
    return source.replace("self.in_array", f"self.x{number}").replace("self.log_p", f"self.p{number}")


def write_class(folder, count, seed=0, hostile=0.15):
    """Write so many submissions into a folder; return what each is, by the name of its student."""
    numbers = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    what = {}
    for i in range(count):
        name = f"student_{i:03d}"
        kind = numbers.choices(
            ["right", "wrong", "blank", "syntax", "hostile", "no text", "empty"], [40, 30, 8, 6, 100 * hostile, 3, 3]
        )[0]
        ending, content, kind = _submission(kind, i, numbers)
        target = folder / f"{name}{ending}"
        if numbers.random() < 0.3:  # in a folder of the student's own
            target = folder / name / f"homework{ending}"
            target.parent.mkdir()
        target.write_bytes(content)
        what[name] = kind
    return what


def _submission(kind, number, numbers):
    if kind == "no text":
        return ".py", numbers.choice(NO_TEXT), kind
    if kind == "empty":
        return numbers.choice([(".py", b"", kind), (".ipynb", numbers.choice(NO_NOTEBOOK).encode(), kind)])
    if kind == "hostile":
        kind = numbers.choice(list(HOSTILE))
        source = replaced(HOSTILE[kind])
    elif kind == "right":
        source = RIGHT
    else:
        source = replaced(numbers.choice({"wrong": MISTAKES, "blank": BLANKS, "syntax": SYNTAX}[kind]))
    source = renamed(source, number)
    if numbers.random() < 0.4:
        return ".ipynb", notebook(source, numbers).encode(), kind
    return ".py", source.encode(), kind
