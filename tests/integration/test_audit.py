"""The report in a real browser: what it shows, what moving a gate does, and that it asks for nothing."""

import io
import json
import shlex
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page
from rich.console import Console

from configs.published import Given
from configs.settings import load
from jobs import audit
from jobs.session import Session
from jobs.split import plan
from pipeline.errors import CallError, RunError
from pipeline.schema import empty_row
from pipeline.workspace import Workspace
from tests import objectstore, videos
from tests.cli import motionsight
from tests.tables import annotation, clip, question, score, vote

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"&"
CLIPS = 300

pytestmark = pytest.mark.slow


def fill(workspace: Workspace, tables: dict[str, list[dict[str, Any]]]) -> None:
    for name, rows in tables.items():
        workspace.append(name, [empty_row(name) | row for row in rows])


def audited(workspace: Workspace, *overrides: str) -> str:
    """Audit the workspace; what it said."""
    out = Console(file=io.StringIO(), width=110)
    audit.run(Session(load("embedded", overrides), workspace, out))
    return out.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Many clips of chance, from several sources, three of them real; names and answers with HTML in them."""
    folder = tmp_path_factory.mktemp("report")
    real = [videos.write(folder / f"{name}.mp4", 30) for name in ("one", "two <b>&", "ünï 动作")]
    rng = np.random.default_rng(7)
    clips, scores, annotations, votes = [], [], [], []
    for n in range(CLIPS):
        name = f"{n:016x}"
        uri = str(real[n] if n < len(real) else folder / f"gone {n} {EVIL.replace('/', '')}.mp4")
        clips.append(clip(name, uri=uri, source=("web", "films", EVIL, None)[n % 4]))
        measured = {
            "quality": 79.999 + n / 1000 if n < len(real) else float(rng.normal(60, 20)),
            "flow_mean": float(rng.lognormal(-3, 1)),
            "pan": 0.0 if n % 8 else n / 100,
            "duration_s": float(rng.lognormal(1, 1)),
            "cuts": [1.0] * int(rng.integers(0, 3)) if n >= len(real) else [],
            "error": "timeout" if n % 50 == 49 else None,
            "error_detail": EVIL if n % 50 == 49 else None,
        }
        scores.append(score(name, **measured))
        qa = [
            question(
                f"Question {k}? {EVIL}",
                answer=EVIL if n % 5 == 0 else f"The camera pans left, {n}.",
                motion_check=float(rng.choice([0.0, 0.5, 1.0])) if rng.random() < 0.8 else None,
                vqascore=float(rng.random()),
                claims=["not camera:roll_counterclockwise", "object:moves_left_then_right"],
            )
            for k in range(int(rng.integers(0, 4)))
        ]
        if n % 7:
            annotations.append(annotation(name, *qa))
        if n % 11 == 1 and qa:
            votes.append(vote(name, "left", question=qa[0]["question"], left="Left it is.", right="No."))
    made = Workspace(str(folder / "W"))
    tables = {"clips": clips, "scores": scores, "annotations": annotations, "preferences": votes}
    fill(made, tables)
    audited(made)
    return made


class Report:
    """The page as a person has it before them."""

    def __init__(self, page: Page, workspace: Workspace) -> None:
        self.page, self.requests, self.trouble = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", lambda message: self.trouble.append(message.text))
        page.on("dialog", lambda dialog: self.trouble.append(dialog.message))
        page.goto(f"file://{workspace.path('audit', 'report.html')}")
        page.locator("html[data-ready=yes]").wait_for()

    def gate(self, name: str) -> Locator:
        return self.page.locator(f"#gate-{name}")

    def told(self, name: str) -> str:
        return self.page.locator(f"[data-gate={name}] .value").inner_text()

    def left(self) -> dict[str, int]:
        return {
            name: int(self.page.locator(f"#joint-{name}").inner_text().replace(",", ""))
            for name in ("clips", "asked", "questions")
        }

    def by_source(self) -> dict[str, list[int]]:
        rows = self.page.locator("#by-source tbody tr").all()
        return {
            row.locator("th").inner_text(): [int(cell.inner_text()) for cell in row.locator("td").all()]
            for row in rows
        }


@pytest.fixture
def report(browser: Browser, workspace: Workspace) -> Iterator[Report]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield Report(page, workspace)
    page.close()


def split(
    workspace: Workspace, settings: dict[str, Any], config: str = "embedded"
) -> tuple[dict[str, int], dict[str, list[int]]]:
    """What `split` keeps with these gates, in all and by source."""
    overrides = [f"gates.{name}={json.dumps(value)}" for name, value in settings.items()]
    decided = plan(Session(load(config, overrides), workspace))
    rows = decided.sft["clip_id"].to_pylist() + decided.dpo["clip_id"].to_pylist()
    sources: dict[str, list[int]] = {}
    for row in decided.clips.to_pylist():
        counts = sources.setdefault(row["source"] or "unknown", [0, 0, 0, 0])
        counts[0] += row["state"] not in ("pending_score", "failed_score")
        counts[1] += row["state"] not in ("pending_score", "failed_score", "dropped")
        counts[2] += row["state"] in ("sft", "dpo")
        counts[3] += rows.count(row["clip_id"])
    names = ("clips", "asked", "questions")
    return dict(zip(names, np.sum(list(sources.values()), axis=0)[1:].tolist(), strict=True)), sources


def test_moving_gates_by_keyboard_gives_the_numbers_of_split(
    report: Report, workspace: Workspace, tmp_path: Path
) -> None:
    whole, sources = split(workspace, {})
    assert report.left() == whole
    assert report.by_source() == sources
    settings: dict[str, Any] = {}
    for name, keys in {
        "quality_max": ["ArrowLeft"] * 9,
        "flow_min": ["Home", *["ArrowRight"] * 5],
        "cuts_max": ["ArrowRight"],
        "duration_max_s": ["PageDown"],
        "alignment_min": ["ArrowRight"] * 20,
        "motion_check_min": ["Home"],
    }.items():
        report.gate(name).focus()
        for key in keys:
            report.page.keyboard.press(key)
        said = report.told(name)
        settings[name] = None if said == "off" else json.loads(said.split()[0])
        assert report.gate(name).get_attribute("aria-valuetext") == said
        left, sources = split(workspace, settings)
        assert report.left() == left
        assert report.by_source() == sources
    report.gate("motion_check_required").press("Space")
    left, _ = split(workspace, settings | {"motion_check_required": False})
    assert report.left() == left
    assert left not in ({}, whole)
    command = report.page.locator("#command").inner_text()
    assert f"--set gates.quality_max={settings['quality_max']}" in command
    assert "--set gates.motion_check_min=null" in command
    assert "--set gates.motion_check_required=false" in command
    assert f"--output {workspace.root} " in command
    with report.page.expect_download() as saved:
        report.page.locator("#yaml").click()
    file = tmp_path / "gates.yaml"
    saved.value.save_as(file)
    assert split(workspace, {}, config=str(file))[0] == left
    report.page.reload()  # with the gates in its address
    report.page.wait_for_selector("html[data-ready=yes]")
    assert report.left() == left
    report.page.locator("#reset").click()
    assert report.left() == whole
    report.page.reload()
    report.page.wait_for_selector("html[data-ready=yes]")
    assert report.left() == whole
    assert not report.trouble


def test_a_gate_alone_keeps_what_split_keeps_with_the_others_off(
    report: Report, workspace: Workspace
) -> None:
    off = {
        name: None
        for name in load("embedded").gates.model_fields_set | set(type(load("embedded").gates).model_fields)
        if name.endswith(("_min", "_max", "_min_s", "_max_s"))
    }
    said = report.page.locator("[data-gate=quality_max] .alone").inner_text()
    left, _ = split(workspace, off | {"motion_check_required": False, "quality_max": 80.0})
    kept = f"{left['clips']} clips and {left['questions']} questions"
    assert said.startswith(f"At most: on its own it keeps {kept};")


def test_the_drawn_gate_follows_its_slider(report: Report) -> None:
    card = report.page.locator(".gate-card", has=report.gate("quality_max"))
    rule = card.locator(".chart g.mark-rule line[stroke]").last
    bars = card.locator(".chart g.mark-rect path")

    def dropped() -> int:
        return sum("dropped" in (bar.get_attribute("fill") or "") for bar in bars.all())

    before, few = rule.bounding_box(), dropped()
    report.gate("quality_max").focus()
    for _ in range(15):
        report.page.keyboard.press("ArrowLeft")
    report.page.wait_for_timeout(200)
    after = rule.bounding_box()
    assert before
    assert after
    assert after["x"] < before["x"]
    assert dropped() > few


THUMBS = """() => [...document.querySelectorAll('.gate-card:has(.chart) input[type=range]')].map((input) => {
  const card = input.closest('.gate-card'), box = input.getBoundingClientRect();
  const rules = [...card.querySelectorAll('.chart .mark-rule line[stroke="var(--ink)"]')];
  return {
    name: input.id,
    off: input.getAttribute('aria-valuetext') === 'off',
    thumb: box.left + 8 + ((input.value - input.min) / (input.max - input.min)) * (box.width - 16),
    rules: rules.map((rule) => rule.getBoundingClientRect().left),
    card: card.getBoundingClientRect(),
    plot: card.querySelector('.chart path.background').getBoundingClientRect(),
  };
})"""


@pytest.mark.parametrize("width", [1280, 390])
def test_a_thumb_stands_above_its_value_and_beyond_the_axis_when_off(
    browser: Browser, workspace: Workspace, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    report = Report(page, workspace)

    def check() -> None:
        page.wait_for_timeout(200)
        found = page.evaluate(THUMBS)
        assert len(found) > 8
        for each in found:
            assert each["card"]["left"] < each["thumb"] < each["card"]["right"], each
            if each["off"]:
                assert not each["plot"]["left"] - 4 < each["thumb"] < each["plot"]["right"] + 4, each
            else:
                assert min(abs(each["thumb"] - rule) for rule in each["rules"]) < 1.5, each

    check()
    for key in ("ArrowLeft",) * 12:
        report.gate("quality_max").press(key)
        report.gate("duration_min_s").press("ArrowRight")
    check()
    page.set_viewport_size({"width": 700, "height": 900})
    check()
    # Dragged along the axis, it stops at the value that is nearest.
    box = page.locator("#gate-quality_max").bounding_box()
    assert box
    page.locator("#gate-quality_max").click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    check()
    assert not report.trouble
    page.close()


def test_the_bars_of_a_chart_can_be_read_and_opened_by_keyboard(report: Report) -> None:
    chart = report.page.locator('[data-chart="spread-pan"]')
    chart.focus()
    tip = report.page.locator("#tip")
    report.page.keyboard.press("Home")
    focused = report.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert "frame widths per second: " in focused
    assert tip.inner_text() == focused
    report.page.keyboard.press("End")
    assert tip.inner_text() != focused or chart.locator("path[aria-label]").count() == 1
    report.page.context.route("http://127.0.0.1:8009/**", lambda route: route.fulfill(body="clips"))
    with report.page.expect_popup() as opened:
        report.page.keyboard.press("Enter")
    opened.value.wait_for_url("http://127.0.0.1:8009/?pan=*")
    report.page.bring_to_front()
    report.page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_where_one_bar_hides_the_rest_counts_are_logarithmic_until_asked_otherwise(report: Report) -> None:
    button = report.page.locator("[data-scale]").first
    chart = report.page.locator(f'[data-chart="{button.get_attribute("data-scale")}"]')
    note = button.locator("xpath=preceding-sibling::*")
    heights = "[...el.querySelectorAll('.mark-rect path')].map((bar) => bar.getBBox().height).filter(Boolean)"
    lowest = f"(el) => Math.min(...{heights})"
    before = chart.evaluate(lowest)
    assert "logarithmic" in note.inner_text()
    button.click()
    report.page.wait_for_timeout(300)
    assert "linear" in note.inner_text()
    assert chart.evaluate(lowest) < before / 2
    button.click()
    report.page.wait_for_timeout(300)
    assert chart.evaluate(lowest) == pytest.approx(before)


def test_no_request_leaves_the_file(report: Report, workspace: Workspace) -> None:
    assert [url for url in report.requests if not url.startswith(("data:", "blob:"))] == [
        f"file://{workspace.path('audit', 'report.html')}"
    ]
    assert not report.trouble
    refused = report.page.evaluate(
        "fetch('http://127.0.0.1:9/').then(() => 'fetched', (error) => error.message)"
    )
    assert refused != "fetched"


def test_html_in_the_data_is_shown_as_text(report: Report) -> None:
    for group in report.page.locator("details").all():
        group.evaluate("(element) => { element.open = true; }")
    text = report.page.locator("main").inner_text()
    assert EVIL in text
    assert report.page.evaluate("window.hacked") is None
    assert report.page.locator("main img[src=x]").count() == 0
    assert any(EVIL in name for name in report.by_source())
    assert not report.trouble


def test_filmstrips_are_there_and_a_missing_file_costs_its_own_only(report: Report) -> None:
    for group in report.page.locator("#clips details").all():
        group.evaluate("(element) => { element.open = true; }")
    strips = report.page.locator("#clips .strip")
    assert strips.count() == 3
    pictures = strips.locator("img")
    assert pictures.count() == 12
    assert all(picture.evaluate("(element) => element.naturalWidth") > 900 for picture in pictures.all())
    assert report.page.locator("#clips .note", has_text="No pictures").count() >= 3
    assert {"one.mp4", "two <b>&.mp4", "ünï 动作.mp4"} <= {
        name.inner_text() for name in report.page.locator("#clips h3").all()
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_screen_and_can_be_read(
    browser: Browser, workspace: Workspace, width: int, scheme: Any
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    report = Report(page, workspace)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    charts = page.locator(".chart svg")
    assert charts.count() > 10
    for chart in charts.all():
        box = chart.bounding_box()
        assert box
        assert box["width"] > 100
    for name in ("camera does not roll counterclockwise", "an object moves left then right"):
        words = page.get_by_text(name, exact=True).bounding_box()  # the whole of a name, in words
        assert words
        assert words["x"] + words["width"] <= width
    cut = "(one) => getComputedStyle(one).textOverflow !== 'clip'"
    assert not page.evaluate(f"[...document.querySelectorAll('main *')].some({cut})")
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        ".map((colour) => colour.match(/\\d+/g).map(Number).reduce((a, b) => a + b) / 3)"
    )
    assert abs(ink - paper) > 150
    assert (paper > ink) == (scheme == "light")
    assert not report.trouble
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_has_no_serious_fault_of_accessibility(
    browser: Browser, workspace: Workspace, width: int, scheme: Any
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="finds faults of pages").Axe()
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    Report(page, workspace)
    for group in page.locator("details").all():
        group.evaluate("(element) => { element.open = true; }")
    found = axe.run(page).response["violations"]
    assert not [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    page.close()


def test_a_table_that_is_too_wide_says_so_and_is_scrolled_by_itself(
    browser: Browser, workspace: Workspace
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    Report(page, workspace)
    wide = page.locator(".scroll", has=page.locator("#by-source"))
    assert page.locator(".more + .scroll", has=page.locator("#by-source")).count() == 1
    wide.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)
    assert wide.evaluate("(element) => element.scrollLeft") > 0
    page.set_viewport_size({"width": 1280, "height": 800})
    page.wait_for_timeout(300)
    assert page.locator(".more + .scroll", has=page.locator("#by-source")).count() == 0
    page.close()


@pytest.mark.parametrize("have", [("clips",), ("clips", "scores"), ("clips", "scores", "annotations")])
def test_a_half_done_workspace_has_a_report(browser: Browser, tmp_path: Path, have: tuple[str, ...]) -> None:
    made = {"clips": [clip("a")], "scores": [score("a")], "annotations": [annotation("a", question())]}
    workspace = Workspace(str(tmp_path / "W ünï"))
    fill(workspace, {name: made[name] for name in have})
    said = audited(workspace)
    assert said.rstrip().endswith("audit/report.html")
    page = browser.new_page()
    report = Report(page, workspace)
    step = {1: "motionsight score", 2: "motionsight annotate", 3: "motionsight split"}[len(have)]
    command = shlex.join([*step.split(), "--output", workspace.root])
    assert command in page.locator("#next pre").inner_text()
    if "scores" in have:
        assert report.left() == split(workspace, {})[0]
        assert "No pictures" in page.locator("#clips").inner_text()
    else:
        assert page.locator("#what-if, #motion, #texts, #clips").count() == 0
        assert page.evaluate("document.documentElement.scrollHeight") < 1500
    assert not report.trouble
    page.close()


def test_a_gate_on_what_nobody_measured_can_be_taken_away(browser: Browser, tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "W"))
    scores = [score(name, quality=None) for name in "ab"]
    fill(workspace, {"clips": [clip("a"), clip("b")], "scores": scores})
    audited(workspace)
    page = browser.new_page()
    report = Report(page, workspace)
    assert report.left()["clips"] == 0
    report.gate("quality_max").press("End")
    assert report.told("quality_max") == "off"
    assert report.left()["clips"] == 2
    page.close()


def test_tables_that_do_not_add_up_fail_the_audit_and_the_report_says_so(
    browser: Browser, tmp_path: Path
) -> None:
    workspace = Workspace(str(tmp_path / "W"))
    fill(workspace, {"clips": [clip("a")], "scores": [score("a"), score("stranger")]})
    with pytest.raises(RunError, match="do not add up"):
        audited(workspace)
    page = browser.new_page()
    Report(page, workspace)
    assert "score_rows = scored + failed_score: 2 = 1 + 0" in page.get_by_role("alert").inner_text()
    page.close()


def test_a_workspace_in_an_object_store_gets_its_report_there(browser: Browser, tmp_path: Path) -> None:
    with objectstore.serving() as store:
        video = videos.write(tmp_path / "a.mp4", 30).read_bytes()
        store.client().put_object(Bucket=objectstore.BUCKET, Key="clips/a.mp4", Body=video)
        uris = {name: f"s3://{objectstore.BUCKET}/clips/{name}.mp4" for name in ("a", "gone")}
        remote = Workspace(f"s3://{objectstore.BUCKET}/W")
        clips = [clip(name, uri=uri) for name, uri in uris.items()]
        fill(remote, {"clips": clips, "scores": [score(name) for name in uris]})
        # As a command of its own: the process that starts children has the environment of its first use.
        run = motionsight("audit", "--output", remote.root)
        assert run.returncode == 0, run.stderr
        html = remote.read_bytes("audit", "report.html")
    local = Workspace(str(tmp_path / "W"))
    assert html
    local.write_bytes(html, "audit", "report.html")
    page = browser.new_page()
    report = Report(page, local)
    assert report.left()["clips"] == 2
    assert page.locator("#clips img").count() == 4
    assert "no such file" in page.locator("#clips").inner_text()
    page.close()


def test_near_duplicates_that_are_dropped_later_are_told(browser: Browser, tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "W"))
    fill(workspace, {"clips": [clip("a"), clip("b")], "scores": [score("a"), score("b")]})
    audited(workspace, "gates.near_duplicates=drop")
    page = browser.new_page()
    report = Report(page, workspace)
    assert report.left()["clips"] == 2
    assert "near_duplicates=drop" in page.locator("#what-if .note").inner_text()
    page.close()


def test_a_report_is_drawn_anew_only_if_something_has_changed(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "W"))
    fill(workspace, {"clips": [clip("a")], "scores": [score("a")]})
    report = tmp_path / "W" / "audit" / "report.html"
    assert "report written" in audited(workspace)
    drawn = report.stat().st_mtime_ns
    assert "is up to date" in audited(workspace)
    assert report.stat().st_mtime_ns == drawn
    assert "report written" in audited(workspace, "gates.flow_min=0.5")
    fill(workspace, {"annotations": [annotation("a", question())]})
    assert "report written" in audited(workspace, "gates.flow_min=0.5")
    report.unlink()
    assert "report written" in audited(workspace, "gates.flow_min=0.5")


def test_the_next_command_has_the_settings_that_the_audit_was_given(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "W"))
    fill(workspace, {"clips": [clip("a")]})
    config = load("embedded", ["quality.metric=null", "decode.fps=6"])
    given = Given(load("embedded"), ["quality.metric", "decode.fps"])
    audit.run(Session(config, workspace, Console(file=io.StringIO()), given=given))
    html = unescape((tmp_path / "W" / "audit" / "report.html").read_text())
    settings = f"--set decode.fps={config.decode.fps} --set quality.metric=null"
    assert f"motionsight score --output {workspace.root} {settings}" in html


def test_a_workspace_without_clips_is_told_the_command_that_fills_it(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "my work"))
    with pytest.raises(CallError, match="has no clips yet") as refused:
        audited(workspace)
    assert str(refused.value).endswith(f"motionsight ingest --input FOLDER --output '{workspace.root}'")
