"""`motionsight config`: print every setting as a YAML file that can be edited and used."""

from collections.abc import Sequence

from configs.describe import to_yaml
from configs.settings import Config
from jobs.console import visible
from pipeline.text import without_keys

HEAD = """\
# The settings of motionsight{source}.
# Save this, edit it, and use it with --config FILE; a setting that is left out has its default, or its value
# in the profile that a line such as `extends: embedded` names. All rows of a table are made with the same
# settings: a run with other values is refused, except for settings marked "operational" (they never change a
# row) or "noted" (a change is only reported). Keys in URLs are left out.
"""


def run(config: Config, path: str | None, overrides: Sequence[str]) -> None:
    """Print the settings in force to standard output.

    Args:
        config: The settings.
        path: The file that they come from; None: they are the defaults.
        overrides: Settings from the command line, as "a.b=c".
    """
    source = f", as in {path}" if path else ""
    if overrides:
        source += f" with --set {' --set '.join(overrides)}"
    print(without_keys(visible(HEAD.format(source=source) + to_yaml(config))), end="")
