import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from stages.video.cut import cut
from tests import videos

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
    made = cut(clocks[kind], start, end)
    assert not made.encoded
    assert frames(made.video) == frames(clocks[kind])[first:last]


def test_a_cut_is_the_same_bytes_each_time_and_copies_the_pictures(clocks: dict[str, str]) -> None:
    once = cut(clocks["mp4"], 1.2, 2.4).video
    assert once == cut(clocks["mp4"], 1.2, 2.4).video
    with av.open(clocks["mp4"]) as container:
        keys = [bytes(packet) for packet in container.demux(video=0) if packet.is_keyframe]
    assert any(key in once for key in keys)


def test_a_cut_out_of_a_tar_is_the_cut_out_of_the_file(clocks: dict[str, str], tmp_path: Path) -> None:
    videos.write_tar(tmp_path / "s.tar", a=Path(clocks["mp4"]).read_bytes())
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
    assert rotation(io.BytesIO(cut(str(turned), 1.0, 2.0).video)) == rotation(str(turned))


def test_what_cannot_be_cut_says_so(clocks: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_bytes(b"not a video")
    for file, start, code in (
        (clocks["mp4"], 50.0, "too_few_frames"),
        (str(tmp_path / "gone.mp4"), 0.0, "missing_file"),
        (str(tmp_path / "text.mp4"), 0.0, "not_a_video"),
    ):
        with pytest.raises(ClipError) as caught:
            cut(file, start, start + 1.0)
        assert caught.value.code == code
