"""Addresses of clips in `motionsight browse`, for a report that leads to them; nothing is asked of them."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

PORT = 8009  # that `motionsight browse` listens on by default
OTHERS = "(others)"  # sources that are counted together
UNKNOWN = "unknown"  # no source


def clips(**filters: str | Sequence[str]) -> str:
    """Give the address of the clips that filters leave; their names are those of `stages.browse.query`."""
    return f"http://127.0.0.1:{PORT}/" + (f"?{urlencode(filters, doseq=True)}" if filters else "")


def of_source(source: str, **filters: str) -> str | None:
    """Give the address of the clips of a source by its name in the audit; None for several together."""
    if source == OTHERS:
        return None
    return clips(source="" if source == UNKNOWN else source, **filters)


def of_bins(name: str, spread: Mapping[str, Any]) -> list[str]:
    """Give the addresses of the clips in each bin of a number.

    Args:
        name: The number, or a gate that limits it.
        spread: Of `stages.audit.distributions.spread`. Its outermost bins also hold what is beyond the axis.
    """
    bins, half = spread["bins"], 0.5 if spread["whole"] else 0.0
    found = []
    for n, each in enumerate(bins):
        least = f"{each['lo'] + half:g}" if n else ""
        most = f"{each['hi'] - half:g}" if n < len(bins) - 1 else ""
        found.append(clips(**{name: f"{least}..{most}"}))
    return found
