"""`motionsight split`: decide what goes into the dataset, and write it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from rich.progress import track

from configs.published import sections
from configs.settings import fingerprint
from filters.verdicts import COLUMNS
from jobs.console import console, visible
from jobs.session import Session
from pipeline import engine
from pipeline.errors import CallError, RunError, reason
from stages.review.store import preferences
from stages.split.compare import difference, planned, published, render, settings_between
from stages.split.making import tally
from stages.split.plan import DatasetPlan, build
from stages.split.publish import ExportError, MapShards, folders, publish, recover
from stages.split.schema import MOTION, SPLITS
from stages.split.shards import Shard, Written
from stages.split.tiers import RANKED

# What the gates, the ranks and the card read of a score.
SCORES = tuple(sorted({"clip_id", "error", *RANKED, *COLUMNS, *MOTION.names}))
FEW_SHARDS = 8  # are written sooner here than workers can be started
VERSION = re.compile(r"[A-Za-z0-9][\w.-]*")


def plan(session: Session) -> DatasetPlan:
    """Return what the dataset would hold by the tables and the settings as they are now."""
    workspace, config = session.workspace, session.config
    decided = build(
        session.need("clips", "ingest"),
        workspace.read("scores", SCORES),
        workspace.read("annotations", ["clip_id", "qa", "models", "error"]),
        preferences(workspace),
        config.gates,
        config.split,
    )
    return replace(decided, made=workspace.made_with())


def run(session: Session, dry: bool = False, version: str | None = None) -> DatasetPlan:
    """Write the dataset of a workspace, unless it is up to date.

    Args:
        session: The workspace and the settings.
        dry: Only say what would change.
        version: Write `dataset/VERSION` instead of `dataset/`.

    Returns:
        What the dataset holds, or would hold.

    Raises:
        CallError: No clips were ingested, or the version is not a name.
        RunError: The dataset cannot be written.
    """
    config, workspace = session.config, session.workspace
    folder = _folder(session, version)
    decided = plan(session)
    for tier, rows in (("sft", decided.sft), ("dpo", decided.dpo)):
        parts = Counter(rows["split"].to_pylist())
        counts = ", ".join(f"{split} {parts[split]}" for split in SPLITS)
        session.say(f"split: {tier} {rows.num_rows} rows ({counts})")
    for warning in decided.warnings:
        session.say(f"split: note: {warning}")
    if dry:
        _dry_run(session, decided, folder)
        return decided
    about = {
        "plan": fingerprint(
            [part.to_pylist() for part in (decided.sft, decided.dpo, decided.motion)]
            + [tally(part) for part in (decided.clips, decided.qa)]
        ),
        "config": {name: fingerprint(made) for name, made in sorted(workspace.made_with().items())},
        "gates": config.gates.model_dump(mode="json"),
        "split": config.split.model_dump(mode="json"),
        "profile": session.profile or sections(config),
    }
    place = ("dataset", version) if version else ("dataset",)
    try:
        recover(folder)  # or else a dataset that is not quite finished would pass as up to date
        before = session.published(place)
        if about.items() <= before.items() and not before["missing"]:
            session.say("split: nothing to do, the dataset is up to date")
            return decided
        manifest = publish(decided, folder, config.split, about, _map_shards(session))
    except (ExportError, OSError) as error:
        whole = workspace.is_local or isinstance(error, ExportError)
        rest = "is unchanged" if whole else "or the new one can be read; run the same command again"
        raise RunError(
            f"cannot write the dataset in {workspace.root}: {reason(error)}; the previous one {rest}"
        ) from error
    session.say(f"split: {len(manifest['files'])} files in {folder}")
    return decided


def _folder(session: Session, version: str | None) -> str:
    root = f"{session.workspace.root}/dataset"
    if version is None:
        return root
    if not VERSION.fullmatch(version) or version in folders():
        raise CallError(
            f"--version {version!r}: use letters, digits, '.', '_' and '-', and none of the names "
            f"{', '.join(folders())}"
        )
    return f"{root}/{version}"


def _dry_run(session: Session, decided: DatasetPlan, folder: str) -> None:
    try:
        _, before = published(folder)
    except FileNotFoundError:
        session.say(f"split: there is no dataset in {folder} yet")
    else:
        session.say(f"split: compared with the dataset in {folder}")
        for part in render(difference(before, planned(decided), decided.clips)):
            session.report.print(part)
    session.say("split: dry run, nothing was written")


def diff(session: Session | None, names: tuple[str, str], as_json: bool) -> None:
    """Print how two datasets differ.

    Args:
        session: The workspace whose versions can be named; None: the names are folders.
        names: Folders, or versions in the workspace; `dataset` is the version without a name.
        as_json: Print JSON rather than tables.

    Raises:
        CallError: One of them is not there.
    """
    (old, old_rows), (new, new_rows) = (_named(session, name) for name in names)
    change = difference(old_rows, new_rows) | {"settings": settings_between(old, new)}
    if as_json:
        print(visible(json.dumps(change, indent=1, ensure_ascii=False)))
        return
    out = session.report if session else console(report=True)
    for part in render(change, change["settings"]):
        out.print(part)


def _named(session: Session | None, name: str) -> tuple[dict[str, Any], pa.Table]:
    places = [name]
    if session and VERSION.fullmatch(name):
        places.insert(0, f"{session.workspace.root}/dataset" + (f"/{name}" if name != "dataset" else ""))
    for place in places:
        try:
            return published(place)
        except FileNotFoundError:
            continue
    raise CallError(f"no dataset {name!r}: no manifest.json in {' or '.join(places)}")


def _map_shards(session: Session) -> MapShards:
    """How shards are written: by the workers, or in this process if there are few. With a progress bar."""

    def mapped(write: Callable[[Shard], Written], shards: Sequence[Shard]) -> Iterator[Written]:
        few = len(shards) <= FEW_SHARDS
        done = map(write, shards) if few else engine.scatter("split", write, shards, session.config.engine)
        yield from track(
            done, "split    ", len(shards), console=session.out, disable=not session.out.is_terminal
        )

    return mapped
