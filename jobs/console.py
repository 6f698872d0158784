"""The consoles, apart from the session so that they work where a backend cannot be imported."""

import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.segment import Segment

# What a terminal obeys or cannot show: control characters, those that turn the direction of writing, and
# surrogates, as in names of files that are not UTF-8. Names and captions come from anywhere.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class SafeConsole(Console):
    """A console on which no text moves the cursor, changes colours or hides what stands there."""

    def render(self, *args: Any, **kwargs: Any) -> Iterable[Segment]:
        """Render as `Console` does, with characters that a terminal would obey as their escapes."""
        for segment in super().render(*args, **kwargs):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def visible(text: str) -> str:
    r"""Replace what a terminal would obey by its escape, such as \x1b."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def console(report: bool = False) -> Console:
    """Return a console, 110 columns wide if it is not a terminal.

    Args:
        report: Whether it is for what was asked for, on standard output; otherwise it is for messages and
            progress, on standard error.
    """
    terminal = SafeConsole(stderr=not report, highlight=False)
    return terminal if terminal.is_terminal else SafeConsole(stderr=not report, highlight=False, width=110)
