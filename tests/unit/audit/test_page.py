import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from filters.verdicts import GatesConfig
from stages.audit.page import Place, Shown, page
from stages.audit.samples import Sample
from tests.tables import annotation, clip, question, score
from tests.unit.audit.counted import Rows, asked_what_if, audited

EVIL = "<script>window.hacked = 1</script>\"'><img src=x onerror=alert(1)>&{{ 7 * 7 }}"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page_of(rows: Rows, shown: list[Shown] | None = None, gates: GatesConfig | None = None) -> str:
    gates = gates or GatesConfig()
    return page(Place(EVIL, EVIL, (EVIL,)), audited(rows, gates), asked_what_if(rows, gates), {}, shown or [])


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
    assert sum(tag == "script" for tag, _ in tags.found) == 5
    assert html.count("<script>window.hacked") == 0
    assert "{{ 7 * 7 }}" in html
    for tag, attributes in tags.found:
        for name in ("src", "href"):
            assert re.match(r"(#|data:|http://127\.0\.0\.1:8009/|$)", attributes.get(name) or ""), (
                tag,
                attributes,
            )


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
    # What there is nothing to show of has no place: no heading, and no link to it.
    for section, needs in {
        "funnel": "clips",
        "what-if": "scores",
        "motion": "scores",
        "texts": "annotations",
    }.items():
        there = order.index(have) >= order.index(needs)
        assert (f'<section id="{section}">' in html) == (f'href="#{section}"' in html) == there
    assert ("NaN" in html.split("<script>")[0]) is False
