"""The clip browser on 100,000 clips: what a visitor waits for, in a real browser, and the server's memory."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
from playwright.sync_api import Page, sync_playwright

from pipeline.workspace import Workspace
from tests import videos
from tests.benchmarks import big_tables
from tests.benchmarks.timing import Line, Tables, step
from tests.review_server import Server

CLIPS, ANNOTATED = 100_000, 60_000
REPEATS = 5
PAGE_S, FILTER_S = 1.0, 0.5  # aims
FILTERS = (
    "outcome=dropped&gate=flow_max",
    "camera=pan_left&camera=zoom_in&flow_mean=0.02..0.3&sort=-flow_mean",
    "text=ab+mp4&annotation=annotated&sort=name",
    "source=films&quality=..40&sort=quality",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def run() -> Tables:
    """Seconds in the browser, each as a ratio to what is aimed at; and the memory of the server's process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        big_tables.write(folder / "work", CLIPS, ANNOTATED, _videos(folder))
        step(f"  {CLIPS} clips are written")
        server = Server(Workspace(str(folder / "work")), command="browse")
        try:
            yield f"{CLIPS:,} clips", list(_lines(server))
        finally:
            server.end()


def _videos(folder: Path) -> Path:
    """A folder in which every clip is the same one."""
    one = videos.write(folder / "one.mp4", 48)
    where = folder / "videos"
    where.mkdir()
    for name in big_tables.ids(0, CLIPS):
        (where / f"{name}.mp4").symlink_to(one)
    return where


def _lines(server: Server) -> Iterator[Line]:
    process = psutil.Process(server.process.pid)
    before = _megabytes(process)
    found = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        yield _line("first page: clips and counts", PAGE_S, partial(_open, page, server.url))
        yield _line("first page, until a picture shows", PAGE_S, partial(_pictured, page, server.url))
        for query in FILTERS:
            yield _line(query, FILTER_S, partial(_filter, page, query), partial(_open, page, server.url))
        yield _line(
            "to the end of the list", FILTER_S, partial(_scroll, page), partial(_open, page, server.url)
        )
        page.evaluate("() => scrollTo(0, 0)")
        for _ in range(40):  # a visitor in a hurry
            page.mouse.wheel(0, 40_000)
            page.wait_for_timeout(50)
        browser.close()
    after = _megabytes(process)
    yield Line("memory of the server", after, after / before, "that at its start", unit="MB")


def _line(work: str, aim: float, take: Callable[[], object], prepare: Callable[[], object] = bool) -> Line:
    seconds = []
    for _ in range(REPEATS):
        prepare()
        began = time.perf_counter()
        take()
        seconds.append(time.perf_counter() - began)
    step(f"  {work}: {' '.join(f'{each:.2f}' for each in seconds)} s")
    middle = statistics.median(seconds)
    return Line(work, middle, middle / aim, "the aim", f"< {aim:g} s")


def _open(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("html[data-ready]", state="attached")
    page.wait_for_selector("#grid a")


def _pictured(page: Page, url: str) -> None:
    _open(page, url)
    page.wait_for_selector("#grid .shown")


def _filter(page: Page, query: str) -> None:
    """As the way back to an earlier address does it: the page follows its address."""
    page.evaluate(
        "query => { delete document.documentElement.dataset.ready; history.pushState({}, '', query);"
        " dispatchEvent(new PopStateEvent('popstate')); }",
        f"/?{query}",
    )
    page.wait_for_selector("html[data-ready]", state="attached")


def _scroll(page: Page) -> None:
    page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_selector(f"#grid li[aria-posinset='{CLIPS}'] a")


def _megabytes(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6
