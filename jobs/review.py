"""`motionsight review`: people choose between answers, on a web page; and what becomes of their votes."""

import json
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs import web
from pipeline import lock
from pipeline.errors import CallError, RunError, reason
from pipeline.workspace import Workspace
from stages.review.queue import LABELS, Item, agreement, from_label_studio, items_of, to_label_studio
from stages.review.store import Store, publish, store_of


@dataclass(frozen=True)
class Review:
    """What is reviewed, where the votes are kept, and who is told. limit: of the questions, at the most."""

    workspace: Workspace
    out: Console
    votes: str | None = None
    limit: int | None = None

    def items(self) -> list[Item]:
        """Raises CallError when there is nothing to choose between."""
        annotations = self.workspace.read("annotations", ["clip_id", "qa", "error"])
        items = items_of(annotations, self.limit)
        if not annotations.num_rows:
            raise CallError(f"{self.workspace.root} has no annotations yet; run `motionsight annotate` first")
        if not items:
            raise CallError(f"no question in {self.workspace.root} has two different answers to choose from")
        return items

    def store(self) -> Store:
        if not self.workspace.exists():
            raise CallError(f"there is no workspace {self.workspace.root}")
        return store_of(self.workspace, self.votes)

    def publish(self, store: Store) -> None:
        """Bring votes into the table `preferences`, and from there, unless another command writes."""
        try:
            with lock.held(self.workspace, "review"):
                added = publish(store, self.workspace)
        except CallError as error:
            self.say(f"votes are kept, and go into preferences/ the next time: {error}")
            return
        self.say(f"{len(store.votes())} votes, {added} of them new in {self.workspace.root}/preferences")

    def say(self, text: str) -> None:
        self.out.print(f"review: {text}", markup=False, soft_wrap=True)


def serve(
    review: Review, host: str, port: int, token: str | None, annotator: str | None, overlap: int
) -> None:
    """Serve the page until Ctrl-C. overlap: how many people are asked each question.

    Raises CallError, RunError.
    """
    try:
        from stages.review.app import make
        from stages.review.videos import Videos
    except ImportError as error:
        raise _lacks(error) from error
    items = review.items()
    wanted = ["clip_id", "uri", "start_s", "end_s"]
    clips = {row["clip_id"]: row for row in review.workspace.read("clips", wanted).to_pylist()}
    title = PurePosixPath(review.workspace.root).name
    with closing(review.store()) as store, tempfile.TemporaryDirectory(prefix="motionsight-") as folder:
        review.publish(store)
        review.say(f"{len(items)} questions for {overlap} {'person' if overlap == 1 else 'people'} each")
        with closing(Videos(clips, folder)) as videos:
            app = make(title, items, overlap, store, videos, annotator)
            web.listen(app, host, port, token, review.say, "review")
        review.publish(store)


def export(review: Review, file: str) -> None:
    """Write the questions and the votes as tasks of Label Studio, and its labelling set-up beside them."""
    items = review.items()
    with closing(review.store()) as store:
        review.publish(store)
        votes = store.votes()
    rows = review.workspace.read("clips", ["clip_id", "uri"]).to_pylist()
    tasks = to_label_studio(items, votes, {row["clip_id"]: row["uri"] for row in rows})
    labels = Path(file).with_suffix(".xml")
    try:
        Path(file).write_text(json.dumps(tasks, indent=1, ensure_ascii=False), "utf-8")
        labels.write_text(LABELS, "utf-8")
    except OSError as error:
        raise RunError(f"cannot write {file}: {reason(error)}") from error
    count = sum(len(task["annotations"]) for task in tasks)
    review.say(f"{len(tasks)} tasks with {count} votes in {file}; {labels} is their labelling set-up")


def take_in(review: Review, file: str) -> None:
    """Take votes from a JSON export of Label Studio. Raises CallError for a file that is none."""
    try:
        votes = from_label_studio(json.loads(Path(file).read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise CallError(f"{file} is no JSON export of Label Studio: {reason(error)}") from error
    clips = review.workspace.ids("clips")
    known = [vote for vote in votes if vote.clip_id in clips]
    with closing(review.store()) as store:
        review.say(f"{store.add(known)} of {len(votes)} votes in {file} are new")
        if len(known) < len(votes):
            review.say(f"{len(votes) - len(known)} are about clips that this workspace does not have")
        review.publish(store)


def report(review: Review) -> None:
    """Print how far people agree, and what each of them did."""
    items = review.items()
    with closing(review.store()) as store:
        review.publish(store)
        votes = store.votes()
    try:
        whole, people = agreement(votes, items)
    except ImportError as error:
        raise _lacks(error) from error
    if len(votes) > whole.votes:
        review.say(
            f"{len(votes) - whole.votes} votes are on answers that have changed since, or not asked now"
        )
    review.say(
        f"{whole.votes} votes on {whole.questions} of {len(items)} questions, {whole.shared} by several"
    )
    alpha = "not defined" if whole.alpha is None else f"{whole.alpha:.3f}"
    review.say(f"Krippendorff's alpha {alpha}; pairs of votes that agree {_percent(whole.same)}")
    review.say(f"choices of a side that motion_check supports {_percent(whole.checked)}")
    table = Table("annotator", box=None, pad_edge=False)
    for name in ("votes", "median s", "chose left", "agrees with others"):
        table.add_column(name, justify="right")
    for one in people:
        seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
        table.add_row(escape(one.name), str(one.votes), seconds, _percent(one.left), _percent(one.same))
    if people:
        review.out.print(table)


def _lacks(error: ImportError) -> CallError:
    return CallError(f"review needs {error.name}: pip install 'motionsight-distill[review]'")


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.0%}"
