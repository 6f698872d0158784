"""The forms in which models reply, and the table in docs/evaluation.md of what each protocol makes of them.

`python -m tests.reply_forms` writes the table.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from stages.evaluate.benchmark import BENCHMARKS
from stages.evaluate.protocols.protocol import Reading
from stages.evaluate.question import BenchmarkQuestion

DOCS = Path(__file__).parents[1] / "docs/evaluation.md"
START, END = "<!-- reply forms: python -m tests.reply_forms -->", "<!-- end of reply forms -->"
OPTIONS = ("Pan left", "Pan right", "Zoom in", "Static")
QUESTION = BenchmarkQuestion("1", "v.mp4", "How does the camera move?", OPTIONS, "B", "Camera Motion")
YES_NO = BenchmarkQuestion("1", "v.mp4", "Does the camera pan to the right?", (), "Yes", "Pan Right")

FORMS = (
    "B",
    "(B)",
    "B.",
    "b",
    "**B**",
    "B. Pan right",
    "B) Pan right",
    "B: Pan right",
    "B - the trees go left",
    "B, as the trees go left",
    "B because the trees go left",
    "Pan right",
    "pan right.",
    "Answer: B",
    "Answer is:B",
    "The answer is B.",
    "The correct answer is (B) Pan right.",
    "The best option is Pan right.",
    "Based on the trees, the answer is B.",
    "I think it is B",
    "It is option B, I think",
    "Option B is correct.",
    "Final answer: B",
    "The trees go left.\nAnswer: B",
    "B\n\nThe trees go left.",
    "\\boxed{B}",
    "The answer is $\\boxed{\\text{B}}$.",
    "<answer>B</answer>",
    "<|begin_of_box|>B<|end_of_box|>",
    "<think>A? No.</think>B",
    '{"answer": "B"}',
    "答案是B",
    "The answer is B, not A.",
    "A. Pan left\nB. Pan right\nC. Zoom in\nD. Static\nAnswer: B",
    # These do not name one choice clearly.
    "A or B",
    "The answer is A or B.",
    "The answer is not B.",
    "B. Pan left",
    "A. Pan left\nB. Pan right\nC. Zoom in\nD. Static",
    "The answer is A. No, the answer is B.",
    "The camera pans right",
    "A camera moves",
    "E",
    "I cannot tell.",
    "",
)
YES_NO_FORMS = (
    "Yes",
    "yes.",
    "**Yes**, it pans",
    "Answer: Yes",
    "The answer is yes.",
    "\\boxed{Yes}",
    "<answer>Yes</answer>",
    "I think it is yes",
    "<think>No?</think>Yes",
    "Yes and no",
    "It pans, so yes, not no",
    "It pans to the right",
    "",
)


def made_of(reading: Reading) -> str:
    """What a protocol makes of a reply: the choices that it accepts, "?" if it guesses, "-" for none."""
    return "/".join(reading.accepted) + ("" if reading.clear or not reading.accepted else " ?") or "-"


def readers(question: BenchmarkQuestion) -> Iterator[tuple[str, str]]:
    """Benchmarks and their protocols, of those with such questions, each different reader once."""
    seen = set()
    for benchmark in BENCHMARKS:
        if (benchmark.name == "camerabench") == bool(question.options):
            continue
        for name, protocol in benchmark.protocols.items():
            if protocol.read not in seen:
                seen.add(protocol.read)
                yield benchmark.name, name


def table(forms: Sequence[str], question: BenchmarkQuestion) -> str:
    """A row per form, and a column per reader."""
    columns = list(readers(question))
    titles = [name if name == "strict" else f"{benchmark} {name}" for benchmark, name in columns]
    lines = ["| reply | " + " | ".join(titles) + " |", "| --- |" + " --- |" * len(columns)]
    for form in forms:
        cells = [
            made_of(BENCHMARKS.get(benchmark).protocols[name].read(form, question))
            for benchmark, name in columns
        ]
        shown = form.replace("\n", "⏎").replace("|", "\\|")
        lines.append(f"| {f'`{shown}`' if shown else '(empty)'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def tables() -> str:
    """The part of the page."""
    return f"{START}\n\n{table(FORMS, QUESTION)}\n\n{table(YES_NO_FORMS, YES_NO)}\n\n{END}"


if __name__ == "__main__":
    before, rest = DOCS.read_text(encoding="utf-8").split(START)
    DOCS.write_text(f"{before}{tables()}{rest.split(END)[1]}", encoding="utf-8")
