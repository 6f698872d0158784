"""TOMATO's published rules: its own, and lmms-eval's.

Sources: yale-nlp/TOMATO (`construct_prompt.py`, `parse_result.py`, `get_categorized_score.py`),
EvolvingLMMs-Lab/lmms-eval (`tasks/tomato`).
"""

import re

from stages.evaluate.protocols.protocol import UNREAD, BenchmarkProtocol, Reading, one
from stages.evaluate.protocols.strict import STRICT
from stages.evaluate.question import LETTERS, BenchmarkQuestion

ANSWER_IS = re.compile(r"Answer is:?\(?([A-Fa-f])\)?$")
STRIPPED = ",.!?;:'"  # from both ends of a reply, one character after the other
LONG = 5  # words; only in a longer reply are the texts of options searched
GUESS = "A"  # what lmms-eval takes from a reply that it cannot read


def prompt(frames: str, question: BenchmarkQuestion, end: str = "") -> str:
    """Write the prompt that both use; the options are a Python dict of texts by letter."""
    options = dict(zip(LETTERS, question.options, strict=False))
    # The spelling and the spaces at the ends of lines are the authors'.
    return (
        f"You will be provided with {frames} uniformly sampled from a video, the frames are provided in"
        " chronological order of the video. Analyze these frames and provide the answer to the question"
        f" about the video content. Answer the multiple-choice question about the video content.{end}\n\n"
        "You must use these frames to answer the multiple-choice question; do not rely on any externel"
        f" knowledge or commonsense. \n\n<question> \n{question.question} \n</question>\n\n"
        f"<options> \n{options} \n</options>\n\n"
        "Even if the information in these separate frames is not enough to answer the question, PLEASE TRY"
        " YOUR BEST TO GUESS AN ANSWER WHICH YOU THINK WOULD BE THE MOST POSSIBLE ONE BASED ON THE"
        " QUESTION. \n\nDO NOT GENERATE ANSWER SUCH AS 'NOT POSSIBLE TO DETERMINE.' \n"
    )


def exact(reply: str, question: BenchmarkQuestion) -> Reading:
    """Read a letter alone, "A: TEXT", or "Answer is:A"; the script leaves all other replies to a model."""
    text = reply.strip()
    full = [f"{letter}: {option}" for letter, option in zip(LETTERS, question.options, strict=False)]
    if (len(text) == 1 and text.upper() in question.choices) or text.upper() in full:
        return one(text[0].upper(), question)
    found = ANSWER_IS.match(text)
    return one(found[1].upper(), question) if found else UNREAD


def last_letter(reply: str, question: BenchmarkQuestion) -> Reading:
    """Take a capital that is an option's letter, also one within a word; or, in a longer reply, its text.

    Of several letters, the one in brackets that comes last counts, or else the first in the alphabet; of
    several texts, the one that comes last. A reply without any counts as A.
    """
    for character in STRIPPED:
        reply = reply.strip(character)
    reply = f" {reply} "
    found = [letter for letter in question.choices if letter in reply]
    places = [reply.rfind(f"({letter})") for letter in found]
    if not found and len(reply.split()) > LONG:
        texts = dict(zip(question.choices, question.options, strict=True))
        found = [letter for letter, text in texts.items() if text.lower() in reply.lower()]
        places = [reply.lower().rfind(texts[letter].lower()) for letter in found]
    if not found:
        return Reading((GUESS,), False)
    return one(found[places.index(max(places))], question)


PROTOCOLS = {
    "strict": STRICT,
    "official": BenchmarkProtocol(
        "yale-nlp/TOMATO",
        exact,
        ask=lambda question, count: prompt(f"{count} separate frames", question, " "),
        frames={"count": 16, "fps": None, "spread": "ends"},
    ),
    "lmms_eval": BenchmarkProtocol(
        "lmms-eval, task tomato", last_letter, ask=lambda question, _: prompt("frames", question)
    ),
}
