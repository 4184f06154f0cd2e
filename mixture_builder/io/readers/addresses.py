"""Which machines a card may have asked: never those that hand out a machine's own secrets.

Addresses are looked at when a connection is made, so redirects, names that stand for other
machines, and names that change between two questions are seen as well.

    link-local (169.254.0.0/16, fe80::/10: metadata of cloud machines)   always refused
    this machine and private networks                                    refused where
                                          MIXTURE_BUILDER_NETWORK=public is in the environment

Behind a proxy, connections go to the proxy, and which addresses it asks is its own business.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import ClientSession

NETWORK_VARIABLE = "MIXTURE_BUILDER_NETWORK"

_METADATA = tuple(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))
"""Metadata addresses of clouds that are not link-local."""


def refusal(address: str) -> str:
    """Why no connection to an address is made; empty if it is.

    >>> refusal("169.254.169.254")
    'the address 169.254.169.254 is where cloud machines keep their own secrets'
    >>> refusal("8.8.8.8")
    ''
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_link_local or found in _METADATA:
        return f"the address {address} is where cloud machines keep their own secrets"
    if os.environ.get(NETWORK_VARIABLE) == "public" and not found.is_global and not _has_proxy():
        return f"the address {address} is private, and {NETWORK_VARIABLE}=public forbids those"
    return ""


def _has_proxy() -> bool:
    from urllib.request import getproxies

    return bool({"http", "https", "all"} & set(getproxies()))


def checked_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for a connection that may be made.

    Args:
      info: as `socket.getaddrinfo` gives it.

    Raises:
      PermissionError: for an address that is refused.
    """
    family, kind, protocol, _, address = info
    if why := refusal(str(address[0])):
        raise PermissionError(errno.EACCES, why)
    return socket.socket(family, kind, protocol)


async def web_client(**options: Any) -> ClientSession:
    """What fsspec asks web servers with; refuses addresses as the module says."""
    from aiohttp import ClientSession, TCPConnector

    options.pop("loop", None)
    return ClientSession(connector=TCPConnector(socket_factory=checked_socket), **options)
