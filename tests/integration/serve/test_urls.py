"""What `motionsight serve` reads of the places that a request names."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.serve.errors import ApiError
from stages.serve.fetch import fetch, is_public
from tests.http_server import Exchange, FakeServer
from tests.serving import CAMERA, ask, url_of
from tests.videos import write

NAMES = """
    {} file://{} file:{} FILE://localhost{} ftp://127.0.0.1{} s3://bucket{} a.tar::b.mp4 http://127.0.0.1:9{}
    http://localhost{} https://169.254.169.254{} http://[::1]{} concat:{} pipe:0 //host{} http:// http://a:b:c/
    data:video/mp4,{}
"""


@pytest.mark.parametrize(
    "url",
    NAMES.split(),
)
def test_what_a_client_may_not_name_is_not_read(measuring: str, tmp_path: Path, url: str) -> None:
    here = write(tmp_path / "here.mp4")
    with pytest.raises(openai.BadRequestError) as error:
        ask(measuring, CAMERA, url.format(here))
    assert error.value.code in ("invalid_url", "invalid_request")


def test_a_playlist_that_names_a_file_here_is_not_followed(measuring: str, tmp_path: Path) -> None:
    here = write(tmp_path / "here.mp4")
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\nfile://{here}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {here}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ):
        with pytest.raises(openai.BadRequestError) as error:
            ask(measuring, CAMERA, url_of(text.encode()))
        assert error.value.code == "not_a_video"


class Files(FakeServer):
    """Serves 1000 bytes, in ways that depend on the path."""

    def respond(self, exchange: Exchange) -> None:
        if exchange.path == "/away":
            exchange.open(302, Location="/file")
            return
        if exchange.path in ("/headers", "/status"):
            head = b"HTTP/1.1 200 OK\r\nX: " if exchange.path == "/headers" else b"HTTP/1.1 "
            exchange.wfile.write(head)
            for _ in range(100):
                exchange.wfile.write(b"2")
                time.sleep(0.05)
            return
        exchange.open(200)
        for _ in range(10):
            exchange.wfile.write(bytes(100))
            time.sleep(0.2 if exchange.path == "/drip" else 0)


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    with Files() as server:
        yield server.address


def test_a_url_is_read_from_an_allowed_host_alone(files: str) -> None:
    def get(url: str, hosts: list[str], limit: int = 1000, timeout_s: float = 5.0) -> bytes:
        return fetch(url, hosts, limit, timeout_s, public=lambda address: address == "127.0.0.1")

    assert get(f"http://{files}/file?a=b", [files]) == bytes(1000)
    for url, hosts, told in (
        (f"http://{files}/file", [], "not in serve.fetch_hosts"),
        (f"http://{files}/file", ["127.0.0.1"], "not in serve.fetch_hosts"),  # on its usual port alone
        (f"http://me@{files}/file", [files], "not in serve.fetch_hosts"),
        (f"http://127.0.0.1.evil.example:{files[10:]}/", [files], "not in serve.fetch_hosts"),
        (f"http://{files}/away", [files], "302"),
        (f"http://{files}/a b\r\nX: y", [files], "escaping"),
        ("http://127.0.0.1:1/", ["127.0.0.1:1"], "cannot read"),
    ):
        with pytest.raises(ApiError, match=re.escape(told)) as error:
            get(url, hosts)
        assert error.value.status == 400
    with pytest.raises(ApiError, match="larger"):
        get(f"http://{files}/file", [files], limit=999)


@pytest.mark.parametrize("path", ["drip", "headers", "status"])
def test_a_host_that_drips_does_not_outlive_the_limit(files: str, path: str) -> None:
    began = time.monotonic()
    with pytest.raises(ApiError, match="in time"):
        fetch(f"http://{files}/{path}", [files], 1000, 0.5, lambda address: True)
    assert time.monotonic() - began < 1.5  # all of it would take two seconds, or five


def test_a_name_that_is_looked_up_for_ever_does_not_outlive_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The resolver stands in for one whose name servers do not answer."""
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30) and [])
    with pytest.raises(ApiError, match="in time"):
        fetch("http://slow.example/", ["slow.example"], 1000, 0.2)
    answered.set()


def test_an_allowed_host_at_a_private_address_is_not_read(files: str) -> None:
    with pytest.raises(ApiError, match="private network"):
        fetch(f"http://{files}/file", [files], 1000, 5.0)


def test_a_name_that_changes_its_address_after_the_check_leads_nowhere_else(
    files: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver stands in for a hostile DNS server: it gives another address each time it is asked."""
    port, asked = int(files.partition(":")[2]), []
    genuine = socket.getaddrinfo

    def rebinding(host: Any, *more: Any, **options: Any) -> Any:
        if host != "changing.example":
            return genuine(host, *more, **options)
        asked.append(host)
        return genuine("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    url = f"http://changing.example:{port}/file"
    assert fetch(url, [f"changing.example:{port}"], 1000, 5.0, lambda address: address == "127.0.0.1")
    assert len(asked) == 1


PRIVATE = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/4"
)


@given(st.sampled_from(PRIVATE.split()).flatmap(lambda net: st.ip_addresses(v=4, network=net)))
def test_no_way_to_write_a_private_address_makes_it_public(address: Any) -> None:
    number = int(address)
    for text in (f"{address}", f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"):
        assert not is_public(text)
    assert not is_public(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")


def test_public_addresses_are_public() -> None:
    for text in ("8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"):
        assert is_public(text)
    for text in ("::1", "fe80::1", "fe80::1%eth0", "fc00::1", "::", "ff02::1"):
        assert not is_public(text)


class Dripping(FakeServer):
    """Never ends: it sends a byte of its head, or of its body, every tenth of a second."""

    def respond(self, exchange: Exchange) -> None:
        if exchange.path == "/body":
            exchange.open(200)
        try:
            for _ in range(100):
                exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: b"[:1] if exchange.path == "/head" else b"x")
                exchange.wfile.flush()
                time.sleep(0.1)
        except OSError:
            exchange.close_connection = True


@pytest.mark.parametrize("path", ["/head", "/body"])
def test_a_host_that_drips_is_left_in_time(path: str) -> None:
    with Dripping() as server:
        began = time.monotonic()
        with pytest.raises(ApiError, match="in time"):
            fetch(f"http://{server.address}{path}", [server.address], 10**6, 0.5, lambda _: True)
        assert time.monotonic() - began < 5.0  # of the ten seconds that it would take
