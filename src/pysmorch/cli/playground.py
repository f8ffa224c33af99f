"""What `pysmorch playground` does."""

from __future__ import annotations

import webbrowser

from pysmorch.cli.web import address_of, check_port, missing_extra


def serve(port: int, with_browser: bool) -> None:
    """Serve the page until Ctrl-C."""
    check_port(port)
    try:
        from pysmorch.playground.server import server
        from pysmorch.web import listen
    except ModuleNotFoundError as error:
        raise missing_extra("the playground", error) from error
    with listen(port) as listening:
        address = address_of(listening)
        print(f"the playground is at {address}; Ctrl-C ends it", flush=True)
        if with_browser:
            webbrowser.open(address)
        try:
            server().run(sockets=[listening])
        except KeyboardInterrupt:
            print("the playground has ended")
