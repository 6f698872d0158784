"""Read which option a model has chosen, strictly: an ambiguous reply chooses none."""

import re
from collections.abc import Sequence

from stages.evaluate.benchmark import LETTERS

ALONE = re.compile(r"[(\[]?([A-Z])[)\]]?[.:]?", re.IGNORECASE)
ANNOUNCED = re.compile(
    r"(?:so,? |therefore,? )?(?:the |my |final |correct |best )*(?:answer|option|choice)"
    r"(?: is| would be)?\s*[:=]?\s*"
    r"[(\[]?([A-Z])[)\]]?(?:[.:,)]\s*(.*))?",
    re.IGNORECASE,
)
WITH_TEXT = re.compile(r"[(\[]?([A-Z])[)\].:]+\s*(.+)", re.IGNORECASE)


def letter(reply: str, options: Sequence[str]) -> str | None:
    """Read the chosen option from a reply.

    Accepted are a letter alone, a letter with the text of its option, "Answer: B" and the like, and the text
    of exactly one option. In a reply of several lines the last one decides, or else the first.

    Args:
        reply: What the model wrote.
        options: The texts of options A, B, ...

    Returns:
        The letter, or None if the reply does not clearly choose one of the options.
    """
    lines = [line.strip() for line in reply.replace("*", "").strip().splitlines() if line.strip()]
    for line in (*lines[-1:], *lines[:1]):
        found = _in_line(line, options)
        if found and LETTERS.index(found) < len(options):
            return found
    return None


def _in_line(line: str, options: Sequence[str]) -> str | None:
    if match := ALONE.fullmatch(line):
        return match[1].upper()
    texts = {name: _plain(text) for name, text in zip(LETTERS, options, strict=False)}
    if match := ANNOUNCED.fullmatch(line):
        chosen, rest = match[1].upper(), match[2] and _plain(match[2])
        return chosen if rest not in texts.values() or rest == texts.get(chosen) else None
    if (match := WITH_TEXT.fullmatch(line)) and (chosen := match[1].upper()) in texts:
        return chosen if _plain(match[2]) == texts[chosen] else None
    named = [name for name, text in texts.items() if text == _plain(line)]
    return named[0] if len(named) == 1 else None


def yes_or_no(reply: str) -> str | None:
    """ "Yes" or "No" if the reply starts with that word, else None."""
    match = re.match(r"\W*(yes|no)\b", reply, re.IGNORECASE)
    return match[1].capitalize() if match else None


def _plain(text: str) -> str:
    """Text in one case, with single spaces and without a final full stop."""
    return " ".join(text.casefold().split()).rstrip(".")
