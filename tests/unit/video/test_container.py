import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from stages.video.container import FORMATS, open_video, video_stream
from stages.video.cut import cut
from stages.video.frames import Clip, DecodeConfig, Wanted
from tests import videos


def two_streams(path: Path, first: str, default: int | None) -> Path:
    """A video whose second stream is to be seen: 96x64 at 12 fps, after one of 32x32 with fewer frames."""
    with av.open(str(path), "w") as container:
        small: Any = container.add_stream(first, rate=1)
        small.width, small.height, small.pix_fmt = 32, 32, "yuvj420p" if first == "mjpeg" else "yuv420p"
        large: Any = container.add_stream("libx264", rate=12)
        large.width, large.height, large.pix_fmt = 96, 64, "yuv420p"
        for number, stream in enumerate((small, large)):
            if default is not None:
                stream.disposition = av.stream.Disposition(int(number == default))
        for k in range(24):
            if k == 0 or (first != "mjpeg" and k % 12 == 0):
                picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
                picture.pts = k // 12
                container.mux(small.encode(picture))
            picture = av.VideoFrame.from_ndarray(videos.scene(96, 64, k / 120))
            picture.pts = k
            container.mux(large.encode(picture))
        for stream in (small, large):
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "first", "default"),
    [
        ("a small stream before the default one.mkv", "libx264", 1),
        ("a still before the video.mkv", "mjpeg", None),
        ("a still before the video.mp4", "mjpeg", None),
        ("a still before the video.mov", "mjpeg", None),
        ("a still said to be the default.mkv", "mjpeg", 0),
        ("a smaller stream before the video.ts", "libx264", None),
    ],
)
def test_the_stream_that_players_show_is_read(
    tmp_path: Path, name: str, first: str, default: int | None
) -> None:
    clip = Clip(str(two_streams(tmp_path / name, first, default)))
    assert (clip.probe.width, clip.probe.height, len(clip.probe.times)) == (96, 64, 24)
    clip.read([Wanted(range(24), (96, 64), False)], DecodeConfig())


def test_a_palette_that_comes_once_colours_all_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("rawvideo", rate=12)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "pal8"
        for k in range(12):
            picture = av.VideoFrame.from_ndarray(videos.scene(96, 64, k / 40)).reformat(format="rgb8")
            indices = picture.to_ndarray()
            palette = np.zeros((256, 4), np.uint8)
            palette[:, 1:] = (np.arange(256) * 0.5)[:, None]
            frame = av.VideoFrame.from_ndarray((indices, palette), format="pal8")
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip = Clip(str(path))
    (taken,) = clip.read([Wanted(range(12), (96, 64), False)], DecodeConfig())
    assert taken.pictures.mean() > 20


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{name}'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "dash": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{path}</BaseURL></MPD>",
    "subtitles": "1\n00:00:00,000 --> 00:00:02,000\nhello\n",
    "image2": "P5 2 2 255 \x01\x02\x03\x04",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", ["mp4", "m3u8", "ts"])
def test_a_playlist_shows_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, suffix: str
) -> None:
    secret = videos.write(tmp_path / "secret.mp4")
    monkeypatch.chdir(tmp_path)
    text = PLAYLISTS[kind].format(name=secret.name, path=secret)
    clip = tmp_path / f"clip.{suffix}"
    clip.write_text(text)
    videos.write_tar(tmp_path / "a.tar", clip=text.encode())
    for uri in (str(clip), f"{tmp_path}/a.tar::clip.mp4"):
        for opened in (Clip, lambda it: cut(it, 0.5, 1.0)):
            with pytest.raises(ClipError) as caught:
                opened(uri)
            assert caught.value.code == "not_a_video"
    with pytest.raises((av.error.FFmpegError, ValueError)):
        open_video(io.BytesIO(text.encode()))


def test_every_container_on_the_list_is_known_to_ffmpeg_and_none_opens_others() -> None:
    known = {name for entry in av.formats_available for name in entry.split(",")}
    assert set(FORMATS) <= known
    assert not {"hls", "concat", "sdp", "dash", "image2", "imf", "rtsp", "lavfi", "tty", "vapoursynth"} & {
        *FORMATS
    }


def test_a_container_without_a_picture_has_no_stream(tmp_path: Path) -> None:
    with open_video(f"file:{videos.write_sound(tmp_path / 'a.mp4')}") as container:
        assert video_stream(container) is None
