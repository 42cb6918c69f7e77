"""Loaded by the interpreter before the tests: names below vault.localhost lead
to this machine, as a line in the hosts file would make them. Nothing of the
SDK changes."""

import socket

_lookup = socket.getaddrinfo


def _getaddrinfo(host, *args, **kwargs):
    if isinstance(host, str) and host.lower().endswith(".vault.localhost"):
        host = "127.0.0.1"
    return _lookup(host, *args, **kwargs)


socket.getaddrinfo = _getaddrinfo
