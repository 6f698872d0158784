"""The clip browser, used in a real browser."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from pipeline.schema import empty_row
from pipeline.workspace import Workspace
from tests.review_server import EVIL, Server
from tests.tables import clip, score

SERIOUS = ("serious", "critical")


@pytest.fixture
def show(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the page in a browser of its own, and waits until it shows clips."""
    contexts: list[BrowserContext] = []

    def enter(server: Server, query: str = "", width: int = 1280, colours: Any = "light") -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, color_scheme=colours))
        page = contexts[-1].new_page()
        page.goto(f"{server.url}{query}")
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield enter
    for context in contexts:
        context.close()


def names(page: Page) -> list[str]:
    """The clips on the screen, in order."""
    page.wait_for_function("() => [...document.querySelectorAll('#grid li')].every(card => card.firstChild)")
    found: list[str] = page.eval_on_selector_all("#grid a", "links => links.map(link => link.dataset.id)")
    return found


def pictures(page: Page) -> None:
    """Wait for the pictures of all clips that have one."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('#grid .picture')]"
        ".every(one => one.matches('.shown') || one.textContent)"
    )


def facet(page: Page, title: str, value: str) -> Any:
    """The checkbox of a facet's value."""
    box = page.locator("details.facet", has=page.locator("summary", has_text=re.compile(f"^{title}$")))
    return box.get_by_label(re.compile(f"^{value}"))


@pytest.mark.slow
def test_filters_combine_are_counted_and_survive_a_reload_and_the_way_back(
    workspace: Workspace, serve: Callable[..., Server], show: Callable[..., Page]
) -> None:
    page = show(serve(workspace))
    expect(page.locator("#found")).to_have_text("8 clips")
    assert names(page) == [
        *("a-plain", "b-evil", "c-part", "d-part"),
        *("e-fast", "f-member", "g-text", "h-waiting"),
    ]
    facet(page, "Outcome", "kept").check()
    expect(page.locator("#found")).to_have_text("4 of 8 clips")
    facet(page, "Annotation", "annotated").check()
    expect(page.locator("#found")).to_have_text("2 of 8 clips")
    facet(page, "Annotation", "failed").check()  # either of the two
    expect(page.locator("#found")).to_have_text("3 of 8 clips")
    assert names(page) == ["a-plain", "b-evil", "f-member"]
    page.get_by_label("Sort by").select_option("flow_mean")
    page.wait_for_function("() => document.querySelector('#grid a')?.dataset.id === 'b-evil'")
    page.get_by_label("mean flow, diagonals/s, at most").fill("0.3")
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_have_text("2 of 8 clips")
    here = page.url
    assert "flow_mean=..0.3" in here
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.url == here
    assert names(page) == ["a-plain", "f-member"]
    assert facet(page, "Outcome", "kept").is_checked()
    expect(page.get_by_label("mean flow, diagonals/s, at most")).to_have_value("0.3")
    page.go_back()
    expect(page.locator("#found")).to_have_text("3 of 8 clips")
    page.get_by_role("button", name="Remove annotation: failed").click()
    expect(page.locator("#found")).to_have_text("2 of 8 clips")
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#found")).to_have_text("8 clips")


@pytest.mark.slow
def test_a_brush_over_a_histogram_and_a_search_find_what_they_show(
    workspace: Workspace, serve: Callable[..., Server], show: Callable[..., Page]
) -> None:
    page = show(serve(workspace))
    chart = page.locator("[data-number=flow_mean] svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.93, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 10)
    page.mouse.up()
    expect(page.locator("#found")).to_have_text("1 of 8 clips")
    assert names(page) == ["e-fast"]
    page.get_by_role("button", name="Remove mean flow").click()
    page.keyboard.press("/")
    page.keyboard.type("PLAIN")
    expect(page.locator("#found")).to_have_text("1 of 8 clips")
    assert names(page) == ["a-plain"]
    page.keyboard.type(" not there")
    expect(page.locator("#nothing")).to_be_visible()
    page.click("#clear")
    expect(page.locator("#found")).to_have_text("8 clips")
    with page.expect_download() as download:
        page.click("#ids")
    assert len(Path(download.value.path()).read_text().split()) == 8


@pytest.mark.slow
def test_a_clip_plays_with_boxes_and_the_keyboard_leads_through_all(
    workspace: Workspace, serve: Callable[..., Server], show: Callable[..., Page]
) -> None:
    page = show(serve(workspace))
    names(page)
    page.locator("#grid a").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_selector("#clip[open]")
    assert "clip=a-plain" in page.url
    expect(page.locator("#clip-name")).to_have_text("plain.mp4")
    expect(page.locator("#clip-place")).to_have_text("1 of 8")
    page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(4.0, abs=0.1)
    yellow = """() => {
        const canvas = document.querySelector('#boxes');
        if (canvas.hidden || !canvas.width) return false;
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        const is = (n) => data[n] > 200 && data[n + 1] > 120 && data[n + 2] < 60;
        for (let n = 0; n < data.length; n += 4) if (is(n)) return true;
        return false;
    }"""
    page.wait_for_function(yellow)
    page.keyboard.press("b")
    assert page.locator("#boxes").is_hidden()
    page.wait_for_selector("#chart polyline")  # measured from the clip's own frames
    assert "widths/s" in page.inner_text("#chart")
    assert page.get_by_role("img", name=re.compile("pan right from 0 to 2.5 s, zoom in")).is_visible()
    page.keyboard.press(" ")
    page.wait_for_function("() => document.querySelector('video').paused")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#clip-place")).to_have_text("2 of 8")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".why")).to_contain_text("Dropped by cuts_max: hard cuts 1, not at most 0.")
    page.get_by_role("button", name="1 s").click()  # the other part of the same video
    expect(page.locator("#clip-place")).to_have_text("3 of 8")
    page.keyboard.press("Escape")
    expect(page.locator("#clip")).to_be_hidden()
    page.wait_for_function("() => !location.search.includes('clip=')")
    page.wait_for_function("() => document.activeElement.dataset.id === 'c-part'")
    page.go_forward()
    expect(page.locator("#clip")).to_be_visible()
    page.go_back()
    expect(page.locator("#clip")).to_be_hidden()


@pytest.mark.slow
def test_a_link_to_a_clip_opens_it_and_its_label_leads_to_all_such_clips(
    workspace: Workspace, serve: Callable[..., Server], show: Callable[..., Page]
) -> None:
    page = show(serve(workspace), "?outcome=kept&clip=a-plain")
    expect(page.locator("#clip-place")).to_have_text("1 of 4")
    expect(page.locator(".qa").first).to_contain_text("100% of its claims hold")
    expect(page.locator(".qa").nth(1)).to_contain_text("A car <b>rises</b>.")
    expect(page.locator(".votes li")).to_have_count(2)
    page.get_by_role("button", name="zoom in").click()
    expect(page.locator("#clip")).to_be_hidden()
    expect(page.locator("#found")).to_have_text("1 of 8 clips")
    assert page.url.endswith("?camera=zoom_in")
    page.goto(page.url.replace("camera=zoom_in", "clip=none"))
    expect(page.locator("#said")).to_contain_text("There is no such clip.")


@pytest.mark.slow
def test_html_in_names_labels_and_texts_is_shown_as_text(
    tmp_path: Path,
    workspace: Workspace,
    clips: dict[str, dict[str, Any]],
    serve: Callable[..., Server],
    show: Callable[..., Page],
) -> None:
    evil = Workspace(str(tmp_path / EVIL.replace("/", "")))
    one = clip("evil", uri=clips["b-evil"]["uri"], source=EVIL, video_id=EVIL, caption=EVIL)
    scored = score("evil", camera_motion=[EVIL], camera_unknown=EVIL, codec=EVIL, error_detail=EVIL)
    for table, row in (("clips", one), ("scores", scored)):
        evil.append(table, [empty_row(table) | row])
    for server, query in ((serve(evil), "?clip=evil"), (serve(workspace), "?clip=b-evil")):
        page = show(server, query)
        expect(page.locator("#clip-name")).to_contain_text("<script>window.hacked = 1")
        page.wait_for_function("() => document.querySelector('video').readyState >= 2")
        page.keyboard.press("Escape")
        names(page)
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[onerror]").count() == 0
        page.goto(f"{server.url}?source={'%3Cimg src=x onerror=alert(1)%3E'}&text=%3Cscript%3E")
        expect(page.locator("#nothing")).to_be_visible()
        assert "<img src" in page.inner_text("#chips")


@pytest.mark.slow
def test_a_hundred_thousand_clips_scroll_with_few_in_the_page(
    tmp_path: Path, serve: Callable[..., Server], show: Callable[..., Page]
) -> None:
    from tests.benchmarks import big_tables

    big_tables.write(tmp_path / "big", 100_000, 1000)
    page = show(serve(Workspace(str(tmp_path / "big"))))
    expect(page.locator("#found")).to_have_text("100,000 clips")
    first = names(page)
    page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_selector("#grid li[aria-posinset='100000'] a")
    last = names(page)
    assert page.locator("#grid li").count() < 100
    assert first == sorted(first)
    assert last == sorted(last)
    assert first[-1] < last[0]
    page.locator("#grid a").last.focus()
    page.keyboard.press("Home")
    page.wait_for_function("id => document.activeElement.dataset.id === id", arg=first[0])


@pytest.mark.slow
def test_a_wrong_filter_and_a_server_that_is_gone_are_told_of(
    workspace: Workspace, serve: Callable[..., Server], show: Callable[..., Page], browser: Browser
) -> None:
    server = serve(workspace)
    page = browser.new_page()
    page.goto(f"{server.url}?flow_meen=1")
    expect(page.locator("#failed")).to_contain_text("did you mean flow_mean?")
    page.goto(server.url)
    page.wait_for_selector("html[data-ready]", state="attached")
    server.end()
    facet(page, "Outcome", "kept").check()
    expect(page.locator("#failed")).to_contain_text("The server cannot be reached.")
    again = serve(workspace, port=server.port)
    assert again.port == server.port
    page.click("#retry")
    expect(page.locator("#found")).to_have_text("4 of 8 clips")
    expect(page.locator("#failed")).to_be_hidden()
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_names_its_controls_and_has_no_serious_fault(
    workspace: Workspace, serve: Callable[..., Server], show: Callable[..., Page], width: int, colours: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="finds faults of pages").Axe()

    def check(page: Page) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        violations = axe.run(page).response["violations"]
        assert not [
            (one["id"], [node["html"] for node in one["nodes"]])
            for one in violations
            if one["impact"] in SERIOUS
        ]

    server = serve(workspace)
    page = show(server, "", width, colours)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    names(page)
    pictures(page)
    check(page)
    if width < 1280:
        page.get_by_role("button", name="Filters").click()
        expect(page.locator("#filters")).to_be_visible()
        check(page)
        facet(page, "Outcome", "kept").check()
        page.get_by_role("button", name="Show 4 clips").click()
        expect(page.locator("#filters")).to_be_hidden()
    else:
        facet(page, "Outcome", "kept").check()
    expect(page.locator("#found")).to_have_text("4 of 8 clips")
    page.locator("#grid a").first.click()
    page.wait_for_selector("#chart polyline")
    for name in ("Previous clip", "Next clip", "Close"):
        assert page.get_by_role("button", name=name).is_visible()
    assert page.get_by_role("heading", level=2, name="plain.mp4").is_visible()
    check(page)
    page.set_viewport_size({"width": width, "height": 600})  # the halves of the clip now scroll
    check(page)
    assert problems == []
