"""What `pysmorch quantize` does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pysmorch.cli import data, output
from pysmorch.cli.models import load_estimator
from pysmorch.cli.options import QuantizeOptions
from pysmorch.cli.prediction import features_for


def quantize(options: QuantizeOptions) -> None:
    """Write the model with weights of 8 bits, whose scales are learned from the rows of a source."""
    inputs = [options.model, *options.source]
    output.check_output(options.out, inputs, "model of pysmorch", output.is_model, options.force)
    model = load_estimator(options.model)
    source = data.read_for(model, options.source, options)
    for remark in source.remarks:
        output.print_escaped(remark, sys.stderr)
    X = features_for(model, source)
    small = data.in_file(source, lambda: model.quantize(X))
    small.save(options.out)
    before, after = (Path(os.path.expanduser(name)).stat().st_size for name in (options.model, options.out))
    output.print_escaped(
        f"model with weights of 8 bits written to {options.out}: {after} bytes, where {options.model} has {before}"
    )
