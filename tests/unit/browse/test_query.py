"""Queries: what they find, that their parts can be combined, and how they are written."""

import math
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import CallError
from stages.browse.index import Index
from stages.browse.query import Range, parse
from tests.tables import clip, score, tables
from tests.unit.browse.made import ids, index_of, select

Pairs = list[tuple[str, str]]
ends = st.none() | st.floats(-1, 2, allow_nan=False) | st.sampled_from([0.0, 0.5, 1e-7, -0.25])
ranges = st.builds(Range, ends, ends) | st.just(Range(missing=True))
filters = st.one_of(
    st.tuples(st.just("outcome"), st.sampled_from(["kept", "dropped", "failed", "pending", "none such"])),
    st.tuples(st.just("annotation"), st.sampled_from(["annotated", "failed", "none"])),
    st.tuples(st.just("camera"), st.sampled_from(["pan_left", "static", ""])),
    st.tuples(st.just("gate"), st.sampled_from(["quality_max", "flow_max"])),
    st.tuples(st.just("error"), st.sampled_from(["timeout", "mllm_error"])),
    st.tuples(st.sampled_from(["flow_mean", "quality", "object_motion", "motion_check"]), ranges.map(str)),
    st.tuples(st.just("text"), st.sampled_from(["mp4", "VIDEOS 1", "0a", "é"])),
)
queries = st.lists(filters, max_size=4, unique_by=lambda pair: pair[0])
SORTS = ("", "name", "-name", "flow_mean", "-flow_mean", "-quality", "questions")


@given(tables(), queries, st.permutations(range(4)), st.sampled_from(SORTS))
def test_filters_commute_and_leave_what_each_of_them_leaves(
    rows: dict[str, list[dict[str, Any]]], pairs: Pairs, order: list[int], sort: str
) -> None:
    index = index_of(rows)
    whole = select(urlencode([*pairs, ("sort", sort)]), index)
    turned = [pairs[n] for n in order if n < len(pairs)]
    assert select(urlencode([("sort", sort), *turned]), index).rows.tolist() == whole.rows.tolist()
    left = set(range(len(index)))
    for pair in pairs:
        left &= set(select(urlencode([pair]), index).rows.tolist())
    assert set(whole.rows.tolist()) == left
    assert len(whole.rows) == len(left)


@given(tables(), queries, st.sampled_from(["outcome", "annotation", "camera"]))
def test_values_of_one_facet_are_alternatives(
    rows: dict[str, list[dict[str, Any]]], pairs: Pairs, name: str
) -> None:
    index = index_of(rows)
    others = [pair for pair in pairs if pair[0] != name]
    one, other = index.facets[name].values[:2]
    both = set(ids(urlencode([*others, (name, one), (name, other)]), index))
    each = [set(ids(urlencode([*others, (name, value)]), index)) for value in (one, other)]
    assert both == each[0] | each[1]


@settings(max_examples=30)
@given(tables(), queries)
def test_the_counts_add_up(rows: dict[str, list[dict[str, Any]]], pairs: Pairs) -> None:
    index = index_of(rows)
    found = select(urlencode(pairs), index)
    for name, facet in index.facets.items():
        others = select(urlencode([pair for pair in pairs if pair[0] != name]), index)
        counts = found.facets()[name]
        # A count says how many clips there are once its value is chosen as well.
        for value, count in zip(facet.values, counts, strict=True):
            with_it = [*(pair for pair in pairs if pair[0] != name), (name, value)]
            assert len(select(urlencode(with_it), index).rows) == count
        if not facet.several:
            assert sum(counts) == int((facet.codes[others.rows] >= 0).sum())
    for name, number in index.numbers.items():
        others = select(urlencode([pair for pair in pairs if pair[0] != name]), index)
        known = [value for value in number.values[others.rows] if not math.isnan(value)]
        assert sum(found.histograms()[name]) == len(known)


@given(tables(), queries, st.integers(1, 5), st.sampled_from(SORTS))
def test_the_pages_together_are_everything_once(
    rows: dict[str, list[dict[str, Any]]], pairs: Pairs, size: int, sort: str
) -> None:
    index = index_of(rows)
    found = select(urlencode([*pairs, ("sort", sort)]), index).rows.tolist()
    pages = [found[at : at + size] for at in range(0, len(found), size)]
    assert sorted(at for page in pages for at in page) == sorted(set(found))


@given(tables(), st.sampled_from(["flow_mean", "-flow_mean", "quality", "-quality"]))
def test_sorted_by_a_number_those_without_it_come_last(
    rows: dict[str, list[dict[str, Any]]], sort: str
) -> None:
    index = index_of(rows)
    found = select(f"sort={sort}", index).rows
    values = index.numbers[sort.removeprefix("-")].values[found].tolist()
    known = [value for value in values if not math.isnan(value)]
    assert all(math.isnan(value) for value in values[len(known) :])
    assert known == sorted(known, reverse=sort.startswith("-"))
    assert sorted(found.tolist()) == list(range(len(index)))


@given(tables(), queries, st.sampled_from(SORTS))
def test_a_query_is_written_as_it_is_read(
    rows: dict[str, list[dict[str, Any]]], pairs: Pairs, sort: str
) -> None:
    index = index_of(rows)
    query = parse([*pairs, ("sort", sort)], index)
    assert parse(parse_qsl(str(query), keep_blank_values=True), index) == query


@pytest.fixture(scope="module")
def few() -> Index:
    return index_of(
        {
            "clips": [
                clip("a1", uri="/x/Street at Night.mp4", source="films"),
                clip("b2", uri="s3://bucket/y/über_street.mp4", source=None),
                clip("c3", uri="/x/z.tar::day/a.mp4", video_id="v"),
            ],
            "scores": [
                score("a1", flow_mean=0.25),
                score("b2", flow_mean=1.5),
                score("c3", flow_mean=math.nan),
            ],
        }
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("text=STREET", ["a1", "b2"]),
        ("text=street+night", ["a1"]),
        ("text=%C3%9CBER", ["b2"]),
        ("text=c3", ["c3"]),
        ("text=%25.*", []),
        ("flow_mean=0.25..0.25", ["a1"]),
        ("flow_mean=0.25", ["a1"]),
        ("flow_mean=..1.5", ["a1", "b2"]),
        ("flow_mean=.3..", ["b2"]),
        ("flow=1..", ["b2"]),
        ("flow_max=1..", ["b2"]),
        ("flow_mean=none", ["c3"]),
        ("flow_mean=..", ["a1", "b2"]),
        ("outcome=dropped&gate=flow_max", ["b2", "c3"]),
        ("source=", ["b2"]),
        ("source=films&source=", ["a1", "b2"]),
        ("source=no+such+source", []),
        ("video=v", ["c3"]),
        ("sort=name", ["c3", "a1", "b2"]),
        ("sort=-name", ["b2", "a1", "c3"]),
        ("sort=-flow_mean", ["b2", "a1", "c3"]),
    ],
)
def test_what_an_address_finds(few: Index, query: str, found: list[str]) -> None:
    assert ids(query, few) == found


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("flow_meen=1", "did you mean flow_mean?"),
        ("flow_mean=fast", "is not a range such as 0.2..0.9"),
        ("flow_mean=1e999..", "beyond all numbers"),
        ("flow_mean=nan..", "is not a range"),
        ("sort=flow_maen", "did you mean flow_mean?"),
        ("sort=uri", "cannot sort by 'uri'"),
        ("text=" + "a" * 10_001, "longer than 10000"),
    ],
)
def test_a_malformed_address_is_refused_with_a_hint(few: Index, query: str, why: str) -> None:
    with pytest.raises(CallError, match="".join(f"[{letter}]" for letter in why)):
        ids(query, few)
