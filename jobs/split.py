"""`motionsight split`: decide what goes into the dataset, and write it."""

import json
from collections import Counter
from pathlib import Path

from jobs.session import Session
from pipeline.config import fingerprint
from pipeline.errors import CallError, RunError, reason
from stages.export import ExportError, publish
from stages.split import Plan, build


def plan(session: Session) -> Plan:
    """What the dataset would hold by the tables and the settings as they are now."""
    workspace, config = session.workspace, session.config
    return build(
        session.need("clips", "ingest"),
        workspace.read("scores"),
        workspace.read("annotations", ["clip_id", "qa", "models", "error"]),
        workspace.read("preferences"),
        config.gates,
        config.split,
    )


def run(session: Session, dry: bool = False) -> Plan:
    """Write the dataset to `dataset/` of the workspace, or only say what it would hold."""
    config, workspace = session.config, session.workspace
    if not workspace.is_local:
        raise CallError(f"the dataset of {workspace.root} has to be written to a local workspace")
    decided = plan(session)
    for name, rows in (("sft", decided.sft), ("dpo", decided.dpo)):
        parts = Counter(rows["split"].to_pylist())
        told = ", ".join(f"{split} {parts[split]}" for split in ("train", "validation", "test"))
        session.say(f"split: {name} {rows.num_rows} rows ({told})")
    for warning in decided.warnings:
        session.say(f"split: note: {warning}")
    if dry:
        session.say("split: dry run, nothing was written")
        return decided
    about = {
        "plan": fingerprint([decided.sft.to_pylist(), decided.dpo.to_pylist()]),
        "config": {name: fingerprint(made) for name, made in sorted(workspace.made_with().items())},
        "gates": config.gates.model_dump(mode="json"),
        "split": config.split.model_dump(mode="json"),
    }
    held = json.loads(workspace.read_bytes("dataset", "manifest.json") or b"{}")
    if about.items() <= held.items() and not held["missing"]:
        session.say("split: nothing to do, the dataset is up to date")
        return decided
    try:
        manifest = publish(decided, Path(workspace.path("dataset")), config.split, about)
    except (ExportError, OSError) as error:
        raise RunError(
            f"cannot write the dataset in {workspace.root}: {reason(error)}; the one before is untouched"
        ) from error
    session.say(f"split: {len(manifest['files'])} files in {workspace.path('dataset')}")
    return decided
