"""`motionsight split`: decide what goes into the dataset, and write it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from rich.progress import track

from configs.settings import fingerprint
from jobs.session import Session, console
from pipeline import engine
from pipeline.errors import CallError, RunError, reason
from stages.review.store import preferences
from stages.split.compare import difference, held, planned, render, settings_between
from stages.split.plan import Plan, build
from stages.split.publish import FOLDERS, ExportError, Shard, Written, publish

# What the gates and the composite read; the rest of a score is not needed to split.
SCORES = (
    *("clip_id", "error", "width", "height", "duration_s", "cuts", "phash"),
    *("quality", "quality_metric", "flow_mean", "object_motion"),
)
FEW_SHARDS = 8  # that are written sooner than workers could be started
VERSION = re.compile(r"[A-Za-z0-9][\w.-]*")


def plan(session: Session) -> Plan:
    """What the dataset would hold by the tables and the settings as they are now."""
    workspace, config = session.workspace, session.config
    return build(
        session.need("clips", "ingest"),
        workspace.read("scores", SCORES),
        workspace.read("annotations", ["clip_id", "qa", "models", "error"]),
        preferences(workspace),
        config.gates,
        config.split,
    )


def run(session: Session, dry: bool = False, version: str | None = None) -> Plan:
    """Write `dataset/` or `dataset/VERSION` of the workspace, or only say what would change in it."""
    config, workspace = session.config, session.workspace
    folder = _folder(session, version)
    decided = plan(session)
    for name, rows in (("sft", decided.sft), ("dpo", decided.dpo)):
        parts = Counter(rows["split"].to_pylist())
        told = ", ".join(f"{split} {parts[split]}" for split in ("train", "validation", "test"))
        session.say(f"split: {name} {rows.num_rows} rows ({told})")
    for warning in decided.warnings:
        session.say(f"split: note: {warning}")
    if dry:
        _dry_run(session, decided, folder)
        return decided
    about = {
        "plan": fingerprint([decided.sft.to_pylist(), decided.dpo.to_pylist()]),
        "config": {name: fingerprint(made) for name, made in sorted(workspace.made_with().items())},
        "gates": config.gates.model_dump(mode="json"),
        "split": config.split.model_dump(mode="json"),
    }
    parts_of = ("dataset", version) if version else ("dataset",)
    before = json.loads(workspace.read_bytes(*parts_of, "manifest.json") or b"{}")
    if about.items() <= before.items() and not before["missing"]:
        session.say("split: nothing to do, the dataset is up to date")
        return decided
    try:
        manifest = publish(decided, folder, config.split, about, _mapper(session))
    except (ExportError, OSError) as error:
        raise RunError(
            f"cannot write the dataset in {workspace.root}: {reason(error)}; the one before is untouched"
        ) from error
    session.say(f"split: {len(manifest['files'])} files in {folder}")
    return decided


def _folder(session: Session, version: str | None) -> str:
    root = f"{session.workspace.root}/dataset"
    if version is None:
        return root
    if not VERSION.fullmatch(version) or version in FOLDERS:
        raise CallError(
            f"--version {version!r}: letters, digits, '.', '_' and '-', and none of {', '.join(FOLDERS)}"
        )
    return f"{root}/{version}"


def _dry_run(session: Session, decided: Plan, folder: str) -> None:
    try:
        _, before = held(folder)
    except FileNotFoundError:
        session.say(f"split: there is no dataset in {folder} yet")
    else:
        session.say(f"split: against the dataset in {folder}")
        for part in render(difference(before, planned(decided), decided.clips)):
            session.out.print(part)
    session.say("split: dry run, nothing was written")


def diff(session: Session | None, names: tuple[str, str], as_json: bool) -> None:
    """Say in what two datasets differ: folders, or versions of the workspace (`dataset`: the unnamed one)."""
    (old, old_rows), (new, new_rows) = (_held(session, name) for name in names)
    told = difference(old_rows, new_rows) | {"settings": settings_between(old, new)}
    if as_json:
        print(json.dumps(told, indent=1, ensure_ascii=False))
        return
    out = session.out if session else console()
    for part in render(told, told["settings"]):
        out.print(part)


def _held(session: Session | None, name: str) -> tuple[dict[str, Any], pa.Table]:
    places = [name]
    if session and VERSION.fullmatch(name):
        places.insert(0, f"{session.workspace.root}/dataset" + (f"/{name}" if name != "dataset" else ""))
    for place in places:
        try:
            return held(place)
        except FileNotFoundError:
            continue
    raise CallError(f"no dataset {name!r}: no manifest.json in {' or '.join(places)}")


def _mapper(session: Session) -> Callable[[Callable[[Shard], Written], Sequence[Shard]], Iterator[Written]]:
    """How shards are written: by the workers, or here when they are few. With a progress bar."""

    def mapped(write: Callable[[Shard], Written], shards: Sequence[Shard]) -> Iterator[Written]:
        done = (
            map(write, shards)
            if len(shards) <= FEW_SHARDS
            else engine.scatter("split", write, shards, session.config.engine)
        )
        yield from track(
            done, "split    ", len(shards), console=session.out, disable=not session.out.is_terminal
        )

    return mapped
