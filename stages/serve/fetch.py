"""Download a video that a client names by URL: only from allowed hosts, and only from public addresses.

The connection goes to the address that was checked, so a host name that changes its address in between (DNS
rebinding) does not lead elsewhere. Redirects are not followed.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from urllib.parse import urlsplit

from pipeline.errors import reason
from stages.serve.errors import ApiError

CHUNK = 1 << 16  # bytes
PORTS = {"http": 80, "https": 443}


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
    deadline = time.monotonic() + timeout_s
    scheme, host, port, path = _target(url, hosts)
    sockets: list[socket.socket] = []
    # A socket's own limit starts anew with each byte: one that drips would last for ever.
    late = threading.Timer(timeout_s, _shut, [sockets])
    late.daemon = True
    try:
        address = _address(host, port, public)
        late.start()
        with socket.create_connection((address, port), timeout=timeout_s) as plain:
            sockets.append(plain)
            connection = http.client.HTTPConnection(host, port)
            connection.sock = plain
            if scheme == "https":
                connection = http.client.HTTPSConnection(host, port)
                connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
                sockets.append(connection.sock)
            connection.request("GET", path, headers={"Accept-Encoding": "identity"})
            data = bytearray()
            with connection.getresponse() as response:
                if response.status != 200:
                    raise _unread(f"{host} returned status {response.status}; redirects are not followed")
                while chunk := response.read1(CHUNK):
                    data += chunk
                    if len(data) > limit:
                        raise ApiError(
                            413, f"the video is larger than {limit} bytes", "too_large", "messages"
                        )
            if time.monotonic() > deadline:  # what was shut looks as if it had ended
                raise TimeoutError
    except TimeoutError:
        raise _unread(f"{host} did not send the video in time") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() > deadline:
            raise _unread(f"{host} did not send the video in time") from None
        raise _unread(f"cannot read from {host}: {reason(error)}") from None
    finally:
        late.cancel()
    return bytes(data)


def _shut(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        with suppress(OSError):  # closed, or now another one's
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _target(url: str, hosts: Collection[str]) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of an allowed URL. Raises ApiError for any other."""
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
    return parts.scheme, host, port, path


def _address(host: str, port: int, public: Callable[[str], bool]) -> str:
    """An address of a host. Raises ApiError unless all its addresses are public, OSError if it has none."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not all(map(public, found)):
        raise _unread("this host has an address in a private network")
    return found[0]


def _unread(message: str) -> ApiError:
    return ApiError(400, message, "invalid_url", "messages")
