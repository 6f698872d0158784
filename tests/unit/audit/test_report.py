import base64
import gzip
import hashlib
import json
import math
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.settings import load
from filters.verdicts import GatesConfig
from pipeline.errors import ClipError
from stages.audit.filmstrip import FRAMES, WIDTH, Filmstrip, drawn
from stages.audit.page import Shown, page
from stages.audit.samples import EACH, MOST, Sample, samples
from stages.audit.statistics import CHART_BINS, SOURCES_SHOWN, sources, spread, stats
from stages.audit.what_if import ABSENT, FAILS, PASSES, coded, offered, what_if
from stages.motionsight.settings import ObserveConfig
from stages.split.plan import DatasetPlan
from stages.split.settings import SplitConfig
from tests import videos
from tests.tables import annotation, clip, plan_of, question, score, table, tables, vote

Rows = dict[str, list[dict[str, Any]]]
EVIL = "<script>window.hacked = 1</script>\"'><img src=x onerror=alert(1)>&{{ 7 * 7 }}"


def told(rows: Rows, gates: GatesConfig) -> dict[str, Any]:
    names = ("clips", "scores", "annotations")
    return what_if(
        *(table(name, rows[name]) for name in names),
        table("preferences", rows.get("votes", [])),
        gates,
        SplitConfig(),
    )


def unpacked(part: dict[str, Any]) -> dict[str, np.ndarray]:
    data = gzip.decompress(base64.b64decode(part["data"]))
    found, at = {}, 0
    for name, width in part["columns"].items():
        end = at + width * part["rows"]
        found[name] = np.frombuffer(data[at:end], f"<u{width}")
        at = end
    assert at == len(data)
    return found


def left(what: dict[str, Any], gates: GatesConfig) -> dict[str, int]:
    """What remains with these gates, counted from the codes as a page does."""
    clips, questions = unpacked(what["clips"]), unpacked(what["questions"])

    def stay(columns: dict[str, np.ndarray]) -> np.ndarray:
        passing = np.ones(len(columns["source"]), bool)
        for gate in what["gates"]:
            codes, limit = columns.get(f"m{gate['measure']}"), getattr(gates, gate["name"])
            if codes is None or limit is None or limit is False:
                continue
            if gate["kind"] == "required":
                passing &= codes != ABSENT
                continue
            edge = 2 * what["measures"][gate["measure"]]["positions"].index(limit) + 1
            inside = codes >= edge if gate["kind"] == "min" else codes <= edge
            passing &= np.isin(codes, (ABSENT, PASSES)) | (inside & (codes != FAILS))
        return passing

    asked = stay(questions)
    clip_of = np.cumsum(questions["first"])
    return {
        "clips": int(clips["count"][stay(clips)].sum()),
        "asked": len(set(clip_of[asked].tolist())),
        "questions": int(asked.sum()),
    }


def of_split(plan: DatasetPlan) -> dict[str, int]:
    states = plan.clips["state"].to_pylist()
    gone = ("pending_score", "failed_score", "dropped")
    return {
        "clips": sum(state not in gone for state in states),
        "asked": sum(state in ("sft", "dpo") for state in states),
        "questions": plan.sft.num_rows + plan.dpo.num_rows,
    }


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, 0.1 + 0.2, 0.3, -0.0])


@settings(deadline=None)
@given(
    st.lists(numbers, max_size=30),
    st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0, 0.3]), max_size=20, unique=True),
)
def test_a_code_tells_exactly_how_a_value_compares_to_every_position(
    values: list[float], positions: list[float]
) -> None:
    positions = sorted(positions)
    for value, code in zip(values, coded(np.array(values, float), positions).tolist(), strict=True):
        if math.isnan(value):
            assert code == FAILS
            continue
        for at, position in enumerate(positions):
            assert (value >= position) == (code >= 2 * at + 1)
            assert (value <= position) == (code <= 2 * at + 1)


@settings(deadline=None)
@given(st.lists(numbers, max_size=300), st.lists(st.floats(-10, 10), max_size=2))
def test_positions_rise_hold_the_settings_and_leave_room_for_the_marks(
    values: list[float], limits: list[float]
) -> None:
    found = offered(np.array(values, float), [*limits, None])
    assert found == sorted(set(found))
    assert set(limits) <= set(found)
    assert 2 * len(found) < PASSES


@settings(deadline=None)
@given(
    tables(),
    st.sampled_from([GatesConfig(), GatesConfig(quality_max=None, flow_max=0.5, motion_check_min=0.5)]),
    st.data(),
)
def test_wherever_the_gates_are_moved_the_counts_are_those_of_split(
    rows: Rows, gates: GatesConfig, data: st.DataObject
) -> None:
    what = told(rows, gates)
    moved: dict[str, Any] = {}
    for gate in what["gates"]:
        positions = what["measures"][gate["measure"]]["positions"]
        values = [positions[at] for at in gate["offered"]]
        required = gate["kind"] == "required"
        moved[gate["name"]] = data.draw(st.booleans() if required else st.sampled_from([None, *values]))
    for chosen in (gates, GatesConfig.model_validate(moved)):
        plan = plan_of(rows["clips"], rows["scores"], rows["annotations"], rows["votes"], chosen)
        assert left(what, chosen) == of_split(plan)


def test_a_questions_votes_outweigh_its_gates_and_missing_numbers_follow_their_gate() -> None:
    rows: Rows = {
        "clips": [clip(i) for i in "abc"],
        "scores": [score("a"), score("b"), score("c", quality=None)],
        "annotations": [
            annotation("a", question(motion_check=0.0)),
            annotation("b", question(motion_check=None), question("What?", vqascore=math.nan)),
            annotation("c", question()),
        ],
        "votes": [vote("a", "left")],
    }
    what = told(rows, GatesConfig(alignment_min=0.5))
    for gates, counted in (
        (GatesConfig(alignment_min=0.5), {"clips": 2, "asked": 2, "questions": 2}),
        (GatesConfig(), {"clips": 2, "asked": 2, "questions": 3}),
        (GatesConfig(motion_check_required=True), {"clips": 2, "asked": 2, "questions": 2}),
        (GatesConfig(quality_max=None), {"clips": 3, "asked": 3, "questions": 4}),
    ):
        plan = plan_of(rows["clips"], rows["scores"], rows["annotations"], rows["votes"], gates)
        assert left(what, gates) == of_split(plan) == counted


def test_many_alike_clips_take_few_bytes() -> None:
    ids = [f"{n:05d}" for n in range(5000)]
    rows = {"clips": [clip(i) for i in ids], "scores": [score(i) for i in ids], "annotations": []}
    what = told(rows, GatesConfig())
    assert what["clips"]["rows"] == 1
    assert left(what, GatesConfig())["clips"] == 5000


def test_only_the_largest_sources_go_by_name() -> None:
    names = ["few", None, ""] + [f"set {n:02d}" for n in range(20) for _ in range(2 + n)]
    shown = sources(table("clips", [clip(str(k), source=name) for k, name in enumerate(names)])["source"])
    assert len(shown) == len(names)
    assert len(set(shown.to_pylist())) == SOURCES_SHOWN
    assert shown[0].as_py() == shown[1].as_py() == "(others)"
    assert shown[len(names) - 1].as_py() == "set 19"
    few = sources(table("clips", [clip("a", source=None), clip("b", source="x")])["source"])
    assert few.to_pylist() == ["unknown", "x"]


@settings(deadline=None)
@given(st.lists(numbers, max_size=50), st.lists(st.floats(-100, 100), max_size=2))
def test_a_chart_shows_every_finite_value_and_reaches_to_its_gates(
    values: list[float], limits: list[float]
) -> None:
    values = [value for value in values if not abs(value) > 1e12 or math.isinf(value)]
    shown = spread(np.array(values, float), limits)
    finite = [value for value in values if math.isfinite(value)]
    assert sum(row["count"] for row in shown["bins"]) == len(finite)
    assert shown["missing"] == len(values) - len(finite)
    assert len(shown["bins"]) <= CHART_BINS
    json.dumps(shown, allow_nan=False)
    if finite:
        low, high = shown["bins"][0]["lo"], shown["bins"][-1]["hi"]
        for limit in limits:
            if not shown["log"] or limit > 0:
                near = 1e-5 * max(abs(low), abs(high), 1e-300)
                assert low - near <= limit <= high + near


def test_long_tails_get_bins_of_equal_ratio_and_whole_numbers_bins_of_their_own() -> None:
    rng = np.random.default_rng(0)
    assert spread(rng.lognormal(-3, 2, 5000))["log"]
    assert not spread(rng.normal(50, 10, 5000))["log"]
    cuts = spread(np.array([0.0, 0.0, 1.0, 3.0]), [0])
    assert [row["count"] for row in cuts["bins"]] == [2, 1, 0, 1]
    assert (cuts["bins"][0]["lo"], cuts["bins"][-1]["hi"]) == (-0.5, 3.5)


def test_samples_are_the_nearest_on_both_sides_of_each_gate_each_once() -> None:
    qualities = {"a": 10.0, "b": 79.0, "c": 78.0, "d": 80.5, "e": 99.0, "f": 82.0, "g": math.nan}
    gates = GatesConfig(duration_min_s=None, duration_max_s=None, side_min=None, cuts_max=None, flow_max=None)
    scored = [score(name, quality=value) for name, value in qualities.items()] + [score("z", error="timeout")]
    answers = [annotation("a", question(motion_check=0.5)), annotation("b", question())]
    found = samples(table("scores", scored), table("annotations", answers), gates)
    assert [(s.clip_id, s.gate, s.kept) for s in found] == [
        ("d", "quality_max", False),
        ("f", "quality_max", False),
        ("a", "motion_check_min", False),
        ("b", "quality_max", True),
        ("c", "quality_max", True),
    ]
    assert len(found[:2]) == EACH
    assert samples(table("scores", []), table("annotations", []), GatesConfig()) == []
    many = [score(f"{n}", duration_s=0.1 * n, quality=40.0 + n, flow_mean=0.01 * n) for n in range(300)]
    assert len(samples(table("scores", many), table("annotations", []), GatesConfig())) <= MOST


def picture(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_a_filmstrip_has_its_rows_at_the_size_of_the_page(tmp_path: Path) -> None:
    strip = Filmstrip(ObserveConfig())
    path = videos.write(tmp_path / "clip.mp4", 48)
    rows = strip({"uri": str(path), "start_s": None, "end_s": None}, None)
    assert list(rows) == ["original", "spotlight", "motion blur", "boxes"]
    shapes = {picture(data).shape for data in rows.values()}
    assert shapes == {(round(WIDTH * 240 / 320), FRAMES * WIDTH, 3)}
    with pytest.raises(ClipError) as failed:
        strip({"uri": str(tmp_path / "gone.mp4"), "start_s": None, "end_s": None}, None)
    assert failed.value.code == "missing_file"


def test_the_boxes_that_annotation_stored_are_the_ones_shown(tmp_path: Path) -> None:
    strip = Filmstrip(ObserveConfig())
    path = videos.write(tmp_path / "clip.mp4", 48)
    clip_row = {"uri": str(path), "start_s": None, "end_s": None}
    times = strip._observer.observe(str(path), None, None, False).view.times
    regions = [[0.0, 0.0, 100.0, 100.0]] * len(times)
    stored = {"times": times.tolist(), "objects": [], "regions": regions}
    spotlit = picture(strip(clip_row, stored)["spotlight"])
    plain = picture(strip(clip_row, stored)["original"])
    height = spotlit.shape[0]
    assert spotlit[: height // 4, : WIDTH // 4].mean() > 0.9 * plain[: height // 4, : WIDTH // 4].mean()
    assert spotlit[height // 2 :, : WIDTH // 2].mean() < 0.3 * plain[height // 2 :, : WIDTH // 2].mean()
    other = {"times": [0.0], "objects": [], "regions": [[0.0, 0.0, 1.0, 1.0]]}
    assert strip(clip_row, other) == strip(clip_row, None)


def test_boxes_that_are_not_there_are_not_drawn() -> None:
    frames = np.zeros((2, 40, 60, 3), np.uint8)
    boxes = np.array([[5.0, 5.0, 30.0, 30.0], [np.nan] * 4])
    out = drawn(frames, boxes, [])
    assert out[0].any()
    assert not out[1].any()
    assert not frames.any()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page_of(rows: Rows, shown: list[Shown] | None = None, gates: GatesConfig | None = None) -> str:
    gates = gates or GatesConfig()
    plan = plan_of(rows["clips"], rows["scores"], rows["annotations"], rows.get("votes"), gates)
    counted = stats(
        table("clips", rows["clips"]),
        table("duplicates", []),
        table("scores", rows["scores"]),
        table("annotations", rows["annotations"]),
        plan,
        gates,
        alike=0,
    )
    return page(EVIL, counted, told(rows, gates), {}, shown or [])


def test_text_out_of_the_data_is_text_in_the_page() -> None:
    rows: Rows = {
        "clips": [clip("a", source=EVIL, uri=f"/videos/{EVIL}.mp4"), clip("b", uri=EVIL)],
        "scores": [score("a"), score("b", error="timeout", error_detail=EVIL)],
        "annotations": [annotation("a", *[question(EVIL, answer=EVIL, baseline=EVIL, claims=[EVIL])] * 2)],
    }
    sample = Sample("a", "quality_max", 80.0, 79.0, True)
    qa = question(EVIL, answer=EVIL, baseline=EVIL, category=EVIL)
    html = page_of(rows, [Shown(sample, EVIL, {"original": b"\xff\xd8"}, EVIL, [qa])])
    tags = Tags()
    tags.feed(re.sub(r"(<script[^>]*>).*?</script>", r"\1</script>", html, flags=re.DOTALL))
    assert [attributes.get("src", "")[:5] for tag, attributes in tags.found if tag == "img"] == ["data:"]
    assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)
    assert sum(tag == "script" for tag, _ in tags.found) == 4
    assert html.count("<script>window.hacked") == 0
    assert "{{ 7 * 7 }}" in html
    for tag, attributes in tags.found:
        for name in ("src", "href"):
            assert re.match(r"(#|data:|$)", attributes.get(name) or ""), (tag, attributes)


def test_only_the_scripts_of_the_report_may_run() -> None:
    html = page_of({"clips": [], "scores": [], "annotations": []})
    allowed = re.search(r"script-src ([^;]*);", unescape(html))
    assert allowed
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert allowed[1].split() == [f"'sha256-{digest}'" for digest in hashes]


@pytest.mark.parametrize("have", ["none", "clips", "scores", "annotations"])
def test_a_workspace_that_is_half_done_has_a_page(have: str) -> None:
    order = ["none", "clips", "scores", "annotations"]
    made = {"clips": [clip("a")], "scores": [score("a")], "annotations": [annotation("a", question())]}
    rows = {name: made[name] if order.index(name) <= order.index(have) else [] for name in made}
    html = page_of(rows)
    assert "sums add up" in html
    assert ("NaN" in html.split("<script>")[0]) is False


def test_the_configuration_that_ships_gives_filmstrips_without_weights() -> None:
    config = load("motionvid_qa")
    look = ObserveConfig.model_validate({name: getattr(config, name) for name in ObserveConfig.model_fields})
    observer = Filmstrip(look)._observer
    assert (observer.detector.name, observer.config.flow.backend) == ("moving_regions", "dis")
