"""A model as a service: predictions over HTTP in JSON, CSV and Arrow's format, and a page to try it (`pip install "pysmorch[web]"`).

`pysmorch serve model.safetensors` serves it; `application(model)` is the same for a server of your own.
"""

from pysmorch.serving.application import application
from pysmorch.serving.limits import Limits

__all__ = ["Limits", "application"]
