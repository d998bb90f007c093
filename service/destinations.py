"""Where the service may connect to when somebody else has chosen the address: public addresses only.

A name is resolved once, all its addresses are looked at, and the connection goes to one of just those: a name
that means something else a moment later gains nothing. Each socket's address is looked at again as the socket
is made, however the address came about.

Source of the lists: IANA's registries of special-purpose addresses for IPv4 and IPv6.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from yarl import URL

from circuits.errors import InputError

Network = IPv4Network | IPv6Network
MAX_URL = 2048
NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # the host of a virtual machine in Azure
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
PUBLIC_6 = IPv6Network("2000::/3")
"""All else, with IPv4 addresses that are mapped or translated (NAT64), is special."""
NOT_PUBLIC_6 = tuple(
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*", re.ASCII)


class NotAllowed(OSError):
    """The address is not one that the service may connect to. The message does not say which it is."""

    def __init__(self) -> None:
        super().__init__("the name or address is not public")


class Destinations:
    """What may be connected to.

    Parameters
    ----------
    networks
        These, and public addresses.
    http
        Whether a connection may do without TLS.
    """

    def __init__(self, networks: Sequence[Network] = (), http: bool = False) -> None:
        self._networks = tuple(networks)
        self._schemes = ("https", "http") if http else ("https",)

    def allows(self, address: str) -> bool:
        """Whether an address, as text, may be connected to."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return is_public(parsed) or any(parsed in network for network in self._networks)

    def check_url(self, url: str) -> URL:
        """A URL in its one spelling, if it may be connected to, as far as that can be said without its name.

        Raises
        ------
        InputError
            If it is no URL, has another scheme, a user, a password or a fragment, or an address that may not
            be connected to.
        """
        if len(url) > MAX_URL or not url.isprintable() or " " in url:
            raise InputError(f"a URL has at most {MAX_URL} characters, and no blanks among them")
        try:
            parsed = URL(url)
            host, _ = parsed.raw_host, parsed.port
        except ValueError:
            raise InputError("this is no URL") from None
        if parsed.scheme not in self._schemes:
            raise InputError(f"the URL begins with {' or '.join(f'{s}://' for s in self._schemes)}")
        if not host:
            raise InputError("the URL names no host")
        if parsed.user is not None or parsed.password is not None or parsed.raw_fragment:
            raise InputError("the URL has no user, no password and no fragment")
        if is_literal(host):
            if not self.allows(host):
                raise InputError("the URL's address is not public")
        elif _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
            raise InputError("an address in a URL is written as four decimal numbers, or in brackets")
        return parsed

    def make_socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """A socket that is about to be connected to an address. Raises NotAllowed."""
        family, kind, protocol, _, address = info
        if not self.allows(str(address[0])):
            raise NotAllowed
        return socket.socket(family, kind, protocol)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether anybody on the internet could be there."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    return address in PUBLIC_6 and not any(address in network for network in NOT_PUBLIC_6)


def is_literal(host: str) -> bool:
    """Whether a host is an address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


Resolve = Callable[[str], Sequence[str]]
"""The addresses of a name. Raises OSError."""


def system_resolve(host: str) -> Sequence[str]:
    """The addresses that this system knows for a name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "this is no name of a host") from None
    return [str(info[4][0]) for info in found]
