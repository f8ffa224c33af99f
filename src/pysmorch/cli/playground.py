"""What `pysmorch playground` does."""

from __future__ import annotations

import errno
import webbrowser

MOST_PORT = 65535


def serve(port: int, with_browser: bool) -> None:
    """Serve the page until Ctrl-C."""
    if not 0 <= port <= MOST_PORT:
        raise ValueError(f"--port must be from 0 to {MOST_PORT}, but is {port}; 0 takes any free one")
    try:
        from pysmorch.playground.server import listen, server
    except ModuleNotFoundError as error:
        raise ValueError(f'the playground needs {error.name}: install it with  pip install "pysmorch[web]"') from error
    try:
        listening = listen(port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        reason = "is in use" if error.errno == errno.EADDRINUSE else "may not be used"
        raise ValueError(f"port {port} {reason}; give another one with --port, or --port 0 for any free one") from None
    with listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        print(f"the playground is at {address}; Ctrl-C ends it", flush=True)
        if with_browser:
            webbrowser.open(address)
        try:
            server().run(sockets=[listening])
        except KeyboardInterrupt:
            print("the playground has ended")
