import io
import tarfile
from pathlib import Path
from typing import Any

import av
import fsspec
import numpy as np
import pytest
from fsspec.implementations.arrow import ArrowFSWrapper
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from stages.video import media
from stages.video.media import cut, is_local, read_bytes, suffix


def write_tar(path: Path, **members: bytes) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(f"{name}.mp4")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


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
    write_tar(tmp_path / "s.tar", a=b"one", b=b"")
    assert read_bytes(f"{tmp_path}/s.tar::a.mp4") == b"one"
    assert read_bytes(f"{tmp_path}/s.tar::b.mp4") == b""


def test_a_rewritten_tar_is_read_anew(tmp_path: Path) -> None:
    write_tar(tmp_path / "s.tar", a=b"one")
    assert read_bytes(f"{tmp_path}/s.tar::a.mp4") == b"one"
    write_tar(tmp_path / "s.tar", z=bytes(5000), a=b"other")
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
    write_tar(tmp_path / "bucket" / "s.tar", a=b"first", b=b"second", c=b"")
    folder = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    monkeypatch.setattr(media, "_bucket", lambda _: ArrowFSWrapper(folder))
    assert [read_bytes(f"s3://bucket/s.tar::{name}.mp4") for name in "abc"] == [b"first", b"second", b""]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "s.tar", a=b"one")
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


FPS, FRAMES = 25, 100


def clock(path: Path, codec: str, **options: str) -> str:
    """A video whose brightness is twice the number of the frame."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 30
        for n in range(FRAMES):
            picture = np.full((48, 64, 3), 2 * n, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return str(path)


def frames(video: bytes | str) -> list[bytes]:
    container: Any
    with av.open(io.BytesIO(video) if isinstance(video, bytes) else video) as container:
        return [frame.to_ndarray(format="gray").tobytes() for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("clocks")
    return {
        "mp4": clock(folder / "a:b.mp4", "libx264"),
        "mkv": clock(folder / "a.mkv", "libx264", sc_threshold="0"),
        "webm": clock(folder / "a.webm", "libvpx-vp9"),
        "avi": clock(folder / "a.avi", "mpeg4"),
    }


@pytest.mark.parametrize("kind", ["mp4", "mkv", "webm", "avi"])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.48, 2.6), (0.6, 3.0), (3.2, None), (None, 1.0)])
def test_a_cut_shows_the_frames_of_the_shot(
    clocks: dict[str, str], kind: str, start: float | None, end: float | None
) -> None:
    first, last = round((start or 0) * FPS), FRAMES if end is None else round(end * FPS)
    shown = frames(cut(clocks[kind], start, end))
    assert last - first - 4 <= len(shown) <= last - first
    assert shown == frames(clocks[kind])[first : first + len(shown)]


def test_a_cut_is_the_same_bytes_each_time_and_copies_the_pictures(clocks: dict[str, str]) -> None:
    once = cut(clocks["mp4"], 1.2, 2.4)
    assert once == cut(clocks["mp4"], 1.2, 2.4)
    with av.open(clocks["mp4"]) as container:
        keys = [bytes(packet) for packet in container.demux(video=0) if packet.is_keyframe]
    assert any(key in once for key in keys)


def test_a_cut_out_of_a_tar_is_the_cut_out_of_the_file(clocks: dict[str, str], tmp_path: Path) -> None:
    write_tar(tmp_path / "s.tar", a=Path(clocks["mp4"]).read_bytes())
    assert cut(f"{tmp_path}/s.tar::a.mp4", 1.0, 2.0) == cut(clocks["mp4"], 1.0, 2.0)


def test_a_cut_keeps_the_rotation(clocks: dict[str, str], tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    data = Path(clocks["mp4"]).read_bytes()
    # The matrix in the track header, from upright to a quarter turn (ISO 14496-12, 16.16 fixed point).
    upright, quarter = (
        b"".join(v.to_bytes(4, "big", signed=True) for v in m)
        for m in ((1 << 16, 0, 0, 0, 1 << 16, 0), (0, 1 << 16, 0, -(1 << 16), 0, 0))
    )
    track = data.index(b"tkhd")
    turned.write_bytes(data[:track] + data[track:].replace(upright, quarter, 1))

    def rotation(source: Any) -> int:
        with av.open(source) as container:
            return next(container.decode(video=0)).rotation

    assert rotation(str(turned)) != 0
    assert rotation(io.BytesIO(cut(str(turned), 1.0, 2.0))) == rotation(str(turned))


def test_what_cannot_be_cut_says_so(clocks: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frame between"):
        cut(clocks["mp4"], 50.0, 60.0)
    with pytest.raises(FileNotFoundError):
        cut(str(tmp_path / "gone.mp4"), 0.0, 1.0)
    (tmp_path / "text.mp4").write_bytes(b"not a video")
    with pytest.raises(av.error.FFmpegError):
        cut(str(tmp_path / "text.mp4"), 0.0, 1.0)


@given(st.text())
def test_any_uri_has_a_plain_suffix(uri: str) -> None:
    assert suffix(uri).isalnum()
    assert suffix(uri).isascii()
