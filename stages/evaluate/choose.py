"""Answer from measurements alone, for the kinematic describer, which does not write letters."""

import re
from collections.abc import Sequence

from filters.claims import Claim, claims
from filters.evidence import Evidence
from filters.motion_check import judge
from stages.evaluate.question import LETTERS

ABOUT_CAMERA = re.compile(r"\b(?:camera|shot|view|zoom\w*|pan\w*|tilt\w*)\b", re.IGNORECASE)
ASKS = re.compile(r"^(?:does|do|did|is|are|was|were)\s+(.*?)\??$", re.IGNORECASE | re.DOTALL)


def choose(question: str, options: Sequence[str], evidence: Evidence) -> str | None:
    """Choose the option whose claims the measurements support best.

    An option counts the claims that are supported minus those that are contradicted. One without a claim that
    can be judged counts 0, so it beats the options that are contradicted.

    Returns:
        The letter of the option, or None on a tie: then the measurements do not decide.
    """
    support = [_support(_claims(question, option), evidence) or 0.0 for option in options]
    best = max(support)
    return LETTERS[support.index(best)] if support.count(best) == 1 else None


def probability(question: str, evidence: Evidence) -> float | None:
    """How far the measurements support answering Yes.

    Returns:
        0 (all claims in the question are contradicted) to 1 (all are supported), or None if none of them
        can be judged.
    """
    match = ASKS.match(question.strip())
    found = claims(match[1]) if match else []
    support = _support(found, evidence)
    return None if support is None else 0.5 + 0.5 * support / len(found)


def _claims(question: str, option: str) -> list[Claim]:
    """The claims in an option. It may be as short as "left", and is then about what the question is about."""
    about = "The camera" if ABOUT_CAMERA.search(question) else "It"
    for text in (f"{about} {option[:1].lower()}{option[1:]}", f"{about} moves {option}", option):
        if found := claims(text):
            return found
    return []


def _support(found: Sequence[Claim], evidence: Evidence) -> float | None:
    """Supported minus contradicted claims, or None if none can be judged."""
    verdicts = [judge(claim, evidence) for claim in found]
    if all(verdict is None for verdict in verdicts):
        return None
    return sum(1.0 if verdict else -1.0 for verdict in verdicts if verdict is not None)
