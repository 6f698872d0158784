"""Clips of every kind to review, and servers that end with their test."""

import signal
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.workspace import Workspace
from tests import videos
from tests.review_server import EVIL, Server, filled
from tests.tables import clip, question


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Rows of `clips`: what browsers play as it is, and what they do not."""
    folder = tmp_path_factory.mktemp("clips")
    quiet = {"preset": "ultrafast", "x265-params": "log-level=none"}
    whole = videos.write(folder / "whole.mp4", 48, options={"g": "48"})  # one keyframe, at the start
    turned = videos.write(folder / "turned.mp4", codec="mpeg4")
    videos.rotate_by_metadata(turned, 90)
    h265 = videos.write(folder / "h265.mkv", codec="libx265", options=quiet)
    with tarfile.open(folder / "shard.tar", "w") as shard:
        shard.add(whole, "a/b.mp4")
        shard.add(h265, "a/h265.mkv")
    (folder / "text.mp4").write_text("no video at all")
    uris = {
        "plain": videos.write(folder / f"{EVIL.replace('/', '')}.mp4"),
        "webm": videos.write(folder / "vp9.webm", codec="libvpx-vp9", options={"deadline": "realtime"}),
        "part": whole,
        "h265": h265,
        "mpeg4": videos.write(folder / "mpeg4.avi", codec="mpeg4"),
        "turned": turned,
        "tenbit": videos.write(folder / "tenbit.mp4", pix_fmt="yuv420p10le"),
        "odd": videos.write(folder / "odd.mp4", width=321, height=239, pix_fmt="yuv444p"),
        "member": f"{folder}/shard.tar::a/b.mp4",
        "member265": f"{folder}/shard.tar::a/h265.mkv",
        "text": folder / "text.mp4",
        "gone": folder / "gone.mp4",
    }
    rows = {name: clip(name, uri=str(uri)) for name, uri in uris.items()}
    rows["part"] |= {"start_s": 1.5, "end_s": 3.0}
    return rows


@pytest.fixture
def workspace(tmp_path: Path, clips: dict[str, dict[str, Any]]) -> Workspace:
    """Five questions about two clips."""
    asked = [question(f"How does the camera move? {n}") for n in range(5)]
    plain = clip("0", uri=clips["plain"]["uri"])
    return filled(tmp_path / "work", [plain], *asked)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(*arguments: Any, **more: Any) -> Server:
        started.append(Server(*arguments, **more))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGKILL)
