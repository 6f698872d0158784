"""Settings that stick: those a dataset was published with hold until a command names others."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from configs.describe import describe
from configs.settings import Config, validated

SECTIONS = ("gates", "split")  # applied whenever the tables are read; other settings are bound to their rows
ABSENT = object()


@dataclass(frozen=True)
class Given:
    """What a command says of its settings.

    Attributes:
        profile: The settings of its file alone, without what is set on the command line.
        paths: Settings that are set on the command line, such as "gates.flow_min" or "gates".
        named: Whether the file is named on the command line.
        all: Whether each setting of the command is to hold.
        name: Of the file: an absolute path, or the name of a profile.
    """

    profile: Config
    paths: Collection[str] = ()
    named: bool = False
    all: bool = False
    name: str = "embedded"

    def means(self, path: str, before: Any) -> bool:
        """Whether the command asks for its own value of a setting.

        Args:
            path: Of the setting.
            before: The value in the file of the last publication: a file that is named again as it was asks
                for nothing new.
        """
        asked = any(path == given or path.startswith(f"{given}.") for given in self.paths)
        return self.all or asked or (self.named and before != _at(self.profile.model_dump(mode="json"), path))


@dataclass(frozen=True)
class Settled:
    """The settings that hold for a command on a workspace.

    Attributes:
        config: All of them.
        kept: By setting, the value as published and the one that the command would have had.
        changed: By setting, the value as published and the new one.
        profile: The sticking settings in the file that was named last, by this command or an earlier one.
    """

    config: Config
    kept: Mapping[str, tuple[Any, Any]]
    changed: Mapping[str, tuple[Any, Any]]
    profile: Mapping[str, Any]


def settle(asked: Config, given: Given, manifest: Mapping[str, Any]) -> Settled:
    """Put the settings that a dataset was published with in place of those that a command does not ask for.

    Args:
        asked: The settings of the command.
        given: Where they come from.
        manifest: Of the dataset; empty if there is none.

    Raises:
        CallError: The two do not fit together, as in shares that no longer sum to 1.
    """
    data = asked.model_dump(mode="json")
    kept, changed = {}, {}
    for it in describe(asked):
        published = _at(manifest, it.path)
        if it.path.split(".")[0] not in SECTIONS or published in (ABSENT, it.value):
            continue
        if given.means(it.path, _at(manifest.get("profile", {}), it.path)):
            changed[it.path] = (published, it.value)
        else:
            kept[it.path] = (published, it.value)
            *parents, last = it.path.split(".")
            _at(data, ".".join(parents))[last] = published
    new = given.named or given.all or "profile" not in manifest
    profile = sections(given.profile) if new else manifest["profile"]
    return Settled(validated(data, Config) if kept else asked, kept, changed, profile)


def sections(config: Config) -> dict[str, Any]:
    """Return the settings that stick, as a manifest records them."""
    return config.model_dump(mode="json", include=set(SECTIONS))


def _at(data: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(data, Mapping) or name not in data:
            return ABSENT
        data = data[name]
    return data
