"""Categories and texts: which values and words are known, and the indicators of a column."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from pysmorch.encoders.columns import LETTERS, Column
from pysmorch.layers.base import Array

MAX_WORDS = 500


def value_counts(cells: Any, weights: Array | None) -> list[tuple[str, float]]:
    """Return the values with their counts, most frequent first, and in the order of the alphabet among equals.

    Parameters
    ----------
    cells : pyarrow.Array of string
        Null where they are missing.
    weights : ndarray of shape (N,) or None
        One positive weight per row. Multiples of the smallest one are repeated rows; others leave the counts as they are.

    Returns
    -------
    list of (str, float)
        Whole numbers.
    """
    codes, values = codes_of(cells)
    known = codes >= 0
    repeated = None if weights is None else weights / weights.min()
    if repeated is not None and (np.abs(repeated - np.rint(repeated)) > 1e-6).any():
        repeated = None
    counted = np.bincount(codes[known], None if repeated is None else np.rint(repeated[known]), minlength=len(values))
    pairs = [(value, float(count)) for value, count in zip(values, counted, strict=True) if count > 0]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def known_values(counts: list[tuple[str, float]]) -> list[str]:
    """Return the values that came more than once."""
    return [value for value, count in counts if count > 1]


def indices_of(column: Column, cells: Any) -> Array:
    """Return the index of each cell's value among those of a category.

    Parameters
    ----------
    column : Column
        A category.
    cells : pyarrow.Array of string
        Null where they are missing.

    Returns
    -------
    ndarray of int64
        -1 for a value that is none of them, and for what is missing.
    """
    codes, values = codes_of(cells)
    index = {value: i for i, value in enumerate(column.values)}
    return np.array([*(_index_of(value, index) for value in values), -1], dtype=np.int64)[codes]


def mark_categories(block: Array, column: Column, indices: Array, missing: Array) -> None:
    """Set the indicators of a category.

    Parameters
    ----------
    block : ndarray of shape (N, column.num_indicators)
        Zeros, which are overwritten.
    column : Column
        A category.
    indices : ndarray of int64, shape (N,)
        From `indices_of`.
    missing : ndarray of bool, shape (N,)
        Which cells are missing.
    """
    if column.holds == "ordered category":
        block[:, : len(column.values)] = np.arange(len(column.values)) <= indices[:, None]
        return
    own = np.flatnonzero((indices >= 0) & (indices < column.num_own))
    block[own, indices[own]] = 1.0
    if column.buckets:
        tail = np.flatnonzero(indices >= column.num_own)
        shared = np.array([_buckets(value, column.buckets) for value in column.values], dtype=np.int64)
        for bucket in shared[indices[tail]].T:
            block[tail, column.num_own + bucket] = 1.0
    if column.rare:
        block[(indices < 0) & ~missing, column.num_own + column.buckets] = 1.0


def _index_of(value: str, index: dict[str, int]) -> int:
    """Return the index of a value, or -1; one that is not known is looked for without the blanks around it."""
    found = index.get(value)
    return index.get(value.strip(), -1) if found is None else found


def _buckets(value: str, count: int) -> tuple[int, int]:
    """Return two indicators of a value, the same in every process; few values share both."""
    digest = blake2b(value.encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little") % count, int.from_bytes(digest[4:], "little") % count


def mark_words(block: Array, column: Column, cells: Any) -> None:
    """Set the indicators of the words in texts.

    Parameters
    ----------
    block : ndarray of shape (N, column.num_indicators)
        Zeros, which are overwritten.
    column : Column
        A text.
    cells : pyarrow.Array of string
        Null where they are missing.
    """
    if column.values:
        counter = _vectorizer(column.format, vocabulary=column.values)
        counted = counter.transform([cell or "" for cell in cells.to_pylist()])
        block[:, : len(column.values)] = counted.toarray()


def frequent_words(cells: Any, counted: str) -> tuple[list[str], list[float]]:
    """Return the words that come in two texts or more, at most `MAX_WORDS`, and their weights.

    The weight of a word that comes in d of n texts is log((1 + n) / (1 + d)) + 1, its inverse document frequency, divided by the mean of
    all words, so that features are about as large as indicators (Spärck Jones, "A statistical interpretation of term specificity and
    its application in retrieval", 1972).

    Parameters
    ----------
    cells : pyarrow.Array of string
        Null where they are missing.
    counted : str
        `WORDS` or `LETTERS`.

    Returns
    -------
    words : list of str
        In the order of the alphabet.
    weights : list of float
        One for each.
    """
    texts = [cell for cell in cells.to_pylist() if cell is not None]
    try:
        vectorizer = _vectorizer(counted, max_features=MAX_WORDS, min_df=2)
        counts = np.asarray(vectorizer.fit_transform(texts).sum(axis=0), np.float64).ravel()
    except ValueError:  # no word comes twice
        return [], []
    weights = np.log((1 + len(texts)) / (1 + counts)) + 1
    return vectorizer.get_feature_names_out().tolist(), (weights / weights.mean()).tolist()


def _vectorizer(counted: str, **options: Any) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    if counted == LETTERS:
        options |= {"analyzer": "char", "ngram_range": (1, 3)}
    return CountVectorizer(binary=True, dtype=np.float32, **options)


def codes_of(cells: Any) -> tuple[Array, list[str]]:
    """Return for each cell the index of its value in a list of values.

    Parameters
    ----------
    cells : pyarrow.Array of string
        Null where they are missing.

    Returns
    -------
    codes : ndarray of int64
        One for each cell; -1 where it is missing.
    values : list of str
        In the order in which they come first.
    """
    encoded = cells.dictionary_encode()
    indices = encoded.indices.fill_null(-1) if encoded.null_count else encoded.indices
    codes = indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary.to_pylist()
