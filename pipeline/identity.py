"""How each setting relates to the rows of a table, declared at the setting's own field.

A table is bound to the settings that its rows depend on; a run with other values is refused. By default, rows
depend on a setting. One that they do not depend on is marked:

    threads: Annotated[int, OPERATIONAL] = Field(1, description="decoder threads")

A mark on a section applies to all settings in it.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Role(Enum):
    """What a changed setting means for a table that already has rows."""

    IDENTITY = "identity"  # rows would differ: the run is refused
    NOTED = "noted"  # rows have another source, such as an endpoint: the run prints a note and continues
    OPERATIONAL = "operational"  # affects speed, or whether a clip fails, but never the content of a row


NOTED = Role.NOTED
OPERATIONAL = Role.OPERATIONAL
REQUIRED = object()  # stands in for the default of a setting that has none


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        path: Its name, prefixed with its sections, such as "decode.fps".
        value: The value in force, as in YAML.
        default: Likewise; `REQUIRED` if it has none.
        help: Its meaning, with its unit.
        role: What a change means for a table that already has rows.
    """

    path: str
    value: Any
    default: Any
    help: str
    role: Role
