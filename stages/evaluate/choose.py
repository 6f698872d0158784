"""Which option the measurements support best, for the describer, which writes no letters."""

import re
from collections.abc import Sequence

from filters.claims import Claim, claims
from filters.evidence import Evidence
from filters.motion_check import judge
from stages.evaluate.benchmarks import LETTERS

ABOUT_CAMERA = re.compile(r"\b(?:camera|shot|view|zoom\w*|pan\w*|tilt\w*)\b", re.IGNORECASE)
ASKS = re.compile(r"^(?:does|do|did|is|are|was|were)\s+(.*?)\??$", re.IGNORECASE | re.DOTALL)


def choose(question: str, options: Sequence[str], evidence: Evidence) -> str | None:
    """The letter of the option with the most claims supported and the fewest contradicted.

    An option of which nothing can be judged stands between. None when the best are equal: then the
    measurements do not tell.
    """
    worth = [_worth(_claims(question, option), evidence) or 0.0 for option in options]
    best = max(worth)
    return LETTERS[worth.index(best)] if worth.count(best) == 1 else None


def probability(question: str, evidence: Evidence) -> float | None:
    """How far the measurements support the answer Yes to a question, 0 to 1; None: they do not tell."""
    match = ASKS.match(question.strip())
    found = claims(match[1]) if match else []
    worth = _worth(found, evidence)
    return None if worth is None else 0.5 + 0.5 * worth / len(found)


def _claims(question: str, option: str) -> list[Claim]:
    """The claims of an option, which may be no more than "left": then of what the question is about."""
    about = "The camera" if ABOUT_CAMERA.search(question) else "It"
    for text in (f"{about} {option[:1].lower()}{option[1:]}", f"{about} moves {option}", option):
        if found := claims(text):
            return found
    return []


def _worth(found: Sequence[Claim], evidence: Evidence) -> float | None:
    verdicts = [judge(claim, evidence) for claim in found]
    if all(verdict is None for verdict in verdicts):
        return None
    return sum(1.0 if verdict else -1.0 for verdict in verdicts if verdict is not None)
