"""A training run: what it depends on, and what its output folder says about how far it has got."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.durable import sync
from pipeline.errors import CallError
from stages.train.rows import Rows, Source
from stages.train.settings import MAY_CHANGE, Phase, TrainConfig

CHECKPOINTS, METRICS, ADAPTER, RECORD = "checkpoints", "tensorboard", "adapter", "training.json"
STATE = "trainer_state.json"  # the last file that transformers writes to a checkpoint


@dataclass(frozen=True)
class TrainingRun:
    """One phase of training.

    Attributes:
        phase: Fine-tuning or preference optimisation.
        config: All settings.
        source: The rows to train on.
        output: The folder for the model, which also holds the checkpoints, metrics and record of the run.
    """

    phase: Phase
    config: TrainConfig
    source: Source
    output: str

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.output)

    def record(self, rows: Rows) -> dict[str, Any]:
        """What the trained weights depend on; a resumed run must have the same record.

        Args:
            rows: The training rows.
        """
        settings = {
            key: value for key, value in self.config.model_dump(mode="json").items() if key not in MAY_CHANGE
        }
        return {
            "stage": self.phase,
            "dataset": self.source.dataset,
            "rows": rows.fingerprint,
            "settings": settings,
        }

    def as_dict(self) -> dict[str, Any]:
        """The run as JSON values, to be sent to another process."""
        return {
            "phase": self.phase,
            "config": self.config.model_dump(mode="json"),
            "source": asdict(self.source),
            "output": self.output,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingRun":
        """The run that `as_dict` was called on."""
        config = TrainConfig.model_validate(values["config"])
        return cls(values["phase"], config, Source(**values["source"]), values["output"])


def is_done(run: TrainingRun, rows: Rows) -> bool:
    """Whether the output folder holds the finished model of this run.

    Raises:
        CallError: The folder belongs to a run with another record.
    """
    before = read_record(run.folder)
    if before and (differing := differences(before, run.record(rows))):
        raise CallError(
            f"{run.output} belongs to a run with other settings: {'; '.join(differing)}; use another "
            "--output, or --restart"
        )
    return bool(before and before.get("done"))


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """`name: was A, is B` for each value that differs between two records."""
    pairs = [(key, before.get(key), now[key]) for key in ("stage", "dataset", "rows")]
    pairs += [(key, before["settings"].get(key), value) for key, value in now["settings"].items()]
    return [f"{key}: was {was!r}, is {value!r}" for key, was, value in pairs if was != value]


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of the run in a folder, or None if there is no run.

    Once the run is finished, the record also has its metrics (`done`) and the `versions` of packages.
    """
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write the record of a run at once, so that a killed run leaves the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = (folder / RECORD).with_suffix(".new")
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    sync(draft)
    draft.replace(folder / RECORD)
    sync(folder)


def last_checkpoint(folder: Path) -> Path | None:
    """The latest complete checkpoint of the run in a folder, or None."""
    complete = []
    for path in (folder / CHECKPOINTS).glob("checkpoint-*"):
        try:
            json.loads((path / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        complete.append(path)
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def discard(folder: Path) -> None:
    """Delete the record, checkpoints and metrics of the run in a folder, but not a finished model."""
    (folder / RECORD).unlink(missing_ok=True)
    for name in (CHECKPOINTS, METRICS):
        shutil.rmtree(folder / name, ignore_errors=True)
