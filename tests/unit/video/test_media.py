import io
import tarfile
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.arrow import ArrowFSWrapper
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from stages.video import media
from stages.video.media import is_local, read_bytes, suffix
from tests import videos


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("/a/b.mp4", True),
        ("/a/ü *?[x]: 🎥.mp4", True),
        ("/a/b::c.mp4", True),
        ("/a/http://b.mp4", True),
        ("/a/b.tar", True),
        ("/a/b.tar::c/d.mp4", False),
        ("s3://a/b.mp4", False),
        ("gs://a/b.tar::c.mp4", False),
        ("HTTPS://a/b.mp4", False),
    ],
)
def test_a_path_is_local_and_a_url_or_tar_member_is_not(uri: str, local: bool) -> None:
    assert is_local(uri) is local


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/a/b.MP4", "mp4"),
        ("/a/b.webm", "webm"),
        ("/a.d/b", "mp4"),
        ("/a/b.tar::c.d.mkv", "mkv"),
        ("https://h/b.mov?sign=x.y", "mov"),
        ("/a/what?.avi", "avi"),
        ("/a/b.ünï", "mp4"),
        ("/a/b.mp4\n", "mp4"),
    ],
)
def test_suffix_is_lower_case_and_safe_in_a_file_name(uri: str, expected: str) -> None:
    assert suffix(uri) == expected


@pytest.mark.parametrize(
    "name", ["a.mp4", "-x.mp4", "a::b.mp4", "*?[x].mp4", "ü 🎥\n.mp4", "~.mp4", "http:/x.mp4"]
)
def test_a_local_file_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"data")
    assert read_bytes(str(tmp_path / name)) == b"data"


def test_a_tar_member_is_read_by_its_name(tmp_path: Path) -> None:
    videos.write_tar(tmp_path / "s.tar", a=b"one", b=b"")
    assert read_bytes(f"{tmp_path}/s.tar::a.mp4") == b"one"
    assert read_bytes(f"{tmp_path}/s.tar::b.mp4") == b""


def test_a_rewritten_tar_is_read_anew(tmp_path: Path) -> None:
    videos.write_tar(tmp_path / "s.tar", a=b"one")
    assert read_bytes(f"{tmp_path}/s.tar::a.mp4") == b"one"
    videos.write_tar(tmp_path / "s.tar", z=bytes(5000), a=b"other")
    assert read_bytes(f"{tmp_path}/s.tar::a.mp4") == b"other"


def test_other_file_systems_are_read_through_fsspec() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/media/a.mp4", b"data")
    assert read_bytes("memory://media/a.mp4") == b"data"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("x/y.mp4")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    memory.pipe_file("/media/s.tar", buffer.getvalue())
    assert read_bytes("memory://media/s.tar::x/y.mp4") == b"abc"


def test_a_member_of_a_tar_in_a_store_is_read_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a folder in place of the store, behind the same wrapper."""
    (tmp_path / "bucket").mkdir()
    videos.write_tar(tmp_path / "bucket" / "s.tar", a=b"first", b=b"second", c=b"")
    folder = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    monkeypatch.setattr(media, "_bucket", lambda _: ArrowFSWrapper(folder))
    assert [read_bytes(f"s3://bucket/s.tar::{name}.mp4") for name in "abc"] == [b"first", b"second", b""]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    videos.write_tar(tmp_path / "s.tar", a=b"one")
    (tmp_path / "bad.tar").write_bytes(b"no tar" * 1000)
    with pytest.raises(FileNotFoundError, match=r"no such file: .*/gone\.mp4"):
        read_bytes(f"{tmp_path}/gone.mp4")
    with pytest.raises(FileNotFoundError, match=r"no such file: .*/gone\.tar$"):
        read_bytes(f"{tmp_path}/gone.tar::a.mp4")
    with pytest.raises(FileNotFoundError, match=r"s\.tar has no member 'b\.mp4'"):
        read_bytes(f"{tmp_path}/s.tar::b.mp4")
    with pytest.raises(OSError, match=r"cannot read .*bad\.tar::b\.mp4"):
        read_bytes(f"{tmp_path}/bad.tar::b.mp4")
    with pytest.raises(OSError, match="directory"):
        read_bytes(str(tmp_path))
    with pytest.raises(OSError, match="cannot read nowhere://a"):
        read_bytes("nowhere://a")


@given(st.text())
def test_any_uri_has_a_plain_suffix(uri: str) -> None:
    assert suffix(uri).isalnum()
    assert suffix(uri).isascii()
