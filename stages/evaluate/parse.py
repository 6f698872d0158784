"""Which option a model has chosen, read strictly: what is not clearly one of them is none of them."""

import re
from collections.abc import Sequence

from stages.evaluate.benchmarks import LETTERS

ALONE = re.compile(r"[(\[]?([A-Z])[)\]]?[.:]?", re.IGNORECASE)
SAID = re.compile(
    r"(?:so,? |therefore,? )?(?:the |my |final |correct |best )*(?:answer|option|choice)"
    r"(?: is| would be)?\s*[:=]?\s*"
    r"[(\[]?([A-Z])[)\]]?(?:[.:,)]\s*(.*))?",
    re.IGNORECASE,
)
WITH_TEXT = re.compile(r"[(\[]?([A-Z])[)\].:]+\s*(.+)", re.IGNORECASE)


def letter(reply: str, options: Sequence[str]) -> str | None:
    """The letter of the option that a reply chooses; None when it is not clear.

    Taken are: a letter alone, a letter with the text of its option, "Answer: B" and the like, or the text of
    one option alone; of a longer reply, its last line or else its first.
    """
    lines = [line.strip() for line in reply.replace("*", "").strip().splitlines() if line.strip()]
    for line in (*lines[-1:], *lines[:1]):
        found = _of_line(line, options)
        if found and LETTERS.index(found) < len(options):
            return found
    return None


def _of_line(line: str, options: Sequence[str]) -> str | None:
    if match := ALONE.fullmatch(line):
        return match[1].upper()
    texts = {name: _plain(text) for name, text in zip(LETTERS, options, strict=False)}
    if match := SAID.fullmatch(line):
        chosen, told = match[1].upper(), match[2] and _plain(match[2])
        return chosen if told not in texts.values() or told == texts.get(chosen) else None
    if (match := WITH_TEXT.fullmatch(line)) and (chosen := match[1].upper()) in texts:
        return chosen if _plain(match[2]) == texts[chosen] else None
    named = [name for name, text in texts.items() if text == _plain(line)]
    return named[0] if len(named) == 1 else None


def yes_or_no(reply: str) -> str | None:
    """ "Yes" or "No", when a reply begins with that word."""
    match = re.match(r"\W*(yes|no)\b", reply, re.IGNORECASE)
    return match[1].capitalize() if match else None


def _plain(text: str) -> str:
    """Text without case, white space or the full stop at its end."""
    return " ".join(text.casefold().split()).rstrip(".")
