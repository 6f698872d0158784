"""What a setting is to the rows of a table: each setting says it of itself, at its field.

A table is bound to the settings that its rows depend on, and a run with others is refused. By default a
setting identifies rows; one that does not is marked, as in

    threads: Annotated[int, OPERATIONAL] = Field(1, description="decoder threads")

A mark on a section holds for all settings in it.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Role(Enum):
    """How a change of a setting affects a table that has rows already."""

    IDENTITY = "identity"  # other rows: the run is refused
    NOTED = "noted"  # the same rows from elsewhere: the run says so and goes on
    OPERATIONAL = "operational"  # how fast a row comes, or whether it does, never what is in it


NOTED = Role.NOTED
OPERATIONAL = Role.OPERATIONAL
REQUIRED = object()  # in the place of a default where there is none


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        path: Its name with those of its sections, such as "decode.fps".
        value: In force, as YAML has it.
        default: Likewise; `REQUIRED` where there is none.
        help: What it means, with its unit.
        role: What a change does to a table that has rows already.
    """

    path: str
    value: Any
    default: Any
    help: str
    role: Role
