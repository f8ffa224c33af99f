"""The help of the commands."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class CommandWithChoices(TyperCommand):
    """A command whose help lists what encoders and estimators declare; these are imported for the help alone."""

    has_lists = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill in the lists, once."""
        if not self.has_lists:
            from pysmorch.cli.parameters import choices

            for parameter in self.params:
                parameter.help = parameter.help and parameter.help.format_map(choices())  # type: ignore[attr-defined]
            self.has_lists = True
        super().format_help(ctx, formatter)
