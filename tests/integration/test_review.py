"""The review page: its server as a process of its own, and people at it in a real browser."""

import http.client
import io
import json
import re
import signal
import sqlite3
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rich.console import Console

from configs.settings import load
from jobs import review as job
from jobs import split
from jobs.session import Session
from pipeline.errors import CallError, ClipError
from pipeline.schema import empty_row
from pipeline.workspace import Workspace
from stages.review.store import preferences
from stages.review.videos import Playable
from tests import objectstore, videos
from tests.cli import motionsight, start
from tests.tables import annotation, clip, question, score

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"&"
TOKEN = "a-token-that-nobody-guesses"


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


def filled(folder: Path, clips: list[dict[str, Any]], *questions: dict[str, Any]) -> Workspace:
    """A workspace where every clip was asked the questions, or one."""
    workspace = Workspace(str(folder))
    ids = [row["clip_id"] for row in clips]
    for table, rows in {
        "clips": clips,
        "scores": [score(i) for i in ids],
        "annotations": [annotation(i, *(questions or (question(),))) for i in ids],
    }.items():
        workspace.append(table, [empty_row(table) | row for row in rows])
    return workspace


@pytest.fixture
def workspace(tmp_path: Path, clips: dict[str, dict[str, Any]]) -> Workspace:
    """Five questions about two clips."""
    asked = [question(f"How does the camera move? {n}") for n in range(5)]
    plain = clip("0", uri=clips["plain"]["uri"])
    return filled(tmp_path / "work", [plain], *asked)


class Server:
    """`motionsight review` on a workspace, in a process of its own."""

    def __init__(self, workspace: Workspace, *options: str, port: int = 0) -> None:
        self.process = start("review", "--output", workspace.root, "--port", port, *options)
        self.log = ""
        while not (found := re.search(r"http://\S+", self.log)):
            line = self.process.stderr.readline()  # type: ignore[union-attr]
            assert line, f"the server ended: {self.log}"
            self.log += line
        self.url = found[0]
        self.port = urlsplit(self.url).port or 0

    def end(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.log += self.process.communicate(timeout=30)[1]
        return self.process.returncode

    def request(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body, of a request that is sent as it stands."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body)
        try:
            connection.request(
                method, path, data, ({"Content-Type": "application/json"} if data else {}) | sent
            )
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def ask(self, what: str, annotator: str, **more: Any) -> dict[str, Any]:
        status, _, body = self.request("POST", f"/api/{what}", {"annotator": annotator} | more)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(*arguments: Any, **more: Any) -> Server:
        started.append(Server(*arguments, **more))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGKILL)


@pytest.fixture
def person(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the page in a browser of its own, gives a name, and waits for the first question."""
    contexts: list[BrowserContext] = []

    def enter(server: Server, name: str) -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        page = contexts[-1].new_page()
        page.goto(server.url)
        page.fill("#annotator", name)
        page.keyboard.press("Enter")
        page.wait_for_selector("#task:not([hidden])")
        return page

    yield enter
    for context in contexts:
        context.close()


def votes(workspace: Workspace) -> list[tuple[Any, ...]]:
    """Question, annotator, choice and edited, in order of time; read by another process than the server's."""
    with sqlite3.connect(workspace.path("votes.sqlite")) as db:
        return db.execute("SELECT question, annotator, choice, edited FROM votes ORDER BY at").fetchall()


def moved_on(page: Page, question: str) -> None:
    """Wait until another question is shown than this, or none."""
    page.wait_for_function(
        "before => document.querySelector('#task').hidden"
        " || document.querySelector('#question').textContent !== before",
        arg=question,
    )


@pytest.mark.slow
def test_every_choice_by_keyboard_is_in_sqlite_before_the_next_question_shows(
    workspace: Workspace, serve: Callable[..., Server], person: Callable[..., Page]
) -> None:
    page = person(serve(workspace), "Zoë 🎥")
    pressed = {"ArrowLeft": "left", "ArrowRight": "right", "ArrowUp": "tie", "4": "both_bad"}
    for count, (key, choice) in enumerate(pressed.items(), 1):
        asked = page.inner_text("#question")
        page.keyboard.press(key)
        moved_on(page, asked)
        assert votes(workspace)[-1] == (asked, "Zoë 🎥", choice, None)
        assert len(votes(workspace)) == count
        expect(page.locator("#count")).to_have_text(f"{count} done · {5 - count} to go")
    asked = page.inner_text("#question")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Control+A")
    page.keyboard.type("It 2 pans left, right?")  # with keys in it that are shortcuts elsewhere
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#done:not([hidden])")
    assert votes(workspace)[-1] == (asked, "Zoë 🎥", "right", "It 2 pans left, right?")


@pytest.mark.slow
def test_a_person_skips_looks_back_and_changes_her_mind(
    workspace: Workspace, serve: Callable[..., Server], person: Callable[..., Page]
) -> None:
    page = person(serve(workspace), "ada")
    first = page.inner_text("#question")
    page.keyboard.press("s")
    moved_on(page, first)
    second = page.inner_text("#question")
    page.click("#right [data-choice]")
    moved_on(page, second)
    page.keyboard.press("z")
    expect(page.locator("#question")).to_have_text(second)
    expect(page.locator("#right [data-choice]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("ArrowDown")
    moved_on(page, second)
    assert votes(workspace) == [(second, "ada", "both_bad", None)]
    for _ in range(3):
        asked = page.inner_text("#question")
        assert asked not in (first, second)
        page.keyboard.press("ArrowUp")
        moved_on(page, asked)
    page.click("text=Go back to the 1 you skipped")
    expect(page.locator("#question")).to_have_text(first)


@pytest.mark.slow
def test_two_people_at_once_lose_nothing_and_are_never_asked_the_same(
    tmp_path: Path,
    clips: dict[str, dict[str, Any]],
    serve: Callable[..., Server],
    person: Callable[..., Page],
) -> None:
    asked = [question(f"Question {n}?") for n in range(12)]
    workspace = filled(tmp_path / "work", [clips["plain"]], *asked)
    server = serve(workspace)
    pages = [person(server, "ada"), person(server, "bob")]
    seen: Counter[str] = Counter()
    while any(page.is_visible("#task") for page in pages):
        shown = {page: page.inner_text("#question") for page in pages if page.is_visible("#task")}
        assert len(set(shown.values())) == len(shown)
        seen.update(shown.values())
        for page in shown:  # both before either has an answer
            page.keyboard.press("ArrowLeft")
        for page, before in shown.items():
            moved_on(page, before)
    assert seen == Counter({f"Question {n}?": 1 for n in range(12)})
    assert Counter(question for question, *_ in votes(workspace)) == seen
    assert {who for _, who, *_ in votes(workspace)} == {"ada", "bob"}


@pytest.mark.slow
def test_html_in_names_questions_and_answers_is_shown_as_text(
    tmp_path: Path,
    clips: dict[str, dict[str, Any]],
    serve: Callable[..., Server],
    person: Callable[..., Page],
) -> None:
    asked = question(f"{EVIL}?", answer=f"A {EVIL}", baseline=f"B {EVIL}")
    workspace = filled(tmp_path / f"{EVIL.replace('/', '')}", [clips["plain"]], asked)
    page = person(serve(workspace), EVIL[:64])
    assert page.inner_text("#question") == f"{EVIL}?"
    both = [page.inner_text(f"#{side} .text") for side in ("left", "right")]
    assert sorted(both) == [f"A {EVIL}", f"B {EVIL}"]
    assert page.inner_text("#name") == EVIL[:64].strip()
    page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0


@pytest.mark.slow
def test_a_killed_server_is_told_of_and_nothing_is_lost_when_it_is_back(
    workspace: Workspace, serve: Callable[..., Server], person: Callable[..., Page]
) -> None:
    first = serve(workspace)
    page = person(first, "ada")
    asked = page.inner_text("#question")
    page.keyboard.press("ArrowLeft")
    moved_on(page, asked)
    first.end(signal.SIGKILL)
    second = page.inner_text("#question")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#failed")).to_contain_text("nothing was saved")
    expect(page.locator("#question")).to_have_text(second)
    assert workspace.read("preferences").num_rows == 0
    assert preferences(workspace).num_rows == 1  # what had no time to get there is read all the same
    server = serve(workspace, port=first.port)
    assert workspace.read("preferences").num_rows == 1
    page.click("#retry")
    moved_on(page, second)
    assert [row[:3] for row in votes(workspace)] == [(asked, "ada", "left"), (second, "ada", "right")]
    page.reload()  # she comes back, and goes on where she was
    expect(page.locator("#count")).to_have_text("2 done · 3 to go")
    assert server.end() == 0
    assert workspace.read("preferences").num_rows == 2


@pytest.mark.slow
def test_a_part_of_a_video_that_browsers_cannot_play_plays_and_seeks(
    tmp_path: Path,
    clips: dict[str, dict[str, Any]],
    serve: Callable[..., Server],
    person: Callable[..., Page],
) -> None:
    workspace = filled(tmp_path / "work", [clips["part"]])
    page = person(serve(workspace), "ada")
    page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(1.5, abs=0.1)
    page.keyboard.press(" ")
    page.keyboard.press("r")
    page.keyboard.press(" ")
    page.evaluate("document.querySelector('video').currentTime = 1.0")
    page.wait_for_function("() => !document.querySelector('video').seeking")
    assert page.evaluate("document.querySelector('video').currentTime") == pytest.approx(1.0, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_names_its_controls(
    workspace: Workspace, serve: Callable[..., Server], browser: Browser, width: int
) -> None:
    server = serve(workspace, "--annotator", "ada")
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server.url)
    page.wait_for_selector("#task:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for name in ("A is better", "B is better", "Both good", "Both bad", "Skip"):
        assert page.get_by_role("button", name=name).is_enabled()
    assert page.get_by_role("heading", level=1, name="How does the camera move?").is_visible()
    assert page.evaluate("document.activeElement.id") == "question"
    assert problems == []
    context.close()


# The server, without a browser


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


# The other things that the command does


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
    assert '<Choice value="both_bad"/>' in (tmp_path / "tasks.xml").read_text()
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


def test_calls_that_cannot_work_say_so_in_a_line(tmp_path: Path, workspace: Workspace) -> None:
    def review(place: str | Path) -> job.Review:
        return job.Review(Workspace(str(place)), Console(file=io.StringIO()))

    bad = tmp_path / "bad.json"
    bad.write_text('[{"data": {}}]')
    empty = filled(tmp_path / "empty", [clip("0")], question(baseline=None)).root
    local = ("127.0.0.1", 0, None, None, 1)
    calls: list[tuple[Callable[[], None], str]] = [
        (lambda: job.serve(review(tmp_path / "nowhere"), *local), "no annotations yet"),
        (lambda: job.export(review(empty), "x.json"), "two different answers"),
        (lambda: job.serve(review(workspace.root), "127.0.0.1", 0, "weak", None, 1), "at least 16"),
        (lambda: job.serve(review(workspace.root), "203.0.113.1", 0, None, None, 1), "cannot listen on"),
        (lambda: job.take_in(review(workspace.root), str(bad)), "task 1 lacks 'clip_id'"),
        (lambda: job.take_in(review(workspace.root), str(tmp_path)), "no JSON export"),
    ]
    for call, expected in calls:
        with pytest.raises(CallError, match=expected):
            call()
    assert not (tmp_path / "nowhere").exists()
    code, told = command("-o", str(tmp_path / "nowhere"), "--agreement")
    assert (code, told.count("\n"), "no annotations yet" in told) == (2, 1, True)
