"""The server of the review page, asked without a browser, and the other things that the command does."""

import io
import json
import re
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import pytest
from rich.console import Console

from configs.settings import load
from jobs import review as job
from jobs import split
from jobs.session import Session
from pipeline.errors import CallError, ClipError
from pipeline.workspace import Workspace
from stages.review.label_studio import LABELING_CONFIG
from stages.video.playable import Playable
from tests import objectstore, videos
from tests.cli import motionsight
from tests.review_server import TOKEN, Server, filled, votes
from tests.tables import clip, question


def test_votes_are_taken_by_the_side_that_was_shown_and_split_sees_them(
    workspace: Workspace, serve: Callable[..., Server]
) -> None:
    server = serve(workspace)
    item = server.ask("next", "ada")["item"]
    baseline = "left" if item["left"] == "The camera pans right." else "right"
    for _ in range(2):  # a repeated request is one vote
        server.ask("vote", "ada", item=item["id"], choice=baseline, seconds=2.0)
    assert len(votes(workspace)) == 1
    assert server.end(signal.SIGTERM) == 0
    (row,) = workspace.read("preferences").to_pylist()
    assert (row["clip_id"], row["question"], row["choice"]) == (item["clip"], item["question"], baseline)
    assert row[baseline] == "The camera pans right."
    plan = split.plan(Session(load("embedded", ["split.preference_share=1"]), workspace))
    chosen = {r["question"]: (r["chosen"], r["chosen_source"]) for r in plan.dpo.to_pylist()}
    assert chosen[item["question"]] == ("The camera pans right.", "human")


def test_each_question_goes_to_as_many_people_as_asked_for(
    workspace: Workspace, serve: Callable[..., Server]
) -> None:
    server = serve(workspace, "--overlap", "2", "--limit", "3")
    for who in ("ada", "bob", "eve"):
        answer = server.ask("next", who)
        while item := answer["item"]:
            answer = server.ask("vote", who, item=item["id"], choice="tie")
    by_question = Counter(question for question, *_ in votes(workspace))
    assert sorted(by_question.values()) == [2, 2, 2]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"annotator": "", "item": "x", "choice": "left"}, 422),
        ({"annotator": " ", "item": "x", "choice": "left"}, 422),
        ({"annotator": "a" * 65, "item": "x", "choice": "left"}, 422),
        ({"annotator": "a", "item": "x", "choice": "both"}, 422),
        ({"annotator": "a", "item": "x", "choice": "left", "at": "1970"}, 422),
        ({"annotator": "a", "item": "x", "choice": "left"}, 404),
        ([], 422),
        ({"annotator": "\ud800", "item": "x", "choice": "left"}, 422),
        ({"annotator": "a", "item": "x", "choice": "left", "seconds": float("nan")}, 422),
    ],
)
def test_a_vote_that_makes_no_sense_is_refused(served: Server, body: Any, status: int) -> None:
    assert served.request("POST", "/api/vote", body)[0] == status


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, clips: dict[str, dict[str, Any]]) -> Iterator[Server]:
    """A server for requests that leave it as it was, with all the clips."""
    server = Server(filled(tmp_path_factory.mktemp("served") / "work", list(clips.values())))
    yield server
    server.end(signal.SIGKILL)


@pytest.mark.parametrize(
    "path",
    [
        "/clips/nothing",
        "/clips/../config.json",
        "/clips/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/clips/%2e%2e/%2e%2e/etc/passwd",
        "/clips//etc/passwd",
        "/clips/gone",
        "/..%2fapp.py",
        "/app.py",
        "/review.html",
        "/docs",
        "/openapi.json",
        "//etc/passwd",
        "/clips/plain%00",
    ],
)
def test_nothing_but_the_page_and_the_clips_is_served(served: Server, path: str) -> None:
    status, _, body = served.request("GET", path)
    assert status in (404, 422)
    assert b"root:" not in body
    assert b"import" not in body


def test_a_file_that_is_no_video_is_not_served_even_when_it_is_a_clip(served: Server) -> None:
    status, _, body = served.request("GET", "/clips/text")
    assert (status, b"no video at all" in body) == (422, False)


def test_while_many_wait_for_a_clip_to_be_made_others_are_sent(
    clips: dict[str, dict[str, Any]], tmp_path: Path, serve: Callable[..., Server]
) -> None:
    slow = videos.write(tmp_path / "slow.avi", 400, 1280, 960, codec="mpeg4", pan=0.05)
    rows = [clips["plain"], clips["webm"], clip("slow", uri=str(slow))]
    server = serve(filled(tmp_path / "work", rows))
    with ThreadPoolExecutor(60) as threads:
        waiting = [threads.submit(server.request, "GET", "/clips/slow") for _ in range(60)]
        for path in ("/clips/plain", "/clips/webm", "/review.js"):
            assert server.request("GET", path)[0] == 200
        assert server.ask("next", "ada")["item"]
        assert not any(each.done() for each in waiting)
        assert {each.result()[0] for each in waiting} == {200}


def test_ranges_of_a_clip_are_sent_as_players_ask_for_them(
    served: Server, clips: dict[str, dict[str, Any]]
) -> None:
    whole = Path(clips["plain"]["uri"]).read_bytes()
    status, headers, body = served.request("GET", "/clips/plain")
    assert (status, headers["content-type"], body) == (200, "video/mp4", whole)
    status, headers, body = served.request("GET", "/clips/plain", Range="bytes=100-299")
    assert (status, body) == (206, whole[100:300])
    assert headers["content-range"] == f"bytes 100-299/{len(whole)}"
    assert served.request("GET", "/clips/plain", Range="bytes=-5")[2] == whole[-5:]
    assert served.request("GET", "/clips/plain", Range=f"bytes={len(whole)}-")[0] == 416


@pytest.mark.parametrize(
    ("name", "codec", "size", "seconds"),
    [
        ("plain", "h264", (320, 240), 2.0),
        ("webm", "vp9", (320, 240), 2.0),
        ("part", "h264", (320, 240), 1.5),
        ("h265", "h264", (320, 240), 2.0),
        ("mpeg4", "h264", (320, 240), 2.0),
        ("turned", "h264", (240, 320), 2.0),
        ("tenbit", "h264", (320, 240), 2.0),
        ("odd", "h264", (320, 238), 2.0),
        ("member", "h264", (320, 240), 4.0),
        ("member265", "h264", (320, 240), 2.0),
    ],
)
def test_what_is_sent_is_what_browsers_play(
    served: Server, name: str, codec: str, size: tuple[int, int], seconds: float
) -> None:
    status, _, body = served.request("GET", f"/clips/{name}")
    assert status == 200
    with av.open(io.BytesIO(body)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.codec.canonical_name == codec
        assert (frames[0].width, frames[0].height) == size
        assert stream.codec_context.pix_fmt == "yuv420p"
    assert len(frames) == round(seconds * 12)
    assert frames[-1].time - frames[0].time == pytest.approx(seconds - 1 / 12, abs=0.01)
    assert served.request("GET", f"/clips/{name}")[2] == body


def test_a_part_shows_its_own_pictures_alone(served: Server, clips: dict[str, dict[str, Any]]) -> None:
    def pictures(source: Any) -> list[Any]:
        with av.open(source, options={"ignore_editlist": "1"}) as container:  # as some players do
            return [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]

    part = pictures(io.BytesIO(served.request("GET", "/clips/part")[2]))
    whole = pictures(clips["part"]["uri"])
    assert len(part) == 18
    for k, picture in enumerate(part):
        nearest = min(range(len(whole)), key=lambda n: abs(whole[n] - picture).mean())
        assert nearest == 18 + k  # from 1.5 s at 12 frames a second


def test_clips_in_an_object_store_are_fetched(tmp_path: Path) -> None:
    original = videos.write(tmp_path / "x.mp4").read_bytes()
    row = {"clip_id": "1", "uri": f"s3://{objectstore.BUCKET}/a b.mp4", "start_s": None, "end_s": None}
    playable = Playable(str(tmp_path))
    with objectstore.serving() as server:
        server.client().put_object(Bucket=objectstore.BUCKET, Key="a b.mp4", Body=original)
        path, kind = playable(row)
        assert (Path(path).read_bytes(), kind) == (original, "video/mp4")
        path, _ = playable(row | {"clip_id": "2", "start_s": 0.5, "end_s": 1.5})
        with av.open(path) as container:
            assert sum(1 for _ in container.decode(video=0)) == 12
        with pytest.raises(ClipError, match="missing_file"):
            playable(row | {"clip_id": "3", "uri": f"s3://{objectstore.BUCKET}/gone.mp4"})


def test_pages_of_other_sites_and_other_names_of_this_server_get_nowhere(served: Server) -> None:
    port = served.port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "[", ""):
        assert served.request("GET", "/", Host=host)[0] in (400, 403)
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "localhost", "[::1]:99"):
        assert served.request("GET", "/", Host=host)[0] == 200
    who = {"annotator": "ada"}
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{port}"},  # another site than 127.0.0.1
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        assert served.request("POST", "/api/next", who, **headers)[0] == 403
    same = {"Origin": f"http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}
    assert served.request("POST", "/api/next", who, **same)[0] == 200
    plain = served.request("POST", "/api/next", who, Content_Type="text/plain")
    assert plain[0] == 422


def test_with_a_token_only_who_knows_it_comes_in_and_no_log_tells_it(
    workspace: Workspace, serve: Callable[..., Server]
) -> None:
    server = serve(workspace, "--token", TOKEN)
    for path in ("/", "/review.js", "/clips/0", f"/?token={TOKEN}x", "/?token=", f"/?token={TOKEN[:-1]}"):
        status, headers, _ = server.request("GET", path)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert server.request("POST", f"/api/next?token={TOKEN}", {"annotator": "ada"})[0] == 401
    status, headers, _ = server.request("GET", f"/?token={TOKEN}&a=b")
    assert (status, headers["location"]) == (303, "/?a=b")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    cookie = cookie.partition(";")[0]
    assert server.request("GET", "/", Cookie=cookie)[0] == 200
    assert server.request("GET", "/", Cookie=f"other=1; {cookie}")[0] == 200
    assert server.request("GET", "/", Cookie=cookie.replace("=a", "=b"))[0] == 401
    assert server.request("GET", "/clips/0", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert server.request("GET", "/clips/0", Authorization=f"Basic {TOKEN}")[0] == 401
    assert server.request("GET", f"//evil.example/?token={TOKEN}")[1]["location"] == "/evil.example/"
    assert server.end() == 0
    assert TOKEN not in server.log


def test_half_sent_requests_leave_room_for_others(workspace: Workspace, serve: Callable[..., Server]) -> None:
    server = serve(workspace)
    with ExitStack() as stack:
        for _ in range(600):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            sock.sendall(b"POST /api/vote HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        assert server.ask("next", "ada")["item"]
    assert server.end() == 0
    assert "Traceback" not in server.log


def command(*words: str) -> tuple[int, str]:
    done = motionsight("review", *words, env={"MOTIONSIGHT_TOKEN": None})
    return done.returncode, done.stderr


def test_votes_go_to_label_studio_and_into_another_workspace(
    tmp_path: Path, clips: dict[str, dict[str, Any]], workspace: Workspace, serve: Callable[..., Server]
) -> None:
    server = serve(workspace, "--overlap", "2")
    for who in ("ada", "bob"):
        answer = server.ask("next", who)
        while item := answer["item"]:
            side = "left" if item["left"] == "The camera pans left." else "right"
            answer = server.ask("vote", who, item=item["id"], choice=side, edited=f"{who} 🎥")
    file = str(tmp_path / "tasks.json")
    assert command("-o", workspace.root, "--export-label-studio", file)[0] == 0  # while it serves
    assert (tmp_path / "tasks.xml").read_text() == LABELING_CONFIG
    (address,) = {task["data"]["video"] for task in json.loads(Path(file).read_text())}
    assert address == "/data/local-files/?d=tasks.videos/0.mp4"
    assert (tmp_path / "tasks.videos" / "0.mp4").read_bytes() == Path(clips["plain"]["uri"]).read_bytes()
    other = filled(tmp_path / "other", [clip("0", uri=clips["plain"]["uri"])])
    for new in ("10 of 10", "0 of 10"):
        code, told = command("-o", other.root, "--import-label-studio", file)
        assert (code, new in told) == (0, True)

    def told_of(place: Workspace) -> list[Any]:
        rows = place.read("preferences").to_pylist()
        return sorted((r["question"], r["annotator"], r[r["choice"]], r["edited"], r["at"]) for r in rows)

    assert told_of(other) == told_of(workspace)
    assert len(told_of(other)) == 10
    code, told = command("-o", workspace.root, "--agreement")
    assert code == 0
    assert "10 votes on 5 of 5 questions" in told
    assert "agree 100%" in told
    assert re.search(r"ada +5 ", told)


def test_clips_that_cannot_be_shown_are_named_and_have_no_tasks(
    tmp_path: Path, clips: dict[str, dict[str, Any]]
) -> None:
    place = filled(tmp_path / "work", [clips[name] for name in ("part", "text", "gone")])
    code, told = command("-o", place.root, "--export-label-studio", str(tmp_path / "some" / "tasks.json"))
    assert (code, "1 tasks with 0 votes" in told) == (0, True)
    assert "clip text is left out: " in told
    assert "clip gone is left out" in told
    assert [path.name for path in (tmp_path / "some" / "tasks.videos").iterdir()] == ["part.mp4"]
    place = filled(tmp_path / "none", [clips["gone"]])
    code, told = command("-o", place.root, "--export-label-studio", str(tmp_path / "tasks.json"))
    assert (code, "none of the clips can be shown" in told) == (1, True)
    assert not (tmp_path / "tasks.json").exists()


def test_calls_that_cannot_work_say_so_in_a_line(tmp_path: Path, workspace: Workspace) -> None:
    def review(place: str | Path) -> job.Review:
        return job.Review(Workspace(str(place)), Console(file=io.StringIO()))

    bad = tmp_path / "bad.json"
    bad.write_text('[{"data": {}}]')
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 200_000)
    empty = filled(tmp_path / "empty", [clip("0")], question(baseline=None)).root
    local = ("127.0.0.1", 0, None, None, 1)
    calls: list[tuple[Callable[[], None], str]] = [
        (lambda: job.serve(review(tmp_path / "nowhere"), *local), "no annotations yet"),
        (lambda: job.export(review(empty), "x.json"), "two different answers"),
        (lambda: job.serve(review(workspace.root), "127.0.0.1", 0, "weak", None, 1), "at least 16"),
        (lambda: job.serve(review(workspace.root), "203.0.113.1", 0, None, None, 1), "cannot listen on"),
        (lambda: job.take_in(review(workspace.root), str(bad)), "task 1 lacks 'clip_id'"),
        (lambda: job.take_in(review(workspace.root), str(deep)), "not a JSON export"),
        (lambda: job.take_in(review(workspace.root), str(tmp_path)), "not a JSON export"),
    ]
    for call, expected in calls:
        with pytest.raises(CallError, match=expected):
            call()
    assert not (tmp_path / "nowhere").exists()
    code, told = command("-o", str(tmp_path / "nowhere"), "--agreement")
    assert (code, told.count("\n"), "no annotations yet" in told) == (2, 1, True)
