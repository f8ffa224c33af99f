"""The program `pysmorch`, and `python -m pysmorch`."""

import sys

from pysmorch.missing import missing_library


def main() -> None:
    """Run the command line, or say in one line which library it needs."""
    try:
        from pysmorch import cli
    except ModuleNotFoundError as error:
        missing = missing_library(error, "the command line")
        if missing is error:
            raise
        print(f"{missing}, or all that is missing: pip install pysmorch", file=sys.stderr)
        sys.exit(2)
    cli.main()


if __name__ == "__main__":
    main()
