"""A workspace with a clip in every state, and servers that end with their test."""

import signal
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.schema import empty_row
from pipeline.workspace import Workspace
from tests import videos
from tests.review_server import EVIL, Server
from tests.tables import annotation, clip, question, score, vote

TIMES = np.linspace(0.1, 3.9, 16)


@pytest.fixture(scope="package")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Rows of `clips` in the order of their ids: kept, dropped, failed and waiting; files and parts."""
    folder = tmp_path_factory.mktemp("clips")
    whole = videos.write(folder / "whole.mp4", 96, options={"g": "24"})
    with tarfile.open(folder / "shard.tar", "w") as shard:
        shard.add(whole, "a/b.mp4")
    (folder / "text.mp4").write_text("no video at all")
    uris = {
        "a-plain": videos.write(folder / "plain.mp4", 48),
        "b-evil": videos.write(folder / f"{EVIL.replace('/', '')}.mp4", 48),
        "c-part": whole,
        "d-part": whole,
        "e-fast": videos.write(folder / "fast.mkv", 48, codec="mpeg4", pan=0.4),
        "f-member": f"{folder}/shard.tar::a/b.mp4",
        "g-text": folder / "text.mp4",
        "h-waiting": videos.write(folder / "waiting.mp4", 48, width=180, height=320),
    }
    rows = {
        name: clip(name, uri=str(uri), source="films" if name < "c" else "web") for name, uri in uris.items()
    }
    rows["c-part"] |= {"video_id": "one video", "start_s": 1.0, "end_s": 3.0}
    rows["d-part"] |= {"video_id": "one video", "start_s": 4.0, "end_s": 6.5}
    return rows


def scores() -> list[dict[str, Any]]:
    """Rows of `scores`; that of h-waiting is missing."""
    moves = [
        {"label": "pan_right", "start_s": 0.0, "end_s": 2.5, "amount": 0.25},
        {"label": "zoom_in", "start_s": 1.5, "end_s": 4.0, "amount": 0.1},
    ]
    size = {"width": 320, "height": 240}
    return [
        score("a-plain", camera_motion=["pan_right", "zoom_in"], camera_moves=moves, pan=0.1, **size),
        score("b-evil", camera_motion=[], camera_unknown="nothing is certain", flow_mean=0.4, **size),
        score("c-part", duration_s=2.0, camera_motion=["static"], flow_mean=0.01, **size),
        score("d-part", duration_s=2.5, flow_mean=0.2, cuts=[1.0], **size),
        score("e-fast", flow_mean=1.6, quality=12.5, **size),
        score("f-member", **size),
        {"clip_id": "g-text", "error": "not_a_video", "error_detail": f"not a video: {EVIL}"},
    ]


def annotations() -> list[dict[str, Any]]:
    """Rows of `annotations`; those of the other clips are missing."""
    right = [[20.0 + 8 * n, 60.0, 100.0 + 8 * n, 200.0] for n in range(16)]
    tracks = [{"label": "car", "boxes": right, "scores": [0.9] * 16, "velocity": [0.1, 0.0]}]
    doubtful = question("What moves?", category="object", motion_check=0.2, answer="A car <b>rises</b>.")
    seen = {"times": TIMES.tolist(), "objects": tracks, "regions": [[10.0, 50.0, 250.0, 220.0]] * 16}
    return [
        annotation("a-plain", question(), doubtful, tokens=321, notes=["a note"], **seen),
        annotation("b-evil", question(f"{EVIL}?", answer=EVIL, baseline=EVIL)),
        annotation("f-member", error="mllm_error", error_detail="no reply"),
    ]


@pytest.fixture
def workspace(tmp_path: Path, clips: dict[str, dict[str, Any]]) -> Workspace:
    """A clip in every state, with people's votes."""
    workspace = Workspace(str(tmp_path / "work"))
    votes = [vote("a-plain", "left"), vote("a-plain", "right", annotator=EVIL, edited="It pans, right?")]
    for name, rows in {
        "clips": list(clips.values()),
        "scores": scores(),
        "annotations": annotations(),
        "preferences": votes,
    }.items():
        workspace.append(name, [empty_row(name) | row for row in rows])
    return workspace


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(*arguments: Any, **more: Any) -> Server:
        started.append(Server(*arguments, command="browse", **more))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGKILL)
