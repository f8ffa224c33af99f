"""`python -m pysmorch` is the command line."""

from pysmorch.cli import main

main()
