"""The strict protocol: a reply that clearly names one choice is read; one that names none or more is not."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from stages.evaluate.protocols.protocol import UNREAD, BenchmarkProtocol, Reading, one
from stages.evaluate.question import LETTERS, BenchmarkQuestion
from stages.models.mllm.thinking import take_apart

# What models put around the answer itself.
MARKED = re.compile(
    r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}|<answer>(.*?)(?:</answer>|$)"
    r"|<\|begin_of_box\|>(.*?)(?:<\|end_of_box\|>|$)",
    re.DOTALL | re.IGNORECASE,
)
WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|rm|bf)\s*\{([^{}]*)\}")
DECORATION = re.compile(r"[*`$#]+|__+|</?(?:b|i|strong|em)>")

LABEL = r"(?:(?i:option|choice|answer|letter))"
OPEN, CLOSE = r"[\s(\[{\"']*", r"[)\]}\"']*"
# A letter that stands for an option, and not for an article or a pronoun: a capital with nothing but
# punctuation, or a word that goes on from an answer, behind it; or any letter in brackets.
BEHIND = (
    r"(?=\s*(?:$|[.,:;!\n/(]|[-\u2013\u2014]\s"
    r"|(?:because|since|as|for|and|or|with|which|where|in which)\b))"
)
CAPITAL = rf"(?P<letter>[A-Z])(?:[)\]}}\"']+|{BEHIND})"
LETTER = re.compile(rf"{OPEN}(?:{LABEL}\s+)?{OPEN}(?:{CAPITAL}|(?<=[(\[])(?P<small>[a-zA-Z])[)\]])")
# Words that announce what they are followed by.
ANNOUNCING = re.compile(
    r"(?:(?:^|\b)(?P<final>final\s+)?(?:answer|choice|option|letter|prediction)\b[\"']?"
    r"(?:\s+(?:to|for|of)\s+(?:the|this)\s+question)?"
    r"(?:\s+(?:is|was|would\s+be|should\s+be|must\s+be|has\s+to\s+be|seems\s+to\s+be|appears\s+to\s+be)\b"
    r"(?:\s+(?:most\s+likely|probably|likely|clearly|therefore|thus|definitely))?\s*:?|\s*[:=]|\s+[-\u2013\u2014])"
    r"|\bi(?:\s+would|'d|\s+will|'ll)?\s+(?:think|believe|say|guess|choose|pick|select|go\s+with|answer)\b"
    r"(?:\s+that)?(?:\s+(?:it\s+is|it's|the\s+(?:\w+\s+)?(?:answer|option|choice)\s+is))?:?"
    r"|\b(?:it\s+is|it's|it\s+must\s+be|must\s+be|so|therefore|thus|hence),?"
    r"|\u7b54\u6848(?:\u662f|\u4e3a)?:?|\u9009(?:\u62e9|\u9879)?:?)"
    r"\s*",
    re.IGNORECASE,
)
NEGATED = re.compile(r"\s*(?:not|neither|never|none|no\s+longer)\b", re.IGNORECASE)
# Before an answer that is denied or supposed: "I don't think it is B", "if the answer is B".
DENYING = re.compile(
    r"(?:\b(?:not|never|hardly|nor|neither|if|whether|unless|suppose)|n't)\W+(?:\w+\W+)?$", re.IGNORECASE
)
DENIED = re.compile(r"\b(?:not|never|nor|neither|or|if|whether)\b|n't\b", re.IGNORECASE)
CLAUSE = re.compile(r"[.!?,;:\n]|\b(?:but|so|therefore)\b", re.IGNORECASE)
ALTERNATIVE = re.compile(
    rf"\s*(?:,?\s*\b(?:or|and)\b|[/,&])\s*(?:either\s+|also\s+)?{OPEN}(?:{LABEL}\s+)?{OPEN}([A-Z]){CLOSE}(?![\w'])"
)
CONFIRMED = re.compile(
    rf"(?:^|[\s(\[])(?:{LABEL}\s+)?[(\[]?([A-Z])[)\]]?\s+(?:is|seems|looks|appears(?:\s+to\s+be)?)\s+"
    r"(?:the\s+)?(?:most\s+)?(?:correct|right|best|true|accurate|likely|appropriate|answer)\b"
)
ALONE = re.compile(rf"{OPEN}(?:{LABEL}\s+)?{OPEN}([A-Za-z]){CLOSE}\s*[.:,;!]*\s*")
STARTING = re.compile(
    rf"{OPEN}(?:{LABEL}\s+)?{OPEN}([A-Z]){CLOSE}\s*(?:[.:,;]|(?<=[)\]])|\s[-\u2013\u2014=]+|\s(?=because\b|since\b))\s*(.+)"
)
NAMED = re.compile(r"(?:^|[\s(\[,/])([A-Z])[.):\]](?=\s|$)")
YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
BOTH = re.compile(r"\W*(?:yes\W+(?:and|or)\W+no|no\W+(?:and|or)\W+yes)\b", re.IGNORECASE)


def read(reply: str, question: BenchmarkQuestion) -> Reading:
    """Read the choice that a reply clearly names.

    What a model marks as its answer (`\\boxed{B}`, `<answer>B</answer>`) decides; else what the reply
    announces as its answer ("the answer is B", "I think it is B"); else a line that is a letter, a letter
    with a text, or the text of an option. Whoever names several choices by the same means names none.
    """
    text = unicodedata.normalize("NFKC", take_apart(reply).raw)
    text = text.replace("\u2019", "'").replace("\u201c", '"').replace("\u201d", '"')
    marks = [next(filter(None, found), "") for found in MARKED.findall(text)]
    text = DECORATION.sub("", WRAPPED.sub(r"\1", MARKED.sub(" ", text) if marks else text)).strip()
    choose = _option if question.options else _yes_or_no
    found = {choose(DECORATION.sub("", WRAPPED.sub(r"\1", mark)).strip(), question) for mark in marks}
    if not marks:
        found = {choose(text, question)}
    return one(found.pop(), question) if len(found) == 1 else UNREAD


STRICT = BenchmarkProtocol(source="MotionSight Distill", read=read)


def _option(text: str, question: BenchmarkQuestion) -> str | None:
    """The letter of the option that a text names, or None."""
    texts = {plain(option): letter for letter, option in zip(LETTERS, question.options, strict=False)}
    repeated = len(texts) < len(question.options)
    texts = {} if repeated else {option: letter for option, letter in texts.items() if option}
    announced = [*_announced(text, texts, question.choices)]
    final = [letter for letter, last in announced if last]
    if announced:
        letters = set(final or [letter for letter, _ in announced])
        return letters.pop() if len(letters) == 1 else None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    by_line = [_in_line(line, texts) for line in lines]
    named = {letter for letter in by_line if letter}
    if len(named) == 1 and (by_line[0] or by_line[-1]):
        return named.pop()
    return None


def _announced(text: str, texts: dict[str, str], choices: Sequence[str]) -> Iterator[tuple[str | None, bool]]:
    """What a text announces: a letter, None where that is ambiguous, and whether as the final answer."""
    for match in ANNOUNCING.finditer(text):
        rest = text[match.end() :]
        if NEGATED.match(rest) or DENYING.search(text[: match.start()]) or DENYING.search(match[0]):
            continue
        final = bool(match["final"])
        if by_text := starting_option(rest, texts):
            yield by_text, final
        elif letter := LETTER.match(rest):
            name = (letter["letter"] or letter["small"]).upper()
            behind = rest[letter.end() :]
            other = starting_option(behind.lstrip(" .:,)-\u2013\u2014("), texts)
            also = ALTERNATIVE.match(behind)
            several = (also and also[1] in choices) or _lists(behind.split("\n")[0], texts)
            yield (None if several or (other and other != name) else name), final
    for match in CONFIRMED.finditer(text):
        clause = CLAUSE.split(text[: match.start(1)])[-1]
        yield None if DENIED.search(clause) else match[1], False


def _lists(line: str, texts: dict[str, str]) -> bool:
    """Whether a line repeats an option with its letter, as one that lists the options does."""
    return any(starting_option(line[label.end() :], texts) == label[1] for label in NAMED.finditer(line))


def starting_option(text: str, texts: dict[str, str]) -> str | None:
    """The letter of the longest option whose text a text starts with, as whole words."""
    start = plain(text.lstrip(" \"'(["), ending=False)
    found = [
        option
        for option in texts
        if len(option) > 1 and start.startswith(option) and not start[len(option) : len(option) + 1].isalnum()
    ]
    return texts[max(found, key=len)] if found else None


def _in_line(line: str, texts: dict[str, str]) -> str | None:
    """The letter of the option that a whole line names, or None."""
    if match := ALONE.fullmatch(line):
        return match[1].upper()
    if by_text := texts.get(plain(line)):
        return by_text
    if (
        (match := STARTING.fullmatch(line))
        and not NAMED.search(match[2])
        and not re.match(rf"{OPEN}[A-Z]{CLOSE}(?:\s|[,.]|$)", match[2])
    ):
        other = starting_option(match[2], texts)
        return match[1] if other in (None, match[1]) else None
    return None


def _yes_or_no(text: str, _: BenchmarkQuestion) -> str | None:
    """Yes or No, if the text starts with that word or announces it, and does not say the other; or None."""
    said = {
        match[1].capitalize()
        for announcing in ANNOUNCING.finditer(text)
        if (match := YES_OR_NO.match(text, announcing.end()))
    }
    if BOTH.match(text):
        return None
    if (start := YES_OR_NO.match(text)) and not re.match(
        r"\s+(?:doubt|wonder|matter)\b", text[start.end() :]
    ):
        said.add(start[1].capitalize())
    return said.pop() if len(said) == 1 else None


def plain(text: str, ending: bool = True) -> str:
    """Text in one case, with single spaces, and without a final full stop if `ending`."""
    text = " ".join(text.casefold().split())
    return text.rstrip(".") if ending else text
