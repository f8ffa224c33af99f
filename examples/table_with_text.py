"""
A table with text and gaps
==========================

Numbers, categories, text and missing values, from a data frame to a model file and back.
"""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from pysmorch import Classifier, load

rng = np.random.default_rng(0)
rooms = rng.integers(1, 7, 600)
town = rng.choice(["Ulm", "Bath", "Nice"], 600)
garden = rng.random(600) < 0.5
text = np.where(garden, "bright flat with garden", "quiet flat near station")
sold_fast = (rooms > 3) & (town != "Bath") | garden & (rooms > 2)

size = [None if gap else float(r * 22) for r, gap in zip(rooms, rng.random(600) < 0.1, strict=True)]
table = pa.table({"size": size, "town": town, "text": text})

model = Classifier(hidden=(32,), random_state=0).fit(table[:500], np.where(sold_fast, "fast", "slow")[:500])

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder, "flats.safetensors")
    model.save(file)
    again = load(file)
new = pa.table({"size": [80.0, None], "town": ["Ulm", "Oslo"], "text": ["bright flat with garden", "old flat"]})
print("test accuracy", again.score(table[500:], np.where(sold_fast, "fast", "slow")[500:]))
print("an unseen town and a missing size:", again.predict(new))
