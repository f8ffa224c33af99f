"""The playground: a page on this machine that trains small networks while one looks at them (`pip install "pysmorch[web]"`).

`pysmorch playground` serves it. The data sets are functions, so that a network from the page goes on in a program of one's own.
"""

from pysmorch.playground.points import Points, points
from pysmorch.playground.uploads import points_of_file

__all__ = ["Points", "points", "points_of_file"]
