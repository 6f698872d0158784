"""What a gate is: settings, what they are compared with, and the reason it gives for what it drops.

A gate is one file in `filters/gates`. Its settings appear under `gates` in the configuration, its verdicts
in the audit and, where it compares a number, as a slider in the report. Gates are applied when a table is
read, never stored in it: a new threshold decides anew, in seconds, what was expensive to measure.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict


class Verdict(NamedTuple):
    """Why something is dropped.

    Attributes:
        gate: The name of the setting that drops it.
        reason: A sentence with the numbers.
    """

    gate: str
    reason: str


class Gate(BaseModel):
    """Settings that decide what is dropped; None switches a setting off.

    The name of a setting that limits a number says which way: `..._min` or `..._max`, both inclusive.

    Attributes:
        title: What people call the number that is limited.
        unit: Its unit; "" for a count.
        order: Gates are applied in this order, and the first that fails gives the reason.
    """

    model_config = ConfigDict(extra="forbid")

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    unit: ClassVar[str] = ""
    order: ClassVar[int] = 50

    @classmethod
    def limits(cls) -> list[str]:
        """Return the settings that limit a number."""
        return [name for name in cls.model_fields if kind(name)]


class ClipGate(Gate):
    """A gate on clips: on a number that `values` reads from the rows of `scores`.

    Attributes:
        columns: The columns of `scores` that it reads; a table that is large is read with these alone.
    """

    columns: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def values(cls, scores: pa.Table) -> np.ndarray:
        """Read the number that is limited.

        Args:
            scores: Rows without an error, with `columns`.

        Returns:
            (N,) float64, NaN where it was not measured: such a clip does not pass.
        """
        raise NotImplementedError

    @classmethod
    def drops(cls, scores: pa.Table, settings: Any, left: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Decide on clips.

        Args:
            scores: Rows without an error.
            settings: With this gate's settings as attributes.
            left: (N,) bool, those that no gate before dropped.

        Yields:
            The name of a setting, and which clips it drops, (N,) bool.
        """
        values: np.ndarray | None = None
        for name in cls.limits():
            limit = getattr(settings, name)
            if limit is not None:
                values = cls.values(scores) if values is None else values
                # NaN compares as false: what was not measured does not pass.
                yield name, ~(values >= limit if kind(name) == "min" else values <= limit)


class AnswerGate(Gate):
    """A gate on questions and their answers.

    Attributes:
        column: The number of `qa` that is limited.
    """

    column: ClassVar[str] = ""

    @classmethod
    def verdict(cls, qa: Mapping[str, Any], settings: Any) -> Verdict | None:
        """Decide on one question and its answer.

        Args:
            qa: A struct `pipeline.schema.QA`.
            settings: With this gate's settings as attributes.

        Returns:
            Why it is dropped; None: it is kept. An answer without the number is kept.
        """
        value = qa[cls.column]
        for name in cls.limits():
            limit = getattr(settings, name)
            if limit is None or value is None:
                continue
            if not (value >= limit if kind(name) == "min" else value <= limit):
                return Verdict(name, f"{cls.title} {value:.3g}, not {bound(name)} {limit:g}")
        return None


def kind(name: str) -> str | None:
    """Return "min" or "max" for a setting that limits a number; None for another."""
    parts = name.split("_")
    return "min" if "min" in parts else "max" if "max" in parts else None


def bound(name: str) -> str:
    """Return "at least" or "at most"."""
    return "at least" if kind(name) == "min" else "at most"


def floats(values: pa.ChunkedArray) -> np.ndarray:
    """Return a column as (N,) float64, null as NaN."""
    return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
