"""`motionsight config`: every setting, as a file that can be saved, changed and used."""

from collections.abc import Sequence

from configs.describe import to_yaml
from configs.settings import Config

HEAD = """\
# The settings of motionsight{source}. Save this, change it, and use it with --config FILE; a setting that
# is left out keeps its default. A table is not added to with another value than it was made with, unless
# the setting is "operational" (it never changes a row) or "noted" (a change is mentioned, no more).
"""


def run(config: Config, path: str | None, overrides: Sequence[str]) -> None:
    """Print the settings in force to standard output.

    Args:
        config: The settings.
        path: The file that they come from; None: the defaults.
        overrides: Those of the command line.
    """
    source = f", as in {path}" if path else ""
    if overrides:
        source += f" with --set {' --set '.join(overrides)}"
    print(HEAD.format(source=source) + to_yaml(config), end="")
