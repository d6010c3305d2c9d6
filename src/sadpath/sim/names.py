"""Names and addresses of the simulated network: what `getaddrinfo` answers.

A name exists if somebody listens on it or it was added; every other name fails as on a real network. `localhost` and
literal addresses always exist. A name that a server listens on gets an address of its own, in the order of listening.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

__all__ = ["AddressInfo", "Names", "sockaddr"]

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]

_SERVICES = {"http": 80, "https": 443}
_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 - the names of the wildcard address, nothing is bound
WILDCARD = "0.0.0.0"  # noqa: S104 - as above


class Names:
    """The hosts of one network, each with its addresses."""

    def __init__(self) -> None:
        self._hosts: dict[str, tuple[str, ...]] = {"localhost": ("127.0.0.1",)}
        self._reverse: dict[str, str] = {"127.0.0.1": "localhost"}
        self._allocated = 0

    def add(self, name: str, addresses: Iterable[str] = ()) -> tuple[str, ...]:
        """Give ``name`` its addresses (default: a fresh one) and return them.

        Raises:
            ValueError: for something that is not an IP address.
        """
        given = tuple(str(ipaddress.ip_address(item)) for item in addresses) or (self._fresh(),)
        self._hosts[name.lower()] = given
        for address in given:
            self._reverse.setdefault(address, name)
        return given

    def remove(self, name: str) -> None:
        """Forget a name; from now on looking it up fails."""
        self._hosts.pop(name.lower(), None)

    def address_to_bind(self, host: str | None) -> str:
        """Return the address that listening on ``host`` means; a new name comes into being by it."""
        if host is None or host in _WILDCARDS:
            return WILDCARD
        if is_address(host):
            return str(ipaddress.ip_address(host))
        return (self._hosts.get(host.lower()) or self.add(host))[0]

    def name_of(self, address: str) -> str:
        """Return the first name that the address was given, else the address itself."""
        return self._reverse.get(address, address)

    def lookup(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a name.

        Raises:
            socket.gaierror: for a name that nobody has.
        """
        if is_address(host):
            return (host,)
        found = self._hosts.get(host.lower().rstrip("."))
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found

    def _fresh(self) -> str:
        self._allocated += 1
        return str(ipaddress.IPv4Address("10.0.0.0") + self._allocated)


def is_address(host: str) -> bool:
    """Tell whether ``host`` is a literal IPv4 or IPv6 address."""
    if not host or not (host[-1].isdigit() or ":" in host):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def family_of(address: str) -> socket.AddressFamily:
    """Return the family of a literal address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def sockaddr(address: str, port: int) -> tuple[Any, ...]:
    """Return the address as sockets show it: two fields for IPv4, four for IPv6."""
    return (address, port, 0, 0) if ":" in address else (address, port)


def port_number(port: object) -> int:
    """Return the port that ``getaddrinfo`` was asked for, a number or a service name.

    Raises:
        socket.gaierror: for an unknown service.
    """
    if port is None:
        return 0
    if isinstance(port, bytes):
        port = port.decode()
    if isinstance(port, int):
        return port
    text = str(port)
    if text.isdigit():
        return int(text)
    if text in _SERVICES:
        return _SERVICES[text]
    raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")


def address_infos(addresses: Iterable[str], port: int, family: int) -> list[AddressInfo]:
    """Return the answer of ``getaddrinfo`` for stream sockets.

    Raises:
        socket.gaierror: where no address has the wanted family.
    """
    infos: list[AddressInfo] = [
        (family_of(address), socket.SOCK_STREAM, socket.IPPROTO_TCP, "", sockaddr(address, port))
        for address in addresses
        if family in (0, family_of(address))
    ]
    if not infos:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return infos
