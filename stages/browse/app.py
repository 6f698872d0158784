"""The server of the clip browser: finds clips, counts, and sends pictures and videos. It changes nothing."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, Response, StreamingResponse

from pipeline.errors import CallError, RunError
from stages import pages
from stages.browse.catalogue import Catalogue, Edition
from stages.browse.detail import detail, name_of
from stages.browse.index import Index
from stages.browse.ondemand import OnDemand
from stages.browse.pictures import Kind
from stages.browse.query import Selection
from stages.pages import KEPT, page_app, template
from stages.video.playable import Videos

HERE = Path(__file__).parent
STATIC = {
    "browse.css": "text/css",
    "grid.js": "text/javascript",
    "filters.js": "text/javascript",
    "chart.js": "text/javascript",
    "clip.js": "text/javascript",
    "browse.js": "text/javascript",
}
TEXT = "text/plain; charset=utf-8"
PAGE = 200  # clips in one answer, at most
IDS = 10_000  # clip_ids that are sent at once
OWN = ("offset", "limit")  # parameters that are not the query's

T = TypeVar("T")


class Rows(Mapping[str, Mapping[str, Any]]):
    """The rows of `clips` by clip_id, looked up in the index as it is now."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Remember where to look."""
        self._catalogue = catalogue

    def __getitem__(self, clip_id: str) -> Mapping[str, Any]:
        """Return a row. Raises KeyError if there is no such clip."""
        index = self._catalogue.current().index
        return index.clip(index.find(clip_id))

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalogue.current().index.clips["clip_id"].to_pylist())

    def __len__(self) -> int:
        return len(self._catalogue.current().index)


@dataclass(frozen=True)
class Sight:
    """What can be seen of a clip.

    Attributes:
        pictures: Frames and strips of frames.
        rates: The camera's rates over time.
        videos: Files that browsers play.
    """

    pictures: OnDemand
    rates: OnDemand
    videos: Videos


def make(title: str, catalogue: Catalogue, sight: Sight, max_pixels: int) -> FastAPI:
    """Build the app.

    Args:
        title: Name of the workspace.
        catalogue: The clips.
        sight: What can be seen of them.
        max_pixels: In the largest frame that boxes refer to.
    """
    app = page_app("MotionSight clips", images="'self' data:")
    page = template(HERE, "browse.html")

    @app.exception_handler(CallError)
    async def refuse(_: Request, error: CallError) -> Response:
        return Response(str(error), 422, media_type=TEXT)

    @app.exception_handler(RunError)
    async def fail(_: Request, error: RunError) -> Response:
        return Response(str(error), 503, media_type=TEXT)

    @app.get("/")
    def index() -> HTMLResponse:
        return HTMLResponse(page.render(title=title, known=described(catalogue.current())))

    _searches(app, title, catalogue, max_pixels)
    _sights(app, Rows(catalogue), sight)

    @app.get("/{name}")
    async def static(name: str) -> FileResponse:
        if name not in STATIC:
            raise HTTPException(404, "there is nothing here")
        return FileResponse(HERE / name, media_type=STATIC[name])

    return app


def _searches(app: FastAPI, title: str, catalogue: Catalogue, max_pixels: int) -> None:
    """Add what is found in the tables.

    Plain functions run in threads, so that whoever waits for a picture does not wait for a search as well.
    """

    @app.get("/api/index")
    def known() -> Response:
        return _json(described(catalogue.current()))

    @app.get("/api/clips")
    def clips(request: Request, offset: int = 0, limit: int = PAGE) -> Response:
        edition, found = _selected(catalogue, request)
        first = max(0, offset)
        part = found.rows[first : first + max(0, min(limit, PAGE))]
        cards = [card(edition.index, int(at), found.query.sort) for at in part]
        return _json(_head(edition, found) | {"clips": cards})

    @app.get("/api/counts")
    def counts(request: Request) -> Response:
        edition, found = _selected(catalogue, request)
        return _json(_head(edition, found) | {"facets": found.facets(), "histograms": found.histograms()})

    @app.get("/api/clips/{clip_id}")
    def one(clip_id: str, request: Request) -> Response:
        edition, found = _selected(catalogue, request)
        at = _known(edition.index.find, clip_id)
        place = np.flatnonzero(found.rows == at)
        said = detail(edition.index, at, catalogue.votes(), catalogue.gates, max_pixels)
        return _json(_head(edition, found) | said | {"place": int(place[0]) if len(place) else None})

    @app.get("/ids.txt")
    def ids(request: Request) -> StreamingResponse:
        edition, found = _selected(catalogue, request)
        name = "".join(
            letter for letter in title if letter.isascii() and (letter.isalnum() or letter in "-_")
        )
        headers = {"content-disposition": f'attachment; filename="{name or "clips"}-ids.txt"'}
        return StreamingResponse(_ids(edition.index, found), media_type=TEXT, headers=headers)


def _sights(app: FastAPI, rows: Rows, sight: Sight) -> None:
    """Add what is made of a clip when it is looked at."""

    @app.get("/api/rates/{clip_id}")
    async def rates(clip_id: str) -> Response:
        found = await pages.made(sight.rates.get(_known(rows.__getitem__, clip_id), "rates"))
        return Response(found, media_type="application/json", headers=KEPT)

    @app.get("/pictures/{kind}/{clip_id}")
    async def picture(kind: Kind, clip_id: str) -> Response:
        found = await pages.made(sight.pictures.get(_known(rows.__getitem__, clip_id), kind))
        return Response(found, media_type="image/jpeg", headers=KEPT)

    @app.get("/videos/{clip_id}")
    async def video(clip_id: str) -> FileResponse:
        return await pages.video(sight.videos, clip_id)


def described(edition: Edition) -> dict[str, Any]:
    """Say what there is to filter and sort by: facets with their values, numbers with their distribution."""
    index = edition.index
    everything = np.ones(len(index), bool)
    return {
        "edition": edition.number,
        "at": edition.at.isoformat(timespec="seconds"),
        "clips": len(index),
        "facets": {
            name: {"title": facet.title, "values": facet.values, "several": facet.several}
            for name, facet in index.facets.items()
        },
        "numbers": {
            name: {
                "title": number.title,
                "unit": number.unit,
                "limits": number.limits,
                "counts": number.counts(everything),
                **{key: number.spread[key] for key in ("bins", "missing", "log", "whole")},
            }
            for name, number in index.numbers.items()
        },
    }


def card(index: Index, at: int, sort: str) -> dict[str, Any]:
    """Say what the grid shows of a clip."""
    clip = index.clip(at)
    outcome = index.value("outcome", at)
    number = index.numbers.get(sort.removeprefix("-"))
    length = float(index.numbers["duration_s"].values[at])
    value = float(number.values[at]) if number else None
    return {
        "id": clip["clip_id"],
        "name": name_of(clip["uri"]),
        "start_s": clip["start_s"],
        "duration_s": length if np.isfinite(length) else None,
        "outcome": outcome,
        "annotation": index.value("annotation", at),
        "why": index.value("gate" if outcome == "dropped" else "error", at),
        "labels": index.labels(at),
        "value": value if value is not None and np.isfinite(value) else None,
    }


def _json(value: Any) -> Response:
    """An answer without FastAPI's checks of each value, which take longer than the search."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), media_type="application/json")


def _selected(catalogue: Catalogue, request: Request) -> tuple[Edition, Selection]:
    return catalogue.select(pair for pair in request.query_params.multi_items() if pair[0] not in OWN)


def _head(edition: Edition, found: Selection) -> dict[str, Any]:
    return {"edition": edition.number, "found": len(found.rows), "query": str(found.query)}


def _known(find: Callable[[str], T], clip_id: str) -> T:
    try:
        return find(clip_id)
    except KeyError:
        raise HTTPException(404, "there is no such clip") from None


def _ids(index: Index, found: Selection) -> Iterator[str]:
    for first in range(0, len(found.rows), IDS):
        part = index.clips["clip_id"].take(found.rows[first : first + IDS])
        yield "".join(f"{clip_id}\n" for clip_id in part.to_pylist())
