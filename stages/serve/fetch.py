"""Download a video that a client names by URL: only from allowed hosts, and only from public addresses.

The connection goes to the address that was checked, so a host name that changes its address in between (DNS
rebinding) does not lead elsewhere. Redirects are not followed.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from pipeline.errors import reason
from stages.serve.errors import ApiError
from stages.serve.forward import in_thread

CHUNK = 1 << 16  # bytes
PORTS = {"http": 80, "https": 443}


class _Place(NamedTuple):
    """Where a URL leads; the path includes the query."""

    scheme: str
    host: str
    port: int
    path: str


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; also where an IPv6 address embeds an IPv4 one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # NAT64 (RFC 6052), IPv4-mapped (RFC 4291), 6to4 (RFC 3056) and Teredo (RFC 4380).
        nat64 = ip in ipaddress.ip_network("64:ff9b::/96")
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if nat64 else ip.ipv4_mapped or ip.sixtofour
        if inner or ip.teredo:
            return bool(inner) and is_public(str(inner))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def fetch(
    url: str,
    hosts: Collection[str],
    limit: int,
    timeout_s: float,
    public: Callable[[str], bool] = is_public,
) -> bytes:
    """Download a URL.

    Args:
        url: The URL.
        hosts: The allowed hosts, each as host or host:port.
        limit: The most bytes to accept.
        timeout_s: The most time to take in total, in seconds.
        public: Says whether an address may be connected to.

    Raises:
        ApiError: 400 if the URL is not allowed, cannot be read, or takes too long; 413 if it is too large.
    """
    where = _target(url, hosts)
    sockets: list[socket.socket] = []
    deadline = time.monotonic() + timeout_s
    # In a thread, since a socket's own limit is on its silence alone: a host that drips would outlive it.
    work = in_thread(partial(_download, where, limit, public, deadline, sockets))
    try:
        return work.result(timeout_s)
    except TimeoutError:
        raise _unread(f"{where.host} did not send the video in time") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unread(f"cannot read from {where.host}: {reason(error)}") from None
    finally:
        for sock in sockets:
            with suppress(OSError):  # already closed
                sock.shutdown(socket.SHUT_RDWR)


def _download(
    where: _Place,
    limit: int,
    public: Callable[[str], bool],
    deadline: float,
    sockets: list[socket.socket],
) -> bytes:
    """The bytes at a place. The socket is added to `sockets`: to shut it down ends the download."""
    address = _address(where.host, where.port, public)
    with socket.create_connection((address, where.port), timeout=_left(deadline)) as plain:
        sockets.append(plain)
        plain.settimeout(_left(deadline))
        connection = http.client.HTTPConnection(where.host, where.port)
        connection.sock = plain
        if where.scheme == "https":
            connection = http.client.HTTPSConnection(where.host, where.port)
            context = ssl.create_default_context()
            # A duplicate, as what wrap_socket is given cannot be shut down any more.
            connection.sock = context.wrap_socket(plain.dup(), server_hostname=where.host)
        with closing(connection):
            connection.request("GET", where.path, headers={"Accept-Encoding": "identity"})
            response = connection.getresponse()
            if response.status != 200:
                raise _unread(f"{where.host} returned status {response.status}; redirects are not followed")
            data = bytearray()
            while chunk := response.read1(CHUNK):
                data += chunk
                if len(data) > limit:
                    raise ApiError(413, f"the video is larger than {limit} bytes", "too_large", "messages")
    return bytes(data)


def _left(deadline: float) -> float:
    """The seconds until a time. Raises TimeoutError once it has passed."""
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left


def _target(url: str, hosts: Collection[str]) -> _Place:
    """Where an allowed URL leads. Raises ApiError for any other."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        raise _unread("this URL is not valid") from None
    if parts.scheme not in PORTS:
        raise _unread("only data: URLs and http(s) URLs of hosts in serve.fetch_hosts are read")
    allowed = {name.lower() for name in hosts}
    usual = port == PORTS[parts.scheme] and host in allowed
    if parts.username is not None or not (usual or f"{host}:{port}" in allowed):
        raise _unread("this host is not in serve.fetch_hosts; send the video as a data: URL")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (path.isascii() and path.isprintable()) or " " in path:
        raise _unread("this URL contains characters that need escaping")
    return _Place(parts.scheme, host, port, path)


def _address(host: str, port: int, public: Callable[[str], bool]) -> str:
    """An address of a host. Raises ApiError unless all its addresses are public, OSError if it has none."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not all(map(public, found)):
        raise _unread("this host has an address in a private network")
    return found[0]


def _unread(message: str) -> ApiError:
    return ApiError(400, message, "invalid_url", "messages")
