"""Numbers and lists in English."""

from collections.abc import Sequence

# Shares that have a name, the largest first.
FRACTIONS = (
    (2 / 3, "two thirds of"),
    (1 / 2, "half"),
    (1 / 3, "a third of"),
    (1 / 4, "a quarter of"),
    (1 / 5, "a fifth of"),
    (1 / 10, "a tenth of"),
)
CLOSE = 0.08  # relative difference up to which a share is called by a fraction's name


def part(share: float, of: str) -> str:
    """Express a share of something: "about a fifth of the frame width"."""
    for value, words in FRACTIONS:
        if abs(share / value - 1) < CLOSE:
            return f"about {words} the {of}"
    return (
        f"about {share:.1f} times the {of}"
        if share > 1.2
        else f"about {percent(max(share, 0.01))} of the {of}"
    )


def percent(share: float) -> str:
    """Express a share as a percentage in steps of 0.1 below 1%, of 1 below 20%, and of 5 above."""
    value = 100 * share
    if value < 1:
        return f"{value:.1f}%"
    return f"{round(value)}%" if value < 20 else f"{5 * round(value / 5)}%"


def seconds(value: float) -> str:
    """Express a duration, with one decimal below ten seconds."""
    return plural(round(value), "second") if value >= 9.5 else plural(round(value, 1), "second")


def plural(count: float, noun: str) -> str:
    """Join a count with its noun, in the plural unless the count is written "1"."""
    text = f"{count:g}"
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def listed(words: Sequence[str], last: str = " and ") -> str:
    """Join words as "a", "a and b", "a, b and c"; `last` stands before the last one."""
    return last.join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def lowered(text: str) -> str:
    """Lower the first letter, for a sentence that continues another."""
    return text[0].lower() + text[1:]


def article(word: str) -> str:
    """Return the indefinite article of a word, judged by its first letter."""
    return "an" if word[0].lower() in "aeiou" else "a"
