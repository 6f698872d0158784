"""The report's links, opened as the clip browser reads them."""

from typing import Any
from urllib.parse import urlsplit

from hypothesis import given, settings

from filters.verdicts import GatesConfig
from pipeline.schema import CAMERA_LABELS
from stages.audit import links
from stages.audit.figures import bars
from tests.tables import tables
from tests.unit.audit.counted import audited
from tests.unit.browse.made import index_of, select

GATES = GatesConfig.model_validate({"quality_max": 0.7})


@settings(max_examples=25)
@given(tables())
def test_a_bar_leads_to_as_many_clips_as_it_stands_for(rows: dict[str, list[dict[str, Any]]]) -> None:
    index = index_of(rows, GATES)

    def found(address: str) -> int:
        assert address.startswith(f"http://127.0.0.1:{links.PORT}/")
        return len(select(urlsplit(address).query, index).rows)

    counted = {name: rows[name] for name in ("clips", "scores", "annotations")}
    audit = audited(counted, GATES)
    for bar in (bar for kind in bars(audit, {}).values() for bar in kind):
        if bar.url:
            assert found(bar.url) == bar.total
        for part in bar.parts:
            if part.url:
                assert found(part.url) == part.count
    for name, count in audit["dropped"]["clips"].items():
        assert found(links.clips(outcome="dropped", gate=name)) == count
    for row in audit["sources"]:
        assert found(links.of_source(row["source"]) or "") == row["clips"]
    assert found(links.clips(outcome=["kept", "dropped"])) == audit["funnel"]["scored"]
    for code, count in audit["errors"]["scores"].items():
        assert found(links.clips(outcome="failed", error=code)) == count
    assert sum(found(links.clips(camera=name)) for name in CAMERA_LABELS) == sum(
        audit["camera_motion"].values()
    )


def test_the_bins_of_a_number_lead_to_all_of_its_clips() -> None:
    spread = {
        "whole": False,
        "bins": [{"lo": 0.0, "hi": 0.5}, {"lo": 0.5, "hi": 1.0}, {"lo": 1.0, "hi": 1.5}],
    }
    found = [address.partition("?")[2] for address in links.of_bins("flow_mean", spread)]
    assert found == ["flow_mean=..0.5", "flow_mean=0.5..1", "flow_mean=1.."]
    whole = {"whole": True, "bins": [{"lo": -0.5, "hi": 0.5}, {"lo": 0.5, "hi": 1.5}, {"lo": 1.5, "hi": 2.5}]}
    found = [address.partition("?")[2] for address in links.of_bins("cuts_max", whole)]
    assert found == ["cuts_max=..0", "cuts_max=1..1", "cuts_max=2.."]
