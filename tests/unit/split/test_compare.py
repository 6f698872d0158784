import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from stages.split.compare import difference, planned, published, render, settings_between
from stages.split.plan import DatasetPlan
from stages.split.publish import publish
from stages.split.settings import SplitConfig
from tests.tables import annotation, clip, plan_of, question, score, tables


def of(*ids: str, answer: str = "The camera pans left.", **more: Any) -> DatasetPlan:
    qa = question(answer=answer)
    return plan_of([clip(i) for i in ids], [score(i) for i in ids], [annotation(i, qa) for i in ids], **more)


def test_clips_and_rows_that_come_go_move_and_stay_are_counted_apart() -> None:
    old, new = of("a", "b", "c", preference_share=0.0), of("b", "c", "d", preference_share=0.3)
    change = difference(planned(old), planned(new), new.clips)
    assert change["clips"] == {"added": 1, "removed": 1, "moved": 1, "same": 1}
    assert change["rows"] == {"added": 1, "removed": 1, "moved": 1, "reworded": 0, "same": 1}
    assert change["removed_by"] == {"no longer ingested": 1}
    assert {(part["from"].split("/")[0], part["to"].split("/")[0]) for part in change["between"]} == {
        ("", "sft"),
        ("sft", ""),
        ("sft", "dpo"),
    }


def test_another_answer_is_a_row_reworded() -> None:
    change = difference(planned(of("a")), planned(of("a", answer="The camera pans left, fast.")))
    assert change["rows"]["reworded"] == 1
    assert change["clips"]["same"] == 1


def test_what_removes_a_clip_is_its_gate() -> None:
    gone = plan_of([clip("a")], [score("a", duration_s=0.1)], [annotation("a", question())])
    change = difference(planned(of("a")), planned(gone), gone.clips)
    assert change["removed_by"] == {"duration_min_s": 1}


def test_nothing_against_nothing_is_no_difference() -> None:
    change = difference(planned(of()), planned(of()))
    assert not any(change["clips"].values())
    assert not any(count for count in change["rows"].values())


@settings(deadline=None, max_examples=30)
@given(tables(), tables(), st.integers(0, 3))
def test_the_parts_add_up_to_both_datasets(old: dict[str, Any], new: dict[str, Any], seed: int) -> None:
    plans = [
        plan_of(t["clips"], t["scores"], t["annotations"], t["votes"], seed=s)
        for t, s in ((old, 0), (new, seed))
    ]
    before, after = map(planned, plans)
    change = difference(before, after, plans[1].clips)
    rows, clips = change["rows"], change["clips"]
    assert rows["removed"] + rows["moved"] + rows["reworded"] + rows["same"] == before.num_rows
    assert rows["added"] + rows["moved"] + rows["reworded"] + rows["same"] == after.num_rows
    assert clips["removed"] + clips["moved"] + clips["same"] == len(set(before["clip_id"].to_pylist()))
    assert clips["added"] + clips["moved"] + clips["same"] == len(set(after["clip_id"].to_pylist()))
    assert sum(change["removed_by"].values()) == clips["removed"]
    assert (
        sum(part["clips"] for part in change["between"]) == clips["added"] + clips["removed"] + clips["moved"]
    )


def test_a_published_dataset_is_read_back_as_it_was_planned(tmp_path: Any) -> None:
    plan = of(*(f"{n:016x}" for n in range(9)), preference_share=0.4)
    video = tmp_path / "v.mp4"
    video.write_bytes(b"any bytes are copied")
    plan = plan_of(
        [row | {"uri": str(video)} for row in (clip(f"{n:016x}") for n in range(9))],
        [score(f"{n:016x}") for n in range(9)],
        [annotation(f"{n:016x}", question()) for n in range(9)],
        preference_share=0.4,
    )
    publish(plan, str(tmp_path / "dataset"), SplitConfig(preference_share=0.4), {"gates": {"side_min": 128}})
    manifest, rows = published(str(tmp_path / "dataset"))
    assert rows.sort_by("id").equals(planned(plan).sort_by("id"))
    change = difference(rows, planned(plan))
    assert change["clips"]["same"] == math.fsum(change["clips"].values()) == 9
    other = manifest | {"gates": {"side_min": 256}}
    (setting,) = settings_between(manifest, other)
    assert setting == {"name": "gates.side_min", "was": 128, "is": 256}
    console = Console(width=100, record=True, quiet=True)
    for part in render(change, [setting]):
        console.print(part)
    with pytest.raises(FileNotFoundError):
        published(str(tmp_path / "nowhere"))
