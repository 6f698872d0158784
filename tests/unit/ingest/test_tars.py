import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import CallError, ClipError
from stages.ingest.find import REST, find
from stages.ingest.settings import IngestConfig
from stages.ingest.stage import checksum
from stages.video.frames import Clip

CONFIG = IngestConfig()


def write(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def captions(path: Path) -> dict[str, Any]:
    rows = find(str(path), CONFIG).to_pylist()
    return {row["uri"].partition("::")[2]: row["caption"] for row in rows}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"caption": "a cat"}', "a cat"),
        (b'{"text": "a cat", "caption": null}', "a cat"),
        (b'{"caption": 0}', "0"),
        (b'{"caption": ["a", "b"]}', "a\nb"),
        ('{"caption": "é"}'.encode("utf-16"), "é"),
        ('{"caption": "é"}'.encode("latin-1"), "é"),
        (b'{"caption": "\\ud800"}', "?"),
        (b'{"caption": %s}' % (b"1" * 5000), "1" * 5000),
        (b'{"caption": "a", "x": %s}' % (b"[" * 200_000 + b"]" * 200_000), "a"),
        (b"[" * 200_000, None),
        (b'"a cat"', None),
        (b"\xff\xfe{", None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_caption_of_any_kind_is_read_or_left_out(tmp_path: Path, data: bytes, expected: str | None) -> None:
    path = write(tmp_path / "s.tar", {"a.mp4": b"1", "b.mp4": b"2", "a.json": data, "b.txt": b" b\n"})
    assert captions(path) == {"a.mp4": expected, "b.mp4": "b"}


def test_a_damaged_tar_costs_its_rest_with_a_code(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.tar", {f"{k}.mp4": b"%d" % k for k in range(3)}).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: 2 * 1024 + 100])
    (tmp_path / "none.tar").write_bytes(b"no tar" * 99)
    told: list[str] = []
    found = find(str(tmp_path), CONFIG, note=told.append)
    assert sorted(str(Path(uri).relative_to(tmp_path)) for uri in found["uri"].to_pylist()) == [
        *("cut.tar::" + name for name in (REST, "0.mp4", "1.mp4")),
        f"none.tar::{REST}",
        *(f"whole.tar::{k}.mp4" for k in range(3)),
    ]
    assert told == [
        "damaged tar, whose unreadable rest becomes one clip that fails: 2 ('cut.tar' 1, 'none.tar' 1)"
    ]
    assert checksum(f"{tmp_path}/cut.tar::1.mp4")[1] == 1
    assert checksum(f"{tmp_path}/cut.tar::{REST}") == (None, None)
    with pytest.raises(ClipError, match=r"the tar is damaged after '1\.mp4'") as caught:
        _ = Clip(f"{tmp_path}/cut.tar::{REST}").probe
    assert caught.value.code == "missing_file"
    assert find(str(tmp_path / "cut.tar"), CONFIG).num_rows == 3
    with pytest.raises(CallError, match=r"none\.tar' cannot be read: the tar is damaged from the start"):
        find(str(tmp_path / "none.tar"), CONFIG)


def test_names_of_members_cost_no_more_than_themselves(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.tar",
        {
            "._a.mp4": b"",
            "b\udcff.mp4": b"",
            "@eaDir/c.mp4": b"",
            "d.mp4.part": b"",
            "e.jpg": b"",
            "f.mp4": b"1",
        },
    )
    told: list[str] = []
    found = find(str(path), CONFIG, note=told.append)
    assert found["uri"].to_pylist() == [f"{path}::f.mp4"]
    assert len(told) == 4


@pytest.mark.parametrize(
    "name", ["/etc/passwd.mp4", "../../up.mp4", "file:///etc/x.tar::y.mp4", "a\nb.mp4", "~/a.mp4"]
)
def test_members_are_read_from_their_tar_whatever_their_names(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "s.tar", {name: b"inside"})
    (row,) = find(str(path), CONFIG).to_pylist()
    assert checksum(row["uri"])[1] == 6


def test_a_link_to_a_device_is_no_clip_in_a_tar_and_fails_in_a_manifest(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        link = tarfile.TarInfo("zero.mp4")
        link.type, link.linkname = tarfile.SYMTYPE, "/dev/zero"
        tar.addfile(link)
    with pytest.raises(CallError, match="no clips"):
        find(str(tmp_path / "s.tar"), CONFIG)
    (tmp_path / "link.mp4").symlink_to("/dev/zero")
    for uri in (str(tmp_path / "link.mp4"), "/dev/zero", "file:///dev/zero", str(tmp_path)):
        (tmp_path / "a.jsonl").write_text(json.dumps({"uri": uri}))
        assert find(str(tmp_path / "a.jsonl"), CONFIG).num_rows == 1
        assert checksum(uri) == (None, None)
        with pytest.raises(ClipError) as caught:
            _ = Clip(uri).probe
        assert caught.value.code == "missing_file"
