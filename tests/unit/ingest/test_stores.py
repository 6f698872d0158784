"""Clips in an object store that the URI of the input says how to reach."""

import io
import json
import tarfile
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from stages.ingest.find import find
from stages.ingest.settings import IngestConfig
from stages.video.media import read_bytes, suffix
from tests import objectstore
from tests.objectstore import BUCKET

NAMES = ("a.mp4", "with space/ü & 动作#1%20.webm", "watch?v=1.mkv")


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Those of a store with clips in a folder `in`, which nothing but its URI says how to reach."""
    with objectstore.serving() as s3:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            member = tarfile.TarInfo("m.mp4")
            member.size = len(b"member")
            tar.addfile(member, io.BytesIO(b"member"))
        rows = [{"uri": name, "video_id": name} for name in NAMES]
        contents = {f"in put/{name}": name.encode() for name in NAMES} | {
            "in put/t.tar": packed.getvalue(),
            "in put/made/run.json": b"[]",
            "in put/made/dataset/sft/published.mp4": b"of a workspace",
            "in put/list.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        }
        for key, content in contents.items():
            s3.client().put_object(Bucket=BUCKET, Key=key, Body=content)
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        yield f"?scheme=http&endpoint_override={urlsplit(s3.environment['AWS_ENDPOINT_URL']).netloc}"


@pytest.mark.parametrize("what", ["", "/**", "/list.jsonl", "/t.tar"])
def test_clips_are_found_and_read_with_the_options_of_their_input(options: str, what: str) -> None:
    found = find(f"s3://{BUCKET}/in put{what}{options}", IngestConfig()).to_pylist()
    read = {row["uri"].rpartition("/in put/")[2]: read_bytes(row["uri"]) for row in found}
    videos = {name: name.encode() for name in NAMES}
    member = {"t.tar::m.mp4": b"member"}
    assert (
        read == {"": videos | member, "/**": videos | member, "/list.jsonl": videos, "/t.tar": member}[what]
    )
    for row in found:
        assert "endpoint_override" not in row["video_id"]
        assert suffix(row["uri"]) == row["uri"].rpartition(".")[2]
