"""The server of the review page: hands out questions, takes votes, sends videos."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import jinja2
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pipeline.errors import ClipError, RunError
from stages.review.queue import Choice, Item, Queue, Vote, about
from stages.review.store import Store
from stages.review.videos import Videos

HERE = Path(__file__).parent
STATIC = {"review.css": "text/css", "review.js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class Who(BaseModel):
    """An annotator."""

    model_config = ConfigDict(extra="forbid")

    annotator: Name


class Which(Who):
    """An annotator at an item."""

    item: str = Field(max_length=16)


class Ballot(Which):
    """A vote on an item, about the sides as this annotator sees them."""

    choice: Choice
    edited: str | None = Field(None, max_length=10_000)
    seconds: float | None = Field(None, ge=0, le=86_400)


def make(
    title: str, items: list[Item], overlap: int, store: Store, videos: Videos, annotator: str | None = None
) -> FastAPI:
    """The app. annotator: who is asked for no name, as she is alone.

    Its functions that touch the queue and the store are coroutines without a wait in them, and so run one
    after another.
    """
    app = FastAPI(title="MotionSight review", docs_url=None, redoc_url=None, openapi_url=None)
    queue = Queue(items, overlap)
    by_id = {item.id: item for item in items}
    by_subject = {about(item): item for item in items}
    page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined
    ).get_template("review.html")

    @app.middleware("http")
    async def secure(request: Request, call_next: Any) -> Response:
        answer: Response = await call_next(request)
        answer.headers["content-security-policy"] = POLICY
        answer.headers["referrer-policy"] = "no-referrer"
        answer.headers["x-content-type-options"] = "nosniff"
        answer.headers.setdefault("cache-control", "no-store")
        return answer

    def item_of(item_id: str) -> Item:
        if item_id not in by_id:
            raise HTTPException(404, "this question is not asked any more")
        return by_id[item_id]

    def shown(who: str, item: Item | None, vote: Vote | None = None) -> dict[str, Any]:
        """What the page shows next, and how far this annotator is."""
        voters = store.voters(items)
        left = sum(1 for _ in queue.open_to(who, voters))
        progress = {
            "done": sum(who in names for names in voters.values()),
            "left": left,
            "skipped": queue.skipped(who),
            "votes": sum(min(overlap, len(names)) for names in voters.values()),
            "wanted": overlap * len(items),
        }
        if not item:
            return {"item": None, "progress": progress}
        a, b = item.sides(who)
        asked = {"id": item.id, "clip": item.clip_id, "question": item.question, "left": a, "right": b}
        before = {"choice": vote.choice, "edited": vote.edited} if vote else None
        return {"item": asked | {"before": before}, "progress": progress}

    def following(who: str) -> dict[str, Any]:
        return shown(who, queue.next(who, store.voters(items)))

    @app.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(page.render(title=title, annotator=annotator or ""))

    @app.get("/{name}")
    async def static(name: str) -> FileResponse:
        if name not in STATIC:
            raise HTTPException(404, "there is nothing here")
        return FileResponse(HERE / name, media_type=STATIC[name])

    @app.post("/api/next")
    async def give(who: Who) -> dict[str, Any]:
        return following(who.annotator)

    @app.post("/api/vote")
    async def vote(ballot: Ballot) -> dict[str, Any]:
        """The next item, once the vote is on the disk."""
        item = item_of(ballot.item)
        left, right = item.sides(ballot.annotator)
        edited = (ballot.edited or "").strip() or None
        if edited == {"left": left, "right": right}.get(ballot.choice):
            edited = None
        store.add(
            [
                Vote(
                    item.clip_id,
                    item.question,
                    left,
                    right,
                    ballot.choice,
                    edited,
                    ballot.annotator,
                    datetime.now(UTC),
                    ballot.seconds,
                )
            ]
        )
        return following(ballot.annotator)

    @app.post("/api/skip")
    async def skip(which: Which) -> dict[str, Any]:
        queue.skip(item_of(which.item).id, which.annotator)
        return following(which.annotator)

    @app.post("/api/unskip")
    async def unskip(who: Who) -> dict[str, Any]:
        queue.unskip(who.annotator)
        return following(who.annotator)

    @app.post("/api/back")
    async def back(which: Which) -> dict[str, Any]:
        """The vote before this item's, or the last one, to look at again."""
        current = by_id.get(which.item)
        own = [v for v in store.votes() if v.annotator == which.annotator and v.about in by_subject]
        places = [n for n, v in enumerate(own) if current and v.about == about(current)]
        earlier = own[: places[0]] if places else own
        if not earlier:
            raise HTTPException(404, "there is no earlier vote")
        return shown(which.annotator, by_subject[earlier[-1].about], earlier[-1])

    @app.get("/clips/{clip_id}")
    def clip(clip_id: str) -> FileResponse:
        """The clip's video; ranges of it on request, as players ask when they seek."""
        try:
            path, kind = videos.get(clip_id)
        except KeyError:
            raise HTTPException(404, "there is no such clip") from None
        except ClipError as error:
            raise HTTPException(422, f"{error.detail} ({error.code})") from error
        except RunError as error:
            raise HTTPException(503, str(error)) from error
        if not Path(path).is_file():
            raise HTTPException(404, "the clip's file is gone")
        return FileResponse(path, media_type=kind, headers={"cache-control": "private, max-age=3600"})

    return app
