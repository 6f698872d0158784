"""`motionsight config`: every setting, as a file that can be saved, changed and used."""

from collections.abc import Sequence

from configs.describe import to_yaml
from configs.settings import Config

HEAD = """\
# All settings of motionsight{source}. Save this, change it, and use it with --config FILE; what is left out
# keeps its default. A table that has rows made with another value of a setting is not added to, but for
# those marked "operational", which never change a row, and "noted", whose change is only mentioned.
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
