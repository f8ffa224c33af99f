"""What `pysmorch serve` does."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import sys
from pathlib import Path

from pysmorch.cli.models import load_estimator
from pysmorch.cli.output import print_escaped
from pysmorch.cli.serve_options import ServeOptions
from pysmorch.cli.taking import parse_size
from pysmorch.cli.web import address_of, check_port, missing_extra

MOST_WORKERS = 256

TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,}")
"""What may be in the header of a request, and is not guessed."""


def serve(options: ServeOptions) -> None:
    """Serve a model until SIGTERM or Ctrl-C."""
    _check(options)
    try:
        from pysmorch.serving import Limits, application
        from pysmorch.serving.counters import Counters
        from pysmorch.serving.workers import run, serve_on
        from pysmorch.web import LOOPBACK, listen
    except ModuleNotFoundError as error:
        raise missing_extra("serve", error) from error
    limits = Limits(
        body=parse_size("--max-body", options.max_body),
        rows=options.max_rows,
        seconds=options.timeout,
        requests=options.max_requests,
    )
    with listen(options.port, options.host) as listening:
        here = _is_loopback(listening)
        token = options.token or (None if here else secrets.token_urlsafe(24))
        address = listening.getsockname()[0]
        hosts = [*LOOPBACK, address, f"[{address}]"] if here else ["*"]
        model = load_estimator(options.model, options.precision)
        counters = Counters(options.workers)
        title = Path(options.model).stem
        app = application(model, limits, token, title, hosts, counters)
        _say(options, address_of(listening), token)
        run(serve_on(app, listening, limits.requests), counters, options.workers, _warn)
    print("the service has ended", flush=True)


def _check(options: ServeOptions) -> None:
    """Refuse options that cannot be, before the model is read."""
    check_port(options.port)
    if not 1 <= options.workers <= MOST_WORKERS:
        raise ValueError(f"--workers must be from 1 to {MOST_WORKERS}, but is {options.workers}")
    if options.workers > 1 and not hasattr(os, "fork"):
        raise ValueError(
            "--workers needs a system whose processes share memory with copies of themselves, which this one is not"
        )
    for name, count in (("--max-rows", options.max_rows), ("--max-requests", options.max_requests)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, but is {count}")
    if not 0 < options.timeout <= 86_400:
        raise ValueError(f"--timeout must be above 0 and at most 86400 seconds, but is {options.timeout:g}")
    if options.token is not None and not TOKEN.fullmatch(options.token):
        raise ValueError(
            "--token must have at least 16 letters or digits, and no blanks; leave it out, and one is made"
        )


def _is_loopback(listening: socket.socket) -> bool:
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def _say(options: ServeOptions, address: str, token: str | None) -> None:
    """Print where the service is; a token that was made is printed, one that was given is not."""
    shown = address if token is None or options.token is not None else f"{address}/#token={token}"
    print_escaped(f"{options.model} is served at {shown}; Ctrl-C ends it")
    if token is not None and options.token is None:
        print(f"its token, for Authorization: Bearer, is {token}")
    sys.stdout.flush()


def _warn(text: str) -> None:
    print_escaped(text, sys.stderr)
    sys.stderr.flush()
