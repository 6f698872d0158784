"""The server of the review page: hands out comparisons, takes votes, sends videos."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from stages import pages
from stages.pages import page_app, template
from stages.review.queue import Comparison, Judgment, Queue, Vote, Voted
from stages.review.store import Store
from stages.split.votes import BAD_CLIP
from stages.video.playable import Videos

HERE = Path(__file__).parent
STATIC = {"review.css": "text/css", "review.js": "text/javascript"}
LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(microseconds=1)  # but one
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class AnnotatorRequest(BaseModel):
    """A request of an annotator."""

    model_config = ConfigDict(extra="forbid")

    annotator: Name


class ItemRequest(AnnotatorRequest):
    """A request about a comparison, which the page calls an item."""

    item: str = Field(max_length=16)


class Ballot(ItemRequest):
    """A vote on a comparison, in terms of the sides as this annotator sees them."""

    choice: Judgment
    edited: str | None = Field(None, max_length=10_000)
    seconds: float | None = Field(None, ge=0, le=86_400)
    note: str | None = Field(None, max_length=2_000)


class ReviewSession:
    """One run of the server: gives annotators their comparisons and takes their votes. Not thread-safe."""

    def __init__(self, comparisons: Sequence[Comparison], overlap: int, store: Store) -> None:
        """Start without leases or skips; the votes that the store already has count.

        Args:
            comparisons: In the order in which they are asked.
            overlap: How many people are asked each of them.
            store: Where votes are kept.
        """
        self._comparisons, self._overlap, self._store = comparisons, overlap, store
        self._queue = Queue(comparisons, overlap)
        self._by_id = {one.id: one for one in comparisons}
        self._by_subject = {one.subject: one for one in comparisons}
        self._of_clip = defaultdict[str, list[str]](list)
        for one in comparisons:
            self._of_clip[one.clip_id].append(one.id)
        self._counted = Voted(overlap, {})
        self._voted()  # which takes its time with many votes, and only once

    def next(self, annotator: str) -> dict[str, Any]:
        """What the page shows next: see `_state`."""
        return self._state(annotator, self._queue.next(annotator, self._voted()))

    def vote(self, ballot: Ballot) -> dict[str, Any]:
        """Store a vote. Returns what the page shows next, once the vote is on disk.

        Who calls a clip bad is not asked its other questions, unless they take it back.
        """
        one = self._find(ballot.item)
        was_bad = self._store.bad(one.clip_id, ballot.annotator)
        left, right = one.sides(ballot.annotator)
        edited = (ballot.edited or "").strip() or None
        if edited == {"left": left, "right": right}.get(ballot.choice):
            edited = None
        vote = Vote(
            clip_id=one.clip_id,
            question=one.question,
            left=left,
            right=right,
            choice=ballot.choice,
            edited=edited,
            annotator=ballot.annotator,
            at=datetime.now(UTC),
            seconds=ballot.seconds,
            note=(ballot.note or "").strip() or None,
        )
        if not (self._store.add([vote]) or self._store.add([self._after(vote)])):
            raise HTTPException(
                409, "not saved: your stored vote has a later time; check this machine's clock"
            )
        self._counted.add(one.id, ballot.annotator)
        if ballot.choice == BAD_CLIP:
            for other in self._of_clip[one.clip_id]:
                self._counted.add(other, ballot.annotator)
        elif was_bad:
            self._counted = self._count()
            self._queue.rewind()
        return self.next(ballot.annotator)

    def skip(self, request: ItemRequest) -> dict[str, Any]:
        """Leave a comparison to the others. Returns what the page shows next."""
        self._queue.skip(self._find(request.item).id, request.annotator)
        return self.next(request.annotator)

    def unskip(self, annotator: str) -> dict[str, Any]:
        """Take back all skips. Returns what the page shows next."""
        self._queue.unskip(annotator)
        return self.next(annotator)

    def back(self, request: ItemRequest) -> dict[str, Any]:
        """Show the annotator's vote before the one on this comparison, or else their last one, again."""
        current = self._by_id.get(request.item)
        own = [vote for vote in self._store.votes(request.annotator) if vote.subject in self._by_subject]
        places = [n for n, vote in enumerate(own) if current and vote.subject == current.subject]
        earlier = own[: places[0]] if places else own
        if not earlier:
            raise HTTPException(404, "there is no earlier vote")
        return self._state(request.annotator, self._by_subject[earlier[-1].subject], earlier[-1])

    def _after(self, vote: Vote) -> Vote:
        """The vote at a time after that of the stored one, which was made by a clock that is ahead."""
        stored = next(it for it in self._store.votes(vote.annotator) if it.subject == vote.subject)
        return replace(vote, at=min(stored.at, LATEST) + timedelta(microseconds=1))

    def _voted(self) -> Voted:
        """Who has voted: counted anew only if others write to the store as well."""
        if self._store.changed():
            self._counted = self._count()
        return self._counted

    def _count(self) -> Voted:
        return Voted(self._overlap, self._store.voters(self._comparisons))

    def _find(self, comparison_id: str) -> Comparison:
        if comparison_id not in self._by_id:
            raise HTTPException(404, "this question is no longer asked")
        return self._by_id[comparison_id]

    def _state(self, annotator: str, one: Comparison | None, vote: Vote | None = None) -> dict[str, Any]:
        """The state of the page.

        `item`: the comparison to show, with `before`, the annotator's earlier vote on it; None when there is
        nothing to do. `progress`: comparisons that this annotator has `done`, can still do (`left`) and has
        `skipped`, and how many `votes` are in of those `wanted` from all people.
        """
        voted = self._voted()
        progress = {
            "done": len(voted.by.get(annotator, ())),
            "left": self._queue.left(annotator, voted),
            "skipped": self._queue.skipped(annotator),
            "votes": voted.votes,
            "wanted": self._overlap * len(self._comparisons),
        }
        if not one:
            return {"item": None, "progress": progress}
        left, right = one.sides(annotator)
        before = {"choice": vote.choice, "edited": vote.edited, "note": vote.note} if vote else None
        item = {"id": one.id, "clip": one.clip_id, "question": one.question, "left": left, "right": right}
        return {"item": item | {"before": before}, "progress": progress}


def make(title: str, session: ReviewSession, videos: Videos, annotator: str | None = None) -> FastAPI:
    """Build the app.

    Args:
        title: Name of the workspace.
        session: What the page asks for. Its routes are coroutines that never wait, so they run one at a time.
        videos: The clips.
        annotator: The only annotator, whom the page then does not ask for a name.
    """
    app = page_app("MotionSight review")
    page = template(HERE, "review.html")

    @app.get("/")
    async def index() -> HTMLResponse:
        return HTMLResponse(page.render(title=title, annotator=annotator or ""))

    @app.get("/{name}")
    async def static(name: str) -> FileResponse:
        if name not in STATIC:
            raise HTTPException(404, "there is nothing here")
        return FileResponse(HERE / name, media_type=STATIC[name])

    @app.post("/api/next")
    async def give(request: AnnotatorRequest) -> dict[str, Any]:
        return session.next(request.annotator)

    @app.post("/api/vote")
    async def vote(ballot: Ballot) -> dict[str, Any]:
        return session.vote(ballot)

    @app.post("/api/skip")
    async def skip(request: ItemRequest) -> dict[str, Any]:
        return session.skip(request)

    @app.post("/api/unskip")
    async def unskip(request: AnnotatorRequest) -> dict[str, Any]:
        return session.unskip(request.annotator)

    @app.post("/api/back")
    async def back(request: ItemRequest) -> dict[str, Any]:
        return session.back(request)

    @app.get("/clips/{clip_id}")
    async def clip(clip_id: str) -> FileResponse:
        return await pages.video(videos, clip_id)

    return app
