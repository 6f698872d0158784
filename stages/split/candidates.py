"""What becomes of each question: dropped, an answer to learn from, or a preference pair."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from filters.claims import claims
from filters.verdicts import GatesConfig, qa_verdict
from stages.split.schema import Row
from stages.split.settings import SplitConfig
from stages.split.votes import Choice

VAGUE = {"camera:moves", "object:still", "object:none_moves"}  # claims that say little


@dataclass(frozen=True)
class Candidate:
    """A question on its way into the dataset.

    Attributes:
        index: Number of the question in its clip, from 0.
        question: Its text.
        category: object, camera or both.
        answer: The text to learn.
        rejected: The worse text; None when there is no pair.
        chosen_source: Who preferred the answer, human or motion_check; None when there is no pair.
        verifier: What motion_check makes of the pair: supports, contradicts or cannot_judge.
        gate: The gate that drops the question; None if it passes.
        alignment: Mean of motion_check and VQAScore, 0 to 1; None without either.
    """

    index: int
    question: str
    category: str
    answer: str
    rejected: str | None = None
    chosen_source: str | None = None
    verifier: str | None = None
    gate: str | None = None
    alignment: float | None = None

    def pair(self) -> Row:
        """Return the columns of a preference row; only a pair that differs in a claim is about motion."""
        differs = set(claims(self.answer)) != set(claims(self.rejected or ""))
        return {
            "chosen": self.answer,
            "rejected": self.rejected,
            "chosen_source": self.chosen_source,
            "kind": "motion" if differs else "other",
            "verifier": self.verifier,
        }


def candidate(
    index: int, qa: Mapping[str, Any], choice: Choice | None, gates: GatesConfig, config: SplitConfig
) -> Candidate:
    """Decide on a question.

    People's choices replace the answer and pass the gates on answers, but not the filters of the settings.

    Args:
        index: Number of the question in its clip.
        qa: The question, as in the column `qa` of `annotations`.
        choice: What people decided on it, if anything.
        gates: Thresholds on answers.
        config: Filters on questions and answers, and the margin of a pair.
    """
    check, baseline_check = qa["motion_check"], qa["baseline_check"]
    numbers = [number for number in (check, qa["vqascore"]) if number is not None]
    alignment = sum(numbers) / len(numbers) if numbers else None
    one = Candidate(index, qa["question"], qa["category"], qa["answer"], alignment=alignment)
    if qa["category"] not in config.categories:
        return replace(one, gate="categories")
    if config.question_pattern and not re.search(config.question_pattern, qa["question"] or ""):
        return replace(one, gate="question_pattern")
    if choice and choice.shown and choice.shown != {qa["answer"], qa["baseline"]}:
        choice = None  # it was about texts that have since been replaced
    if choice and choice.spoiled:
        return replace(one, gate=choice.spoiled)
    if choice and choice.both_bad:
        return replace(one, gate="both_bad")
    if choice and choice.chosen:
        one = replace(one, answer=choice.chosen)
        if gate := _length_gate(one.answer, config):
            return replace(one, gate=gate)
        return _paired(one, choice.rejected or qa["baseline"], "human", qa)
    if verdict := qa_verdict(qa, gates):
        return replace(one, gate=verdict.gate)
    if gate := _length_gate(one.answer, config):
        return replace(one, gate=gate)
    if choice or check is None or baseline_check is None:
        return one
    # A NaN compares as false, and so makes no pair.
    enough = check - baseline_check >= config.min_dpo_margin and _certain(qa)
    return _paired(one, qa["baseline"], "motion_check", qa) if enough else one


def _certain(qa: Mapping[str, Any]) -> bool:
    """Whether an answer may be preferred: all its claims are judged, and one says more than that it moves."""
    said = {claim.removeprefix("not ") for claim in qa["claims"] or ()}
    return not qa.get("unjudged") and bool(said - VAGUE)


def _length_gate(answer: str, config: SplitConfig) -> str | None:
    """Return the gate that an answer with too few or too many words does not pass."""
    words = len(answer.split())
    if config.answer_words_min and words < config.answer_words_min:
        return "answer_words_min"
    if config.answer_words_max and words > config.answer_words_max:
        return "answer_words_max"
    return None


def _paired(one: Candidate, rejected: str | None, source: str, qa: Mapping[str, Any]) -> Candidate:
    """Make a preference pair of it, if there is another text to prefer the answer to."""
    if not rejected or rejected.split() == one.answer.split():
        return one
    known = {qa["baseline"]: qa["baseline_check"], qa["answer"]: qa["motion_check"]}
    better, worse = known.get(one.answer), known.get(rejected)
    if better is None or worse is None or better == worse:
        verifier = "cannot_judge"
    else:
        verifier = "supports" if better > worse else "contradicts"
    return replace(one, rejected=rejected, chosen_source=source, verifier=verifier)
