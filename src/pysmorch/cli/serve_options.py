"""The options of `pysmorch serve`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from pysmorch.cli.options import PredictPrecision


@dataclass(kw_only=True)
class ServeOptions:
    """All of `pysmorch serve`."""

    model: Annotated[str, typer.Argument(help="model file")]
    host: Annotated[
        str,
        typer.Option(
            help="address to listen on, such as 0.0.0.0 for all of this machine; others than its own need a token"
        ),
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="where the service is; 0 takes any free port")] = 8000
    token: Annotated[
        str | None,
        typer.Option(
            envvar="PYSMORCH_TOKEN",
            help="what requests must bring as Authorization: Bearer TOKEN; without it, one is made where it is needed",
        ),
    ] = None
    workers: Annotated[int, typer.Option(help="processes that answer; they share the memory of the model")] = 1
    max_body: Annotated[str, typer.Option(help="largest body of a request, as in 16MB")] = "16MB"
    max_rows: Annotated[int, typer.Option(help="most rows of a request")] = 10_000
    max_requests: Annotated[int, typer.Option(help="most requests in flight, of each worker")] = 512
    timeout: Annotated[float, typer.Option(help="seconds for a body to come, and for an answer to be made")] = 30.0
    precision: PredictPrecision = None
