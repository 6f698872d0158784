"""The clips in columns: everything that one can filter and sort by, small enough to stay in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.gate import floats
from filters.verdicts import CLIP_GATES, GatesConfig, clip_verdicts
from pipeline.schema import CAMERA_LABELS
from stages.audit.distributions import CLIP_NUMBERS, spread
from stages.browse.tables import Places, Tables
from stages.split.settings import SplitConfig
from stages.split.splits import split_of

OUTCOMES = ("kept", "dropped", "failed", "pending")  # of the measured numbers and the gates
ANNOTATIONS = ("annotated", "failed", "none")
NO_LABEL = ""  # of a measured clip whose camera has none
ANSWERS = (  # numbers of a clip's questions and answers: name, title, unit
    ("questions", "questions", ""),
    ("motion_check", "lowest motion check", "share of claims"),
    ("vqascore", "lowest VQAScore", "probability"),
)
MISSING = 255  # the bin of a value that is not known


@dataclass(frozen=True)
class Facet:
    """What a clip is one of, or several of.

    Attributes:
        title: For people.
        values: What there is, in the order in which it is shown.
        codes: (N,) int32, an index into `values`, -1 for none; or (N,) uint64 with a bit for each value.
    """

    title: str
    values: tuple[str, ...]
    codes: np.ndarray

    @property
    def several(self) -> bool:
        """Whether a clip can have several of the values."""
        return self.codes.dtype == np.uint64

    def having(self, wanted: Sequence[str]) -> np.ndarray:
        """Find (N,) bool the clips that have one of these values."""
        at = [self.values.index(value) for value in wanted if value in self.values]
        if self.several:
            bits = np.uint64(sum(1 << n for n in at))
            found: np.ndarray = (self.codes & bits) != 0
            return found
        table = np.zeros(len(self.values) + 1, bool)  # the last is what -1 finds
        table[at] = True
        return table[self.codes]

    def counts(self, chosen: np.ndarray) -> list[int]:
        """Count the values among the clips chosen, (N,) bool."""
        codes = self.codes[chosen]
        if self.several:
            return [int((codes >> np.uint64(n) & np.uint64(1)).sum()) for n in range(len(self.values))]
        return np.bincount(codes[codes >= 0], minlength=len(self.values)).tolist()


@dataclass(frozen=True)
class Number:
    """A number of each clip.

    Attributes:
        title: For people.
        unit: Its unit.
        values: (N,) float64, NaN where it is not known.
        limits: The gates that limit it: setting and value.
    """

    title: str
    unit: str
    values: np.ndarray
    limits: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def spread(self) -> dict[str, Any]:
        """Of all clips; see `stages.audit.distributions.spread`."""
        return spread(self.values, list(self.limits.values()))

    @cached_property
    def bins(self) -> np.ndarray:
        """(N,) uint8, the bin of each value; MISSING for none."""
        bins = self.spread["bins"]
        if not bins:
            return np.full(len(self.values), MISSING, np.uint8)
        inner = np.array([each["lo"] for each in bins[1:]])
        return np.where(
            np.isfinite(self.values), np.searchsorted(inner, self.values, "right"), MISSING
        ).astype(np.uint8)

    def counts(self, chosen: np.ndarray) -> list[int]:
        """Count the values in each bin among the clips chosen, (N,) bool."""
        found = np.bincount(self.bins[chosen], minlength=MISSING + 1)
        return found[: len(self.spread["bins"])].tolist()


@dataclass(frozen=True)
class Index:
    """The N clips of a workspace, in order of clip_id.

    Attributes:
        clips: The table `clips`, CLIP_COLUMNS.
        text: (N,) string in lower case: what is searched.
        facets: By name.
        numbers: By name.
        limited: The number that is limited, by the name of the gate and of each of its settings.
        videos: (N,) int32, the source video of each clip.
        rows: By table, (N,) int32 which of its rows is the clip's; -1 for none.
        places: By table, where its rows are.
    """

    clips: pa.Table
    text: pa.ChunkedArray
    facets: dict[str, Facet]
    numbers: dict[str, Number]
    limited: dict[str, str]
    videos: np.ndarray
    rows: dict[str, np.ndarray]
    places: dict[str, Places]

    def __len__(self) -> int:
        return self.clips.num_rows

    def find(self, clip_id: str) -> int:
        """Return the place of a clip. Raises KeyError if there is none."""
        at = pc.index(self.clips["clip_id"], clip_id).as_py()
        if at < 0:
            raise KeyError(clip_id)
        return int(at)

    def clip(self, at: int) -> dict[str, Any]:
        """Return a clip's row of `clips`, CLIP_COLUMNS."""
        found: dict[str, Any] = self.clips.slice(at, 1).to_pylist()[0]
        return found

    def row(self, table: str, at: int) -> dict[str, Any] | None:
        """Read a clip's row of a table with all its columns; None if it has none. Raises RunError."""
        place = int(self.rows[table][at])
        return None if place < 0 else self.places[table].read(place)

    def value(self, facet: str, at: int) -> str | None:
        """Return what a clip is, of a facet of which it has one value at most."""
        found = self.facets[facet]
        code = int(found.codes[at])
        return found.values[code] if code >= 0 else None

    def labels(self, at: int) -> list[str]:
        """Return the labels of a clip's camera."""
        found = self.facets["camera"]
        bits = int(found.codes[at])
        return [name for n, name in enumerate(found.values) if bits >> n & 1 and name != NO_LABEL]


def build(tables: Tables, gates: GatesConfig, split: SplitConfig) -> Index:
    """Put the clips into columns.

    Args:
        tables: What is read of the workspace.
        gates: Thresholds, which decide what is kept.
        split: The seed and the shares, which decide on the split.
    """
    clips, scores, annotations = tables.clips, tables.scores, tables.annotations
    ids = clips["clip_id"]
    at_score, at_annotation = (_places(ids, table["clip_id"]) for table in (scores, annotations))
    facets = {
        **_verdicts(len(ids), scores, annotations, (at_score, at_annotation), gates),
        "camera": _camera(scores, at_score),
        "source": _dictionary("Source", pc.fill_null(clips["source"], "")),
    }
    videos = clips["video_id"].combine_chunks().dictionary_encode()
    splits = [split_of(video or "", split.seed, split.shares) for video in videos.dictionary.to_pylist()]
    named = pa.array(splits, pa.string()).take(videos.indices)
    facets["split"] = _dictionary("Split", pa.chunked_array([named]))
    numbers, names = _numbers(scores, annotations, at_score, at_annotation, gates)
    return Index(
        clips,
        pc.utf8_lower(pc.binary_join_element_wise(pc.fill_null(clips["uri"], ""), ids, " ")),
        facets,
        numbers,
        names,
        pc.fill_null(videos.indices, -1).to_numpy().astype(np.int32),
        {
            "clips": np.arange(len(ids), dtype=np.int32),
            "scores": at_score,
            "annotations": at_annotation,
        },
        tables.places,
    )


def _places(ids: pa.ChunkedArray, others: pa.ChunkedArray) -> np.ndarray:
    """(N,) int32: where each id is among others; -1 where it is not."""
    at = pc.index_in(ids, value_set=others.combine_chunks())
    return pc.fill_null(at, -1).to_numpy().astype(np.int32)


def _dictionary(title: str, column: pa.ChunkedArray, first: Sequence[str] = ()) -> Facet:
    """A facet of the values of a column, null for none: those of `first`, then others, the most frequent."""
    coded = column.combine_chunks().dictionary_encode()
    there = coded.dictionary.to_pylist()
    codes = pc.fill_null(coded.indices, -1).to_numpy()
    count = np.bincount(codes[codes >= 0], minlength=len(there))
    rest = sorted(
        (n for n, value in enumerate(there) if value not in first), key=lambda n: (-count[n], there[n])
    )
    values = (*first, *(there[n] for n in rest))
    place = {value: n for n, value in enumerate(values)}
    renamed = np.array([*(place[value] for value in there), -1], np.int32)
    return Facet(title, values, renamed[codes])


def _verdicts(
    count: int, scores: pa.Table, annotations: pa.Table, at: tuple[np.ndarray, np.ndarray], gates: GatesConfig
) -> dict[str, Facet]:
    """What became of each clip, and why: outcome, gate, error, annotation."""
    at_score, at_annotation = at
    good = scores["error"].is_null()
    gate = pc.replace_with_mask(
        pa.nulls(scores.num_rows, pa.string()),
        good.combine_chunks(),
        clip_verdicts(scores.filter(good), gates),
    )
    gates_of = _taken(gate, at_score)
    failed, failed_later = _taken(scores["error"], at_score), _taken(annotations["error"], at_annotation)
    outcome = np.full(count, OUTCOMES.index("kept"), np.int32)
    outcome[gates_of.is_valid().to_numpy(zero_copy_only=False)] = OUTCOMES.index("dropped")
    outcome[failed.is_valid().to_numpy(zero_copy_only=False)] = OUTCOMES.index("failed")
    outcome[at_score < 0] = OUTCOMES.index("pending")
    annotated = np.full(count, ANNOTATIONS.index("annotated"), np.int32)
    annotated[failed_later.is_valid().to_numpy(zero_copy_only=False)] = ANNOTATIONS.index("failed")
    annotated[at_annotation < 0] = ANNOTATIONS.index("none")
    return {
        "outcome": Facet("Outcome", OUTCOMES, outcome),
        "gate": _dictionary("Dropped by", pa.chunked_array([gates_of])),
        "error": _dictionary("Error", pa.chunked_array([pc.coalesce(failed, failed_later)])),
        "annotation": Facet("Annotation", ANNOTATIONS, annotated),
    }


def _taken(column: pa.Array | pa.ChunkedArray, at: np.ndarray) -> pa.Array:
    """The values at these places, null for -1."""
    found = column.take(pa.array(at, mask=at < 0))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _camera(scores: pa.Table, at: np.ndarray) -> Facet:
    """The labels of the camera, with NO_LABEL for a measured clip that has none."""
    lists = scores["camera_motion"].combine_chunks()
    owner, label = pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists).dictionary_encode()
    there = label.dictionary.to_pylist()
    own = sorted(set(there) - set(CAMERA_LABELS))
    values = (*(*CAMERA_LABELS, *own)[:63], NO_LABEL)
    bit = np.array([1 << values.index(name) if name in values else 0 for name in there], np.uint64)
    bits = np.zeros(scores.num_rows + 1, np.uint64)  # the last is what -1 finds
    if len(owner):
        np.bitwise_or.at(bits, owner, bit[label.indices.to_numpy()])
    measured = np.append(scores["error"].is_null().to_numpy(), False)
    bits[~measured] = 0
    bits[measured & (bits == 0)] = np.uint64(1 << values.index(NO_LABEL))
    return Facet("Camera", values, bits[at])


def _numbers(
    scores: pa.Table,
    annotations: pa.Table,
    at_score: np.ndarray,
    at_annotation: np.ndarray,
    gates: GatesConfig,
) -> tuple[dict[str, Number], dict[str, str]]:
    """The numbers of a clip and of its answers, and by gate and by setting which of them it limits.

    A gate limits the column of `scores` that it reads, or else a number of its own.
    """
    good = scores.filter(scores["error"].is_null())
    measured = np.flatnonzero(scores["error"].is_null().to_numpy())

    def of_clips(values: np.ndarray) -> np.ndarray:
        whole = np.full(scores.num_rows + 1, np.nan)  # the last is what -1 finds
        whole[measured] = values
        return whole[at_score]

    columns = {name: floats(good[name]) for name in CLIP_NUMBERS}
    found = {
        name: Number(name.replace("_", " "), CLIP_NUMBERS[name], of_clips(values))
        for name, values in columns.items()
    }
    names: dict[str, str] = {}
    for gate in CLIP_GATES:
        if not gate.limits():
            continue
        values = gate.values(good)
        column = gate.columns[0] if len(gate.columns) == 1 else ""
        same = column in columns and np.array_equal(values, columns[column], equal_nan=True)
        name = column if same else f"{gate.name}_gate" if gate.name in columns else gate.name
        before = found[name] if same else Number(gate.title, gate.unit, of_clips(values))
        limits = {
            setting: value for setting in gate.limits() if (value := getattr(gates, setting)) is not None
        }
        found[name] = replace(before, title=gate.title, limits={**before.limits, **limits})
        names |= dict.fromkeys((gate.name, *gate.limits()), name)
    for name, title, unit in ANSWERS:
        values = np.append(floats(annotations[name]), np.nan)[at_annotation]
        found[name] = Number(title, unit, values)
    return found, names
