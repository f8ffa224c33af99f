"""Arrays whose operations JAX records, with the interface of NumPy's arrays.

Layers, losses and optimizers are written for NumPy. Its functions ask their arguments whether they compute them in another way
(`__array_ufunc__`, `__array_function__`; NEP 13 and NEP 18): these arrays do, with jax.numpy. So the formulas are traced as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.lib.mixins import NDArrayOperatorsMixin

REDUCTIONS = {"add": jnp.sum, "multiply": jnp.prod, "maximum": jnp.max, "minimum": jnp.min}
"""What `ufunc.reduce` is."""

OF_SCIPY = {"ndtr": jax.scipy.special.ndtr, "erf": jax.scipy.special.erf}
"""Functions of SciPy that layers call."""


class NotTraceableError(TypeError):
    """What is done with an array needs its values, which are not known while it is traced."""


@dataclass(frozen=True)
class Rules:
    """How operations are recorded.

    Parameters
    ----------
    bf16 : bool, default=False
        Whether matrices of float32 are rounded to bfloat16 before they are multiplied; sums stay float32.
    functions : mapping of str to callable
        Functions of layers that are replaced, by name: see `layers/overridable.py`.
    """

    bf16: bool = False
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)


class TracedArray(NDArrayOperatorsMixin):
    """An array of JAX that can be used, and changed in place, as an array of NumPy.

    What basic indexing returns is a view, as in NumPy: what is written into it is written into its array.

    Parameters
    ----------
    value : jax.Array
        The array, or a tracer.
    rules : Rules
        Of its operations, and of those of the results.
    is_number : bool, default=False
        Whether it stands for a number of Python, which takes the dtype of the array that it meets.
    """

    __slots__ = ("_key", "_parent", "_source", "_value", "is_number", "rules")

    def __init__(self, value: Any, rules: Rules, is_number: bool = False) -> None:
        self._value = value
        self.rules = rules
        self.is_number = is_number
        self._parent: TracedArray | None = None
        self._key: Any = None
        self._source: Any = None

    @property
    def value(self) -> Any:
        """The array of JAX, as it is now."""
        if self._parent is not None and self._parent.value is not self._source:
            self._source = self._parent.value
            self._value = self._source[self._key]
        return self._value

    @property
    def overrides(self) -> Mapping[str, Callable[..., Any]]:
        """The functions of layers that this array computes itself."""
        return self.rules.functions

    # What an array of NumPy has.

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many entries there are."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the entries."""
        return np.dtype(self.value.dtype)

    @property
    def T(self) -> TracedArray:
        """The array with its axes in reverse order."""
        return self._new(self.value.T)

    @property
    def mT(self) -> TracedArray:
        """The array with its last two axes swapped."""
        return self._new(self.value.mT)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[TracedArray]:
        return (self[i] for i in range(len(self)))

    def astype(self, dtype: Any, copy: bool = True) -> TracedArray:
        """Return the entries in another dtype."""
        return self._new(self.value.astype(dtype))

    def copy(self) -> TracedArray:
        """Return the same entries, which are no view."""
        return self._new(self.value)

    def __getattr__(self, name: str) -> Any:
        """Return a method of NumPy's arrays: that of JAX's."""
        if name not in METHODS:
            raise AttributeError(f"a traced array has no {name}")

        def method(*arguments: Any, **named: Any) -> Any:
            return self._new(getattr(self.value, name)(*map(untraced, arguments), **_all_untraced(named)))

        return method

    def __getitem__(self, key: Any) -> TracedArray:
        if not _is_basic(key):
            return self._new(self.value[untraced(key)])
        view = self._new(self.value[key])
        view._parent, view._key, view._source = self, key, self.value
        return view

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, TracedArray) and value._parent is self and value._key is key:
            return  # the end of  array[key] += x,  which has written into the view
        if _is_basic(key):
            self[key].write(untraced(value))
        else:
            self.write(self.value.at[untraced(key)].set(jnp.asarray(untraced(value)).astype(self.dtype)))

    def write(self, value: Any) -> None:
        """Replace all entries, in the dtype that they have.

        Parameters
        ----------
        value : array or number
            In a shape that can be broadcast.
        """
        value = jnp.broadcast_to(jnp.asarray(value).astype(self.dtype), self.shape)
        if self._parent is None:
            self._value = value
        else:
            self._parent.write(_with_part(self._parent.value, self._key, value))

    def add(self, value: Any) -> None:
        """Add to all entries, in the dtype that they have.

        Parameters
        ----------
        value : array or number
            In a shape that can be broadcast.
        """
        value = jnp.broadcast_to(jnp.asarray(value).astype(self.dtype), self.shape)
        if self._parent is None:
            self._value = self._value + value
        else:
            self._parent.write(_with_part_added(self._parent.value, self._key, value))

    def __bool__(self) -> bool:
        _refuse("whether an array is true")

    def __float__(self) -> float:
        _refuse("a number of an array")

    __int__ = __index__ = __complex__ = __float__

    def __round__(self, digits: int = 0) -> TracedArray:
        return TracedArray(jnp.round(self.value, digits), self.rules, self.is_number)

    def __array__(self, *arguments: Any, **named: Any) -> Any:
        _refuse("an array of NumPy")

    # What NumPy's functions call.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **named: Any) -> Any:
        """Record a function of single entries, as NumPy would compute it."""
        name = ufunc.__name__
        if method == "at" and name == "add":
            target, indices, values = inputs
            target.write(target.value.at[untraced(indices)].add(untraced(values)))
            return None
        if method == "reduce" and name in REDUCTIONS:
            return self._new(REDUCTIONS[name](untraced(inputs[0]), **({"axis": 0} | _all_untraced(named))))
        if method != "__call__" or set(named) - {"dtype"}:
            raise NotTraceableError(f"numpy.{name}.{method} with {', '.join(named) or 'these arguments'} is not traced")
        if out is None:
            return self._call(name, inputs, **named)
        (target,) = out
        if not isinstance(target, TracedArray):
            raise NotTraceableError(
                "it writes into an array of NumPy; make that with like=x, as in np.zeros(shape, dtype, like=x)"
            )
        if target.is_number:  # as numbers of Python, it is never changed itself
            return self._call(name, inputs)
        if name == "add" and inputs[0] is target:
            target.add(untraced(inputs[1]))
        else:
            target.write(self._call(name, inputs, **named).value)
        return target

    def __array_function__(self, function: Any, types: Any, arguments: Any, named: Any) -> Any:
        """Record another function of NumPy."""
        name = function.__name__
        if name == "result_type":
            return np.result_type(*(a.dtype if isinstance(a, TracedArray) else a for a in arguments))
        if name == "take":
            array, indices, *others = arguments
            arguments = (array, np.asarray(indices), *others)
        if not hasattr(jnp, name):
            raise NotTraceableError(f"numpy.{name} is not traced")
        named = {key: value for key, value in named.items() if key != "order"}  # of memory, which is XLA's business
        result = getattr(jnp, name)(*map(untraced, arguments), **_all_untraced(named))
        return self._traced(result)

    def _call(self, name: str, inputs: tuple[Any, ...], dtype: Any = None) -> TracedArray:
        """Record a function of NumPy with the dtypes that NumPy's results have."""
        numbers = [_is_number(one) for one in inputs]
        operands: list[Any] = [_operand(one, is_number) for one, is_number in zip(inputs, numbers, strict=True)]
        if dtype is not None:
            operands = [jnp.asarray(one, dtype) for one in operands]
        elif all(numbers):
            operands = [np.asarray(one) if isinstance(one, (int, float)) else one for one in operands]
        elif any(numbers):
            strong = np.result_type(*(one.dtype for one, weak in zip(operands, numbers, strict=True) if not weak))
            operands = [_of_number(one, strong) if weak else one for one, weak in zip(operands, numbers, strict=True)]
        if name == "matmul" and self.rules.bf16 and all(one.dtype == np.float32 for one in operands):
            halves = [jnp.asarray(one, jnp.bfloat16) for one in operands]
            return self._new(jnp.matmul(*halves, preferred_element_type=jnp.float32))
        function = OF_SCIPY.get(name) or getattr(jnp, name, None)
        if function is None:
            raise NotTraceableError(f"numpy.{name} is not traced")
        return TracedArray(function(*operands), self.rules, is_number=all(numbers))

    def _traced(self, result: Any) -> Any:
        if isinstance(result, (list, tuple)):
            return type(result)(self._traced(one) for one in result)
        return self._new(result) if isinstance(result, jax.Array) else result

    def _new(self, value: Any) -> TracedArray:
        return TracedArray(value, self.rules)


METHODS = frozenset(
    [
        "all",
        "any",
        "argmax",
        "argmin",
        "clip",
        "cumprod",
        "cumsum",
        "max",
        "mean",
        "min",
        "prod",
        "ravel",
        "repeat",
        "reshape",
        "round",
        "std",
        "sum",
        "swapaxes",
        "transpose",
        "var",
    ]
)
"""Those that JAX's arrays have with the arguments of NumPy's."""


def untraced(one: Any) -> Any:
    """Return an argument of a function with JAX's arrays in place of traced ones, also in lists and tuples.

    Parameters
    ----------
    one : object
        Of any type.

    Returns
    -------
    object
    """
    if isinstance(one, TracedArray):
        return one.value
    if isinstance(one, (list, tuple)):
        return type(one)(map(untraced, one))
    return tuple(one) if isinstance(one, range) else one


def _all_untraced(named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: untraced(value) for name, value in named.items()}


def _refuse(what: str) -> NoReturn:
    raise NotTraceableError(f"it needs {what}, whose values are not known while they are traced")


def _is_basic(key: Any) -> bool:
    """Whether a key makes a view."""
    return all(isinstance(k, (int, slice, type(None), type(...))) for k in (key if isinstance(key, tuple) else (key,)))


def _is_number(one: Any) -> bool:
    return one.is_number if isinstance(one, TracedArray) else type(one) in (int, float)


def _operand(one: Any, is_number: bool) -> Any:
    return one.value if isinstance(one, TracedArray) else one if is_number else np.asarray(one)


def _of_number(number: Any, strong: np.dtype[Any]) -> Any:
    """Return a number in the dtype that it takes beside an array: that of the array, where this can be."""
    is_integer = number.dtype.kind in "iu" if hasattr(number, "dtype") else isinstance(number, int)
    if strong.kind == "f":
        return jnp.asarray(number, strong)
    if not is_integer or strong.kind == "b":
        return jnp.asarray(number, np.int64 if is_integer else np.float64)
    if isinstance(number, int) and not np.iinfo(strong).min <= number <= np.iinfo(strong).max:
        return jnp.asarray(number, np.int64)  # of a comparison
    return jnp.asarray(number, strong)


def _edges(shape: tuple[int, ...], key: Any) -> list[tuple[int, int, int]] | None:
    """Return how far the entries of a part lie apart and from the edges, for `lax.pad`; None for a part that is no slices."""
    keys = key if isinstance(key, tuple) else (key,)
    if ... in keys:
        i = keys.index(...)
        keys = (*keys[:i], *[slice(None)] * (len(shape) - len(keys) + 1), *keys[i + 1 :])
    if not all(isinstance(k, slice) for k in keys):
        return None
    edges = []
    for n, k in zip(shape, (*keys, *[slice(None)] * (len(shape) - len(keys))), strict=True):
        start, stop, step = k.indices(n)
        count = len(range(start, stop, step))
        if step < 1 or count < 1:
            return None
        edges.append((start, n - (start + (count - 1) * step + 1), step - 1))
    return edges


def _with_part(array: Any, key: Any, part: Any) -> Any:
    """Return an array with other entries in a part; of slices that is one `where`, which is fused with what is around it."""
    edges = _edges(array.shape, key)
    if edges is None:
        return array.at[key].set(part)
    inside = lax.pad(jnp.ones(part.shape, bool), np.zeros((), bool), edges)
    return jnp.where(inside, lax.pad(part, jnp.zeros((), part.dtype), edges), array)


def _with_part_added(array: Any, key: Any, part: Any) -> Any:
    """Return an array with something added to a part; of slices that is one sum, which is fused with what is around it."""
    edges = _edges(array.shape, key)
    if edges is None:
        return array.at[key].add(part)
    return array + lax.pad(part, jnp.zeros((), part.dtype), edges)
