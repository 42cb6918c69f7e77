"""Loaded by the interpreter before the tests: names below vault.localhost lead
to this machine, as a line in the hosts file would make them, and their port 443
to TEST_PORT_443, if it is set, as a firewall would. Nothing of the SDK changes."""

import os
import socket

_lookup = socket.getaddrinfo


def _getaddrinfo(host, port, *args, **kwargs):
    if isinstance(host, str) and host.lower().endswith(".vault.localhost"):
        host = "127.0.0.1"
        if port in (443, "443"):
            port = os.environ.get("TEST_PORT_443", port)
    return _lookup(host, port, *args, **kwargs)


socket.getaddrinfo = _getaddrinfo
