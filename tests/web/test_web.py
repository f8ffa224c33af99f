"""What all pages have in common: where they listen, and what they are forbidden."""

import socket

import pytest

pytest.importorskip("starlette", reason="pages need pysmorch[web]")

from pysmorch.web import listen, security_headers


def test_it_listens_on_this_machine_only():
    with listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        assert listening.family == socket.AF_INET


def test_a_port_in_use_is_said_with_what_to_do():
    with listen(0) as other:
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} is in use; give another one with --port"):
            listen(port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "\ud800", ""])
def test_what_is_no_address_of_this_machine_is_named(host):
    with pytest.raises(ValueError, match="is no address"):
        listen(0, host).close()


def test_scripts_and_styles_come_from_the_server_alone():
    policy = security_headers(img_src="'self' blob:")["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; ")
    assert "unsafe" not in policy
