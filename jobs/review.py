"""`motionsight review`: let people choose between answers on a web page, and bring their votes home."""

import json
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs import web
from jobs.console import visible
from jobs.patience import patience
from pipeline import lock
from pipeline.errors import CallError, RunError, reason
from pipeline.text import decode, from_json
from pipeline.workspace import Workspace
from stages.review.agreement import agreement, reported
from stages.review.label_studio import LABELING_CONFIG, from_label_studio, to_label_studio
from stages.review.queue import Comparison, comparisons_of
from stages.review.store import Store, open_store, publish
from stages.review.videos import write_videos
from stages.split.votes import SPOILED

SERVED = "/data/local-files/?d="  # Label Studio's address of a file, by its path in the folder that it serves
SHOWN = 5  # clips that are named, at most, of those left out


@dataclass(frozen=True)
class Review:
    """One call of the command.

    Attributes:
        workspace: What is reviewed.
        out: For the person at the terminal.
        votes: File of the votes; None for the one in the workspace.
        limit: How many questions to ask, at most; None for all.
    """

    workspace: Workspace
    out: Console
    votes: str | None = None
    limit: int | None = None

    def comparisons(self) -> list[Comparison]:
        """Collect what there is to compare.

        Raises:
            CallError: There is nothing.
        """
        annotations = self.workspace.read("annotations", ["clip_id", "qa", "error"])
        found = comparisons_of(annotations, self.limit)
        if not annotations.num_rows:
            raise CallError(f"{self.workspace.root} has no annotations yet; run `motionsight annotate` first")
        if not found:
            raise CallError(f"no question in {self.workspace.root} has two different answers to choose from")
        return found

    def store(self) -> Store:
        """Open the store of the votes.

        Raises:
            CallError: There is no workspace, or the file cannot be used.
        """
        if not self.workspace.exists():
            raise CallError(f"there is no workspace {self.workspace.root}")
        return open_store(self.workspace, self.votes)

    def publish(self, store: Store) -> None:
        """Bring votes into the table `preferences`, and from there, unless another command is writing."""
        try:
            with lock.held(self.workspace, "review"):
                added = publish(store, self.workspace)
        except CallError as error:
            self.say(f"votes are saved, and will be added to preferences/ next time: {error}")
            return
        self.say(f"{len(store.votes())} votes, {added} of them new in {self.workspace.root}/preferences")

    def say(self, text: str) -> None:
        """Print a line for the person at the terminal."""
        self.out.print(f"review: {text}", markup=False, soft_wrap=True)


def serve(
    review: Review, host: str, port: int, token: str | None, annotator: str | None, overlap: int
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        review: What is reviewed.
        host: Where to listen.
        port: 0 for a free one.
        token: What visitors need; None for a new one where other machines can connect, else none.
        annotator: The only annotator; None if the page is to ask for a name.
        overlap: How many people are asked each question.

    Raises:
        CallError: There is nothing to compare, the address cannot be listened on, the token is weak, or
            packages are missing.
        RunError: The server did not start.
    """
    try:
        from stages.review.app import ReviewSession, make
        from stages.video.playable import Videos
    except ImportError as error:
        raise _lacks(error) from error
    comparisons = review.comparisons()
    columns = ["clip_id", "uri", "start_s", "end_s"]
    clips = {row["clip_id"]: row for row in review.workspace.read("clips", columns).to_pylist()}
    title = PurePosixPath(review.workspace.root).name
    with closing(review.store()) as store, tempfile.TemporaryDirectory(prefix="motionsight-") as folder:
        review.publish(store)
        people = "one person" if overlap == 1 else f"{overlap} people"
        review.say(f"{len(comparisons)} questions, each for {people}")
        with closing(Videos(clips, folder)) as videos:
            app = make(title, ReviewSession(comparisons, overlap, store), videos, annotator)
            web.listen(app, web.Address(host, port, token), review.say, "review", web.Rules())
        review.publish(store)


def export(review: Review, file: str) -> None:
    """Write questions and votes as Label Studio tasks; beside them the labeling interface and the videos.

    Args:
        review: What is reviewed.
        file: Where to write the JSON. The labeling interface gets the suffix `.xml`, the folder of the
            videos `.videos`; Label Studio has to serve the folder that all of them are in.

    Raises:
        CallError: There is nothing to compare.
        RunError: The files cannot be written, or none of the clips can be shown.
    """
    comparisons = review.comparisons()
    with closing(review.store()) as store:
        review.publish(store)
        votes = store.votes()
    target = Path(file)
    interface, folder = target.with_suffix(".xml"), target.with_suffix(".videos")
    try:
        videos = _videos(review, {one.clip_id for one in comparisons}, folder)
        tasks = to_label_studio(comparisons, votes, videos)
        interface.write_text(LABELING_CONFIG, "utf-8")
        target.write_text(json.dumps(tasks, indent=1, ensure_ascii=False), "utf-8")
    except OSError as error:
        raise RunError(f"cannot write {file}: {reason(error)}") from error
    count = sum(len(task["annotations"]) for task in tasks)
    review.say(f"{len(tasks)} tasks with {count} votes in {file}; {interface} is their labeling interface")
    review.say(
        f"their {len(videos)} videos are in {folder}: start Label Studio with"
        " LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and"
        f" LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={folder.absolute().parent}, and add {folder.absolute()} to"
        " the project as a source storage of local files"
    )


def _videos(review: Review, clip_ids: set[str], folder: Path) -> dict[str, str]:
    """Write the videos of clips. Returns their addresses in Label Studio, by clip_id."""
    columns = ["clip_id", "uri", "start_s", "end_s"]
    rows = [row for row in review.workspace.read("clips", columns).to_pylist() if row["clip_id"] in clip_ids]
    count = 0

    def counted(number: int) -> None:
        nonlocal count
        count = number

    with patience(review.say, lambda: f"{count} of {len(rows)} videos are ready"):
        names, failed = write_videos(rows, folder, counted)
    for clip_id, error in list(failed.items())[:SHOWN]:
        review.say(f"clip {clip_id} is left out: {error.detail} ({error.code})")
    if len(failed) > SHOWN:
        review.say(f"{len(failed) - SHOWN} other clips are left out, too")
    if not names:
        raise RunError("none of the clips can be shown")
    return {clip_id: SERVED + quote(f"{folder.name}/{name}") for clip_id, name in names.items()}


def take_in(review: Review, file: str) -> None:
    """Import votes from a JSON export of Label Studio.

    Args:
        review: Where the votes go.
        file: The export.

    Raises:
        CallError: It cannot be read, or is not such an export.
    """
    try:
        votes = from_label_studio(from_json(decode(Path(file).read_bytes())))
    except (OSError, ValueError) as error:
        raise CallError(f"{file} is not a JSON export of Label Studio: {reason(error)}") from error
    clips = review.workspace.ids("clips")
    known = [vote for vote in votes if vote.clip_id in clips]
    with closing(review.store()) as store:
        review.say(f"{store.add(known)} of {len(votes)} votes in {file} are new")
        if len(known) < len(votes):
            review.say(f"{len(votes) - len(known)} are about clips that this workspace does not have")
        review.publish(store)


def report(review: Review) -> None:
    """Print how far people agree, and what each of them did.

    Args:
        review: What is reviewed.

    Raises:
        CallError: There is nothing to compare, or a package is missing.
    """
    comparisons = review.comparisons()
    with closing(review.store()) as store:
        review.publish(store)
        votes = store.votes()
    try:
        whole, people = agreement(votes, comparisons)
    except ImportError as error:
        raise _lacks(error) from error
    if len(votes) > whole.votes:
        review.say(
            f"{len(votes) - whole.votes} votes are on answers that have since changed or are not asked"
        )
    review.say(
        f"{whole.votes} votes on {whole.questions} of {len(comparisons)} questions, {whole.shared} of them"
        " with several votes"
    )
    alpha = "not defined" if whole.alpha is None else f"{whole.alpha:.3f}"
    review.say(f"Krippendorff's alpha {alpha}; pairs of votes that agree {_percent(whole.observed)}")
    review.say(f"choices of a side that motion_check supports {_percent(whole.supported)}")
    told = reported(votes)
    if told:
        table = Table("clip", "reported", "annotator", "question", "note", box=None, pad_edge=False)
        for vote in told:
            kind = vote.choice.replace("_", " ") if vote.choice in SPOILED else ""
            texts = (vote.annotator, vote.question, vote.note or "")
            table.add_row(vote.clip_id, kind, *(escape(visible(text)) for text in texts))
        review.out.print(table)
    if not people:
        return
    table = Table("annotator", box=None, pad_edge=False)
    for name in ("votes", "median s", "chose left", "agrees with others"):
        table.add_column(name, justify="right")
    for one in people:
        seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
        shares = _percent(one.left), _percent(one.observed)
        table.add_row(escape(one.name), str(one.votes), seconds, *shares)
    review.out.print(table)


def _lacks(error: ImportError) -> CallError:
    return CallError(f"review needs {error.name}: pip install 'motionsight-distill[review]'")


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{share:.0%}"
