"""The interface of a gate: its settings, what they are compared with, and the reasons for dropping something.

A gate is one file in `filters/gates`. Its settings appear under `gates` in the configuration, its verdicts in
the audit and, if it limits a number, as a slider in the report. Gates are applied when a table is read and
never stored in it, so a new threshold takes effect in seconds, without measuring anything again.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict


class Verdict(NamedTuple):
    """Why something is dropped.

    Attributes:
        gate: The setting that drops it.
        reason: A sentence, with the numbers.
    """

    gate: str
    reason: str


class Gate(BaseModel):
    """Settings that decide what is dropped; None disables a setting.

    A setting that limits a number is called `..._min` or `..._max`; both limits are inclusive.

    Attributes:
        name: The name of the gate.
        title: The name of the limited number in reports.
        unit: Its unit; "" for a count.
        higher: What a higher number means, such as "more motion"; "" where that depends.
        order: Gates are applied in ascending order; the first one that drops something gives the reason.
    """

    model_config = ConfigDict(extra="forbid")

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    unit: ClassVar[str] = ""
    higher: ClassVar[str] = ""
    order: ClassVar[int] = 50

    @classmethod
    def limits(cls) -> list[str]:
        """Return the settings that limit a number."""
        return [name for name in cls.model_fields if kind(name)]


class ClipGate(Gate):
    """A gate that drops clips; by default, by limits on a number that `values` reads from `scores`.

    Attributes:
        columns: The columns of `scores` that it reads; no others are loaded from a large table.
    """

    columns: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Read the limited number.

        Args:
            scores: N rows of `pipeline.schema.SCORES` without an error, with at least `columns`.

        Returns:
            (N,) float64; NaN where it was not measured, which drops the clip if there is a limit.
        """
        # Not abstract: a gate with rules of its own overrides `drops` and limits no number.
        raise NotImplementedError(f"the gate {cls.name} has a limit, but no `values` to compare it with")

    @classmethod
    def drops(cls, scores: pa.Table, settings: Any, left: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Decide which clips to drop.

        Args:
            scores: N rows of `pipeline.schema.SCORES` without an error.
            settings: An object with this gate's settings as attributes.
            left: (N,) bool, the clips that no earlier gate has dropped.

        Yields:
            The name of a setting, and which clips it drops, (N,) bool.
        """
        values: np.ndarray | None = None
        for name in cls.limits():
            limit = getattr(settings, name)
            if limit is not None:
                values = cls.values(scores) if values is None else values
                # Comparisons with NaN are false, so a clip that was not measured is dropped.
                yield name, ~(values >= limit if kind(name) == "min" else values <= limit)


class AnswerGate(Gate):
    """A gate that drops questions with answers; by default, by limits on a number that `value` reads."""

    @classmethod
    def value(cls, qa: Mapping[str, Any]) -> float | None:
        """Read the limited number.

        Args:
            qa: One question with its answer, a struct `pipeline.schema.QA`.

        Returns:
            The number; None where it is missing, which keeps the answer.
        """
        # Not abstract: a gate with rules of its own overrides `verdict` and limits no number.
        raise NotImplementedError(f"the gate {cls.name} has a limit, but no `value` to compare it with")

    @classmethod
    def verdict(cls, qa: Mapping[str, Any], settings: Any) -> Verdict | None:
        """Decide on one question with its answer.

        Args:
            qa: A struct `pipeline.schema.QA`.
            settings: An object with this gate's settings as attributes.

        Returns:
            Why it is dropped; None if it is kept.
        """
        value = cls.value(qa) if cls.limits() else None
        for name in cls.limits():
            limit = getattr(settings, name)
            if limit is None or value is None:
                continue
            if not (value >= limit if kind(name) == "min" else value <= limit):
                return Verdict(name, f"{cls.title} {value:.3g}, not {bound(name)} {limit:g}")
        return None


def kind(name: str) -> str | None:
    """Return "min" or "max" for a setting that limits a number, None for any other."""
    parts = name.split("_")
    return "min" if "min" in parts else "max" if "max" in parts else None


def bound(name: str) -> str:
    """Return "at least" or "at most" for a setting that limits a number."""
    return "at least" if kind(name) == "min" else "at most"


def floats(values: pa.ChunkedArray) -> np.ndarray:
    """Convert a column to (N,) float64, null to NaN."""
    return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
