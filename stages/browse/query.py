"""Queries: which clips are shown, and in which order; written as the parameters of an address.

Several values of one name are alternatives, and different names must all hold:

    camera=pan_left&camera=pan_right    one of the two labels
    outcome=dropped&gate=flow_max       dropped, and by this gate
    flow_mean=0.2..0.9                  between two limits, both inclusive; `0.2..` and `..0.9` have one
    flow=0.2..                          the number that the gate `flow` limits; `flow_max=` is the same
    vqascore=none                       not known
    text=street night                   both words in the name or in the clip_id
    video=ID                            the clips of one source video
    sort=-flow_mean                     the largest first; without a minus sign, the smallest
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import CallError
from stages.browse.index import Index

PLACE = ("name",)  # what one can sort by besides numbers
OTHERS = ("text", "video", "sort")
DIGITS = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
RANGE = re.compile(rf"(?P<least>{DIGITS})?\.\.(?P<most>{DIGITS})?|(?P<only>{DIGITS})")
LONGEST = 10_000  # characters of a value


@dataclass(frozen=True)
class Range:
    """Numbers between two limits, both inclusive and each of them optional; or those that are not known."""

    least: float | None = None
    most: float | None = None
    missing: bool = False

    def __str__(self) -> str:
        """Write it as it is parsed."""
        if self.missing:
            return "none"
        ends = ("" if end is None else repr(end).removesuffix(".0") for end in (self.least, self.most))
        return "..".join(ends)

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Find (N,) bool the values, (N,) float64, that are in it."""
        if self.missing:
            return np.isnan(values)
        found = ~np.isnan(values)
        if self.least is not None:
            found &= values >= self.least
        if self.most is not None:
            found &= values <= self.most
        return found


@dataclass(frozen=True)
class Query:
    """Which clips, and in which order.

    Attributes:
        chosen: Facets with the values of which a clip must have one.
        ranges: Numbers with what they must be.
        text: Words that must all be in a clip's name or clip_id.
        video: The source video; None for any.
        sort: A number or "name", after a minus sign if the largest comes first; "" for clip_id.
    """

    chosen: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ranges: tuple[tuple[str, Range], ...] = ()
    text: str = ""
    video: str | None = None
    sort: str = ""

    def __str__(self) -> str:
        """Write it as parameters of an address, always in the same order."""
        pairs = [(name, value) for name, values in self.chosen for value in values]
        pairs += [(name, str(found)) for name, found in self.ranges]
        pairs += [("text", self.text)] if self.text else []
        pairs += [("video", self.video)] if self.video is not None else []
        pairs += [("sort", self.sort)] if self.sort else []
        return urlencode(pairs)


def parse(pairs: Iterable[tuple[str, str]], index: Index) -> Query:
    """Read a query from the parameters of an address.

    Args:
        pairs: Names and values, decoded.
        index: Says which names there are.

    Raises:
        CallError: A name is not known, or a value is malformed. A value that no clip has is neither.
    """
    chosen: dict[str, set[str]] = {}
    ranges: dict[str, Range] = {}
    query = Query()
    for name, value in pairs:
        if len(value) > LONGEST:
            raise CallError(f"{name} is longer than {LONGEST} characters")
        if name in index.facets:
            chosen.setdefault(name, set()).add(value)
        elif name in index.numbers or name in index.limited:
            ranges[name if name in index.numbers else index.limited[name]] = _range(name, value)
        elif name == "text":
            query = replace(query, text=" ".join(value.split()))
        elif name == "video":
            query = replace(query, video=value)
        elif name == "sort":
            query = replace(query, sort=_sort(value, index))
        else:
            known = [*index.facets, *index.numbers, *OTHERS]
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise CallError(f"there is no filter {name!r}; {hint}")
    return replace(
        query,
        chosen=tuple((name, tuple(sorted(values))) for name, values in sorted(chosen.items())),
        ranges=tuple(sorted(ranges.items())),
    )


def _range(name: str, text: str) -> Range:
    if text.strip() == "none":
        return Range(missing=True)
    found = RANGE.fullmatch(text.strip())
    if not found:
        raise CallError(f"{name}={text[:40]} is not a range such as 0.2..0.9, 0.2.., ..0.9, or none")
    least, most = ((found[end] or found["only"]) for end in ("least", "most"))
    limits = Range(None if least is None else float(least), None if most is None else float(most))
    if any(end is not None and not math.isfinite(end) for end in (limits.least, limits.most)):
        raise CallError(f"{name}={text[:40]} is beyond all numbers")
    return limits


def _sort(value: str, index: Index) -> str:
    name = value.removeprefix("-")
    if value and name not in (*PLACE, *index.numbers):
        known = [*PLACE, *index.numbers]
        near = get_close_matches(name, known, 1)
        raise CallError(f"cannot sort by {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
    return value


class Selection:
    """The clips that a query finds, and what there is to choose from beside them."""

    def __init__(self, query: Query, index: Index, order: np.ndarray) -> None:
        """Find the clips.

        Args:
            query: Which, and in which order.
            index: All N clips.
            order: (N,) all of them in the query's order, from `ordered`.
        """
        self.query, self._index = query, index
        self._masks = _masks(query, index)
        self._all = _and(self._masks.values(), len(index))
        self.rows: np.ndarray = order[self._all[order]]

    def facets(self) -> dict[str, list[int]]:
        """Count the values of each facet among the clips that all other filters leave."""
        return {name: found.counts(self._without(name)) for name, found in self._index.facets.items()}

    def histograms(self) -> dict[str, list[int]]:
        """Count the bins of each number among the clips that all other filters leave."""
        return {name: found.counts(self._without(name)) for name, found in self._index.numbers.items()}

    def _without(self, name: str) -> np.ndarray:
        if name not in self._masks:
            return self._all
        return _and((mask for other, mask in self._masks.items() if other != name), len(self._index))


def _masks(query: Query, index: Index) -> dict[str, np.ndarray]:
    """(N,) bool for each filter of a query, by its name."""
    masks = {name: index.facets[name].having(values) for name, values in query.chosen}
    masks |= {name: found.holds(index.numbers[name].values) for name, found in query.ranges}
    if query.text:
        words = dict.fromkeys(pc.utf8_lower(pa.scalar(query.text)).as_py().split())
        found = [pc.match_substring(index.text, word).to_numpy() for word in words]
        masks["text"] = _and(found, len(index))
    if query.video is not None:
        masks["video"] = pc.fill_null(pc.equal(index.clips["video_id"], query.video), False).to_numpy()
    return masks


def _and(masks: Iterable[np.ndarray], count: int) -> np.ndarray:
    found = np.ones(count, bool)
    for mask in masks:
        found &= mask
    return found


def ordered(sort: str, index: Index) -> np.ndarray:
    """Sort all clips; those without the number come last, and equal ones by clip_id.

    Args:
        sort: As in `Query`.
        index: The N clips.

    Returns:
        (N,) int32, their places in the index.
    """
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    if not name:
        return np.arange(len(index), dtype=np.int32)
    if name in index.numbers:
        values = index.numbers[name].values
        return np.argsort(-values if descending else values, kind="stable").astype(np.int32)
    names = pc.replace_substring_regex(index.text, r"(?s)^.*/| \w+$", "")
    keys = names.combine_chunks().dictionary_encode()
    rank = np.argsort(pc.array_sort_indices(keys.dictionary).to_numpy())[keys.indices.to_numpy()]
    return np.argsort(-rank if descending else rank, kind="stable").astype(np.int32)
