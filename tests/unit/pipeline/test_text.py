import gzip
import json

import pytest

from pipeline import text
from pipeline.text import decode, from_json, lines, plain, unpacked, without_keys


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_text_is_decoded_whatever_its_encoding(encoding: str, pack: type) -> None:
    assert decode(unpacked(pack("uri,caption\né.mp4,ünï".encode(encoding)))) == "uri,caption\né.mp4,ünï"


def test_what_latin_1_alone_can_decode_is_decoded() -> None:
    assert decode(b"\x81\xe9") == "\x81é"
    assert decode(b"") == ""


@pytest.mark.parametrize("data", [gzip.compress(b"abc", mtime=0)[:-3], b"\x1f\x8b?", b"\xff\xfeabc"])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"damaged|truncated"):
        decode(unpacked(data))


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LARGEST", 1000)
    with pytest.raises(ValueError, match="unpacks to more"):
        unpacked(gzip.compress(bytes(1001)))


def test_lines_end_at_newlines_alone() -> None:
    odd = "\u2028\u2029\x85\x0b\x0c\x1c"
    assert [*lines(f"{odd}a\r\n\n \nb\rc".encode())] == [(1, f"{odd}a\r\n"), (4, "b\rc")]


def test_json_is_read_at_any_depth() -> None:
    for deep in ("[" * 200_000 + "]" * 200_000, '{"a":' * 90_000 + '"]"' + "}" * 90_000):
        made = from_json(f'{{"uri": "a\\"[.mp4", "caption": {deep}, "b": [1, "]"]}}')
        assert (made["uri"], made["b"]) == ('a"[.mp4', [1, "]"])
        json.dumps(made)
    with pytest.raises(ValueError, match="Expecting"):
        from_json("[" * 200_000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (float("nan"), None),
        ("007", "007"),
        (0, "0"),
        (7, "7"),
        ("", ""),
        ("\ud800a\U0001f600", "?a\U0001f600"),
        (["a", None, 5, ["b"]], "a\n5\nb"),
        ({"a": "ü\ud800"}, '{"a": "ü?"}'),
        (b"\xe9", "é"),
    ],
)
def test_any_value_has_a_text(value: object, expected: str | None) -> None:
    assert plain(value) == expected


@pytest.mark.parametrize("depth", [99, 150, 900, 990, 5000])
def test_what_is_nested_at_any_depth_has_a_text(depth: int) -> None:
    for deep in ("[" * depth + "]" * depth, '{"a":' * depth + '"\\ud800"' + "}" * depth):
        assert plain(from_json(f'{{"caption": {deep}}}', as_written=True)["caption"]) is not None
        assert "caption" in from_json(f'{{"caption": {deep}, "b": "\\ud800"}}')


@pytest.mark.parametrize(
    "said",
    [
        "http://user:SECRET@host/v1",
        "(got 'https://SECRET@host')",
        "http://host/v1?api_key=SECRET&b=c#d",
        "http://host/?a=b&Token=SECRET",
        "s3://bucket/a?X-Amz-Signature=SECRET",
    ],
)
def test_keys_in_addresses_are_not_shown(said: str) -> None:
    assert "SECRET" not in without_keys(said)
    assert "***" in without_keys(said)


def test_what_is_no_key_stays() -> None:
    for said in ("s3://b/c d?endpoint_override=http://h:1&region=x", "a@b.c: 3 clips", "what? key=1"):
        assert without_keys(said) == said
