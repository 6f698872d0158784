"""An index of clips made of rows, as the tables of a workspace would give it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from filters.verdicts import GatesConfig
from stages.browse.index import Index, build
from stages.browse.query import Selection, ordered, parse
from stages.browse.tables import CLIP_COLUMNS, SCORE_COLUMNS, Places, Tables, answered
from stages.split.settings import SplitConfig
from tests.tables import table

Rows = Mapping[str, list[dict[str, Any]]]


def index_of(rows: Rows, gates: GatesConfig | None = None) -> Index:
    """The index of rows of clips, scores and annotations; the row of a clip cannot be read."""
    tables = Tables(
        table("clips", rows.get("clips", [])).select(CLIP_COLUMNS).sort_by("clip_id"),
        table("scores", rows.get("scores", [])).select(SCORE_COLUMNS).sort_by("clip_id"),
        answered(table("annotations", rows.get("annotations", []))).sort_by("clip_id"),
        {name: Places(name, (), np.zeros(0), np.zeros(0)) for name in ("clips", "scores", "annotations")},
    )
    return build(tables, gates or GatesConfig(), SplitConfig())


def select(query: str, index: Index) -> Selection:
    """What an address finds."""
    parsed = parse(parse_qsl(query, keep_blank_values=True), index)
    return Selection(parsed, index, ordered(parsed.sort, index))


def ids(query: str, index: Index) -> list[str]:
    """The clip_ids that an address finds, in order."""
    found: list[str] = index.clips["clip_id"].take(select(query, index).rows).to_pylist()
    return found
