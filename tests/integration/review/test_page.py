"""The review page: people at it in a real browser."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from pipeline.workspace import Workspace
from stages.review.store import preferences
from tests.cli import motionsight
from tests.review_server import EVIL, Server, filled, votes
from tests.tables import question


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
def test_a_bad_clip_and_a_bad_question_are_reported_with_a_note(
    tmp_path: Path,
    clips: dict[str, dict[str, Any]],
    serve: Callable[..., Server],
    person: Callable[..., Page],
) -> None:
    workspace = filled(tmp_path / "work", [clips["plain"]], question("One?"), question("Two?"))
    others = filled(tmp_path / "others", [clips["webm"]], question("Three?"), question("Four?"))
    for table in ("clips", "scores", "annotations"):
        workspace.append(table, others.read(table).to_pylist())
    server = serve(workspace)
    page = person(server, "ada")
    first, bad = page.inner_text("#question"), page.inner_text("#clip")
    page.keyboard.press("n")
    page.keyboard.type("q c 1 sliced: a slide show")  # with keys in it that are shortcuts elsewhere
    page.keyboard.press("Enter")
    assert votes(workspace) == []
    page.keyboard.press("c")
    moved_on(page, first)
    assert page.inner_text("#clip") != bad
    expect(page.locator("#status")).to_have_text("Saved. You are not asked about this clip again.")
    expect(page.locator("#status")).to_be_in_viewport(ratio=1)
    second = page.inner_text("#question")
    expect(page.locator("#note")).to_have_value("")
    page.keyboard.press("q")
    moved_on(page, second)
    assert [row[::2] for row in votes(workspace)] == [(first, "bad_clip"), (second, "bad_question")]
    assert page.inner_text("#clip") != bad
    page.keyboard.press("ArrowUp")
    expect(page.locator("#done")).to_be_visible()  # with a question of the bad clip not asked
    for _ in range(3):
        shown = page.inner_text("#question") if page.is_visible("#task") else ""
        page.keyboard.press("z")
        page.wait_for_selector("#task:not([hidden])")
        moved_on(page, shown)
    expect(page.locator("#note")).to_have_value("q c 1 sliced: a slide show")
    expect(page.locator("#flags [data-choice=bad_clip]")).to_have_attribute("aria-pressed", "true")
    assert server.end() == 0
    told = motionsight("review", "--output", workspace.root, "--agreement")
    assert "bad clip" in told.stderr + told.stdout
    assert "a slide show" in told.stderr + told.stdout


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_guidelines_and_the_id_of_the_clip_are_at_hand(
    workspace: Workspace, serve: Callable[..., Server], browser: Browser, width: int
) -> None:
    server = serve(workspace, "--annotator", "ada")
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(server.url)
    page.wait_for_selector("#task:not([hidden])")
    expect(page.locator("#clip")).to_have_text("0")
    page.keyboard.press("i")
    expect(page.locator("#status")).to_contain_text(
        "opied" if page.evaluate("isSecureContext") else "selected"
    )
    rule = page.get_by_text("Judge the motion alone")
    assert not rule.is_visible()
    page.keyboard.press("g")
    assert rule.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.keyboard.press("g")
    assert not rule.is_visible()
    for name in ("Bad clip", "Bad question", "Copy"):
        assert page.get_by_role("button", name=name).is_enabled()
    assert page.get_by_label("Note").is_visible()
    if width == 1280:  # without scrolling
        box = page.locator("#guide summary").bounding_box()
        assert box
        assert box["y"] + box["height"] < 800
    context.close()


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
