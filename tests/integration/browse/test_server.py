"""The server of the clip browser, asked without a browser."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest

from pipeline.schema import empty_row
from pipeline.workspace import Workspace
from stages.video.playable import Videos
from tests.cli import motionsight
from tests.review_server import EVIL, TOKEN, Server
from tests.tables import clip, score


def ask(server: Server, path: str) -> Any:
    """What the API answers."""
    status, _, body = server.request("GET", path)
    assert status == 200, body
    return json.loads(body)


@pytest.mark.slow
def test_from_filters_to_clips_and_from_a_clip_to_everything(
    workspace: Workspace, serve: Callable[..., Server]
) -> None:
    server = serve(workspace)
    found = ask(server, "/api/clips?outcome=dropped&sort=-flow_mean")
    assert [one["id"] for one in found["clips"]] == ["e-fast", "d-part"]
    assert [one["why"] for one in found["clips"]] == ["flow_max", "cuts_max"]
    counts = ask(server, "/api/counts?outcome=dropped")
    known = ask(server, "/api/index")
    outcomes = dict(zip(known["facets"]["outcome"]["values"], counts["facets"]["outcome"], strict=True))
    assert outcomes == {"kept": 4, "dropped": 2, "failed": 1, "pending": 1}
    status, headers, body = server.request("GET", "/ids.txt?outcome=dropped")
    assert (status, body) == (200, b"d-part\ne-fast\n")
    assert headers["content-disposition"] == 'attachment; filename="work-ids.txt"'

    fast = ask(server, "/api/clips/e-fast?outcome=dropped")
    assert fast["why"] == "Dropped by flow_max: mean flow 1.6, not at most 1 diagonals/s."
    assert [gate["name"] for gate in fast["gates"] if gate["decides"]] == ["flow_max"]
    assert (fast["place"], fast["found"]) == (1, 2)
    plain = ask(server, "/api/clips/a-plain?outcome=dropped")
    assert plain["why"] == "Kept: it passes every gate, and so does 1 of its 2 questions."
    assert plain["place"] is None
    assert plain["questions"][1]["dropped"]["gate"] == "motion_check_min"
    assert {vote["annotator"] for vote in plain["questions"][0]["votes"]} == {"ada", EVIL}
    first = plain["objects"]["tracks"][0]["boxes"][0]
    assert first == pytest.approx([20 / 320, 60 / 240, 100 / 320, 200 / 240])
    assert [move["label"] for move in plain["moves"]] == ["pan_right", "zoom_in"]
    part = ask(server, "/api/clips/c-part")
    assert [one["id"] for one in part["siblings"]] == ["c-part", "d-part"]
    broken = ask(server, "/api/clips/g-text")
    assert broken["errors"] == [{"table": "scores", "code": "not_a_video", "detail": f"not a video: {EVIL}"}]
    assert ask(server, "/api/clips/h-waiting")["why"].startswith("Not measured yet")


@pytest.mark.slow
def test_pictures_rates_and_videos_of_every_kind_of_clip(
    workspace: Workspace, serve: Callable[..., Server]
) -> None:
    server = serve(workspace)
    for name in ("a-plain", "b-evil", "c-part", "e-fast", "f-member", "h-waiting"):
        status, headers, body = server.request("GET", f"/pictures/frame/{name}")
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        frame = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        assert frame.shape[0] > frame.shape[1] if name == "h-waiting" else frame.shape[:2] == (240, 320)
        status, headers, body = server.request("GET", f"/videos/{name}", range="bytes=0-99")
        assert (status, len(body)) == (206, 100)
    _, _, body = server.request("GET", "/pictures/strip/c-part")
    strip = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape[:2] == (180, 8 * 240)
    rates = ask(server, "/api/rates/a-plain")
    assert np.median(rates["pan"]) == pytest.approx(0.1, abs=0.02)  # as the clip was made
    assert rates["times"] == sorted(rates["times"])
    assert {len(rates[name]) for name in ("times", "pan", "tilt", "zoom", "roll")} == {len(rates["times"])}
    for path in ("/pictures/frame/g-text", "/api/rates/g-text", "/videos/g-text"):
        status, _, body = server.request("GET", path)
        assert (status, json.loads(body)["detail"][-13:]) == (422, "(not_a_video)")


@pytest.mark.slow
def test_what_is_not_there_or_is_malformed_is_refused(
    workspace: Workspace, serve: Callable[..., Server]
) -> None:
    server = serve(workspace)
    for path in (
        *("/api/clips/none", "/pictures/frame/none", "/videos/none", "/api/rates/none"),
        *("/app.py", "/..%2Fapp.py", "/pictures/frame/..%2F..%2Fetc%2Fpasswd", f"/videos/{quote(EVIL)}"),
    ):
        assert server.request("GET", path)[0] == 404
    status, headers, body = server.request("GET", f"/api/clips?{quote(EVIL)}=1")
    assert (status, headers["content-type"]) == (422, "text/plain; charset=utf-8")
    assert headers["x-content-type-options"] == "nosniff"
    assert "there is no filter" in body.decode()
    assert server.request("GET", "/pictures/film/a-plain")[0] == 422
    assert server.request("GET", "/api/clips?offset=x")[0] == 422
    assert ask(server, "/api/clips?offset=-5&limit=99999999")["found"] == 8
    assert server.request("POST", "/api/clips")[0] == 405
    assert server.request("GET", "/", host="evil.example")[0] == 403


@pytest.mark.slow
def test_other_machines_need_the_token(workspace: Workspace, serve: Callable[..., Server]) -> None:
    server = serve(workspace, "--host", "0.0.0.0", "--token", TOKEN)
    for path in ("/", "/api/clips", "/pictures/frame/a-plain", "/videos/a-plain", "/ids.txt"):
        assert server.request("GET", path)[0] == 401
        assert server.request("GET", path, authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.slow
def test_clips_that_come_while_it_runs_are_shown_and_nothing_is_written(
    workspace: Workspace, serve: Callable[..., Server]
) -> None:
    def files() -> set[tuple[Path, int]]:
        return {(path, path.stat().st_mtime_ns) for path in Path(workspace.root).rglob("*")}

    before = files()
    server = serve(workspace)
    assert ask(server, "/api/clips")["found"] == 8
    ask(server, "/api/clips/a-plain")
    assert files() == before
    for table, row in (("clips", clip("z-new")), ("scores", score("z-new"))):
        workspace.append(table, [empty_row(table) | row])
    found: dict[str, Any] = {}
    while found.get("found") != 9:  # the test's own time limit ends this
        time.sleep(0.2)
        found = ask(server, "/api/clips?sort=-name")
    assert found["edition"] == 2
    assert ask(server, "/api/clips/z-new")["outcome"] == "kept"
    assert server.end() == 0


@pytest.mark.slow
def test_of_videos_that_were_encoded_the_last_ones_are_kept(
    tmp_path: Path, clips: dict[str, dict[str, Any]]
) -> None:
    rows = {name: empty_row("clips") | row for name, row in clips.items()}
    with closing(Videos(rows, str(tmp_path), most=2)) as videos:
        for name in ("c-part", "d-part", "c-part", "e-fast", "d-part"):
            path, kind = videos.get(name).result(120)
            assert (Path(path).is_file(), kind) == (True, "video/mp4")
            assert len(list(tmp_path.iterdir())) <= 2
        videos.get("a-plain").result(120)  # plays as it is
        assert Path(clips["a-plain"]["uri"]).is_file()


@pytest.mark.slow
def test_without_clips_it_says_what_to_do(tmp_path: Path) -> None:
    done = motionsight("browse", "--output", tmp_path / "none")
    assert (done.returncode, "there is no workspace" in done.stderr) == (2, True)
    (tmp_path / "empty").mkdir()
    done = motionsight("browse", "--output", tmp_path / "empty")
    assert (done.returncode, "ingest" in done.stderr) == (2, True)
