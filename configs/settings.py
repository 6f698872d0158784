"""The settings of a run: one pydantic model, read from YAML with overrides on top.

The settings of a thing are defined beside the thing, and say there whether they identify a row
(`pipeline.identity`); this file puts them together.
"""

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

import configs
from configs.describe import describe, models_in
from filters.verdicts import GatesConfig
from pipeline.engine import EngineConfig
from pipeline.errors import CallError, reason
from pipeline.identity import Role, Setting
from pipeline.isolation import Limits
from pipeline.registry import backend_name
from pipeline.text import without_secrets
from stages.annotate.stage import AnnotationConfig
from stages.ingest.settings import IngestConfig
from stages.score.settings import ScoreConfig
from stages.serve.settings import ServeConfig
from stages.split.settings import SplitConfig

SHIPPED = Path(next(iter(configs.__path__)))
EXTENDS = "extends"  # in a settings file: the file or profile that it is based on
STAGES = ("ingest", "score", "annotate", "split", "evaluate")  # that `engine` spreads over workers


class Config(ScoreConfig, AnnotationConfig):
    """All settings of a run."""

    max_failed_share: float = Field(
        0.1, ge=0, le=1, description="of the clips; above it a run ends with exit code 3"
    )
    engine: EngineConfig = EngineConfig()
    ingest: IngestConfig = IngestConfig()
    score: Limits = Limits()
    gates: GatesConfig = GatesConfig()
    split: SplitConfig = SplitConfig()
    serve: ServeConfig = ServeConfig()

    @model_validator(mode="after")
    def _known_commands(self) -> "Config":
        for setting in (self.engine.workers, self.engine.gpus_per_worker):
            for name in setting if isinstance(setting, dict) else ():
                if name not in STAGES:
                    raise ValueError(f"engine: no command {name}; there are {', '.join(STAGES)}")
        return self


Model = TypeVar("Model", bound=BaseModel)

# By table, the sections that its rows depend on. Gates and shares are absent: they are applied when a table
# is read. So are a clip's limits: they decide whether it has a row or an error, not what is in the row.
DEPENDS: dict[str, tuple[str, ...]] = {
    "fingerprints": ("ingest",),
    "scores": tuple(ScoreConfig.model_fields),
    "annotations": tuple(AnnotationConfig.model_fields),
}


def load(path: str | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read the settings of a run; see `read`."""
    return read(path, overrides, Config)


def read(path: str | None, overrides: Sequence[str], model: type[Model]) -> Model:
    """Read settings from a file and check them against a model.

    Args:
        path: A YAML file, or the name of one that ships with the package ("embedded"); None: the defaults.
            `extends: NAME` in it names another one on which it is based.
        overrides: Each "a.b=c", c read as YAML.
        model: What the settings are checked against.

    Raises:
        CallError: The file cannot be read, or a setting is unknown or out of its range.
    """
    data = _from_file(path, ()) if path else {}
    for override in overrides:
        _set(data, override)
    return validated(data, model)


def validated(data: Any, model: type[Model]) -> Model:
    """Check settings against a model. Raises CallError for one that is unknown or out of its range."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise CallError("; ".join(_explain(item, model) for item in error.errors())) from None


def _from_file(path: str, extending: tuple[Path, ...]) -> dict[str, Any]:
    """The settings in a file, on top of those in the file that it extends, which is named beside it."""
    file = find(path, extending[-1].parent if extending else Path())
    if file.resolve() in extending:
        raise CallError(f"{file} extends itself, by way of {' and '.join(map(str, extending))}")
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise CallError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CallError(f"{path} is not valid YAML: {reason(error)}") from error
    if not isinstance(data, dict):
        raise CallError(f"{path} must hold settings (name: value), not {type(data).__name__}")
    if (base := data.pop(EXTENDS, None)) is None:
        return data
    if not isinstance(base, str):
        raise CallError(f"{path}: {EXTENDS} must name a settings file or a profile, not {base!r}")
    return _merged(_from_file(base, (*extending, file.resolve())), data)


def _merged(base: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Settings on top of others; a section that names another backend replaces the one below it."""
    out = dict(base)
    for name, value in data.items():
        below = base.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            backend = below.get("backend")
            value = _merged(below, value) if value.get("backend", backend) == backend else value
        out[name] = value
    return out


def left_out(path: str, model: type[BaseModel], profile: str) -> list[str]:
    """List the settings of a profile that a file of the user's replaces by defaults as it does not name them.

    Args:
        path: The file.
        model: What the settings are checked against.
        profile: The name of the profile.

    Returns:
        Paths of settings; none for a file that extends another one, and for those that ship.
    """
    file = find(path)
    data = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    if file.parent == SHIPPED or EXTENDS in data:
        return []
    whole = model.model_validate(_merged(_from_file(profile, ()), data))
    values = {it.path: it.value for it in describe(model.model_validate(data))}
    return [it.path for it in describe(whole) if values.get(it.path) != it.value]


def find(path: str, beside: Path = Path()) -> Path:
    """Find a settings file by its path, or by its name among those that ship. Raises CallError.

    Args:
        path: The path, or the name.
        beside: The folder that a relative path is looked for in.
    """
    for candidate in (beside / path, SHIPPED / Path(path).name, SHIPPED / f"{path}.yaml"):
        if candidate.is_file():
            return candidate
    names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
    raise CallError(f"there is no config file {path!r}; give a YAML file, or one of: {names}")


def identity(config: BaseModel, table: str) -> list[Setting]:
    """Return the settings that the rows of a table depend on."""
    return _of_role(config, table, Role.IDENTITY)


def noted(config: BaseModel, table: str) -> list[Setting]:
    """Return the settings of which a change is mentioned and nothing more; addresses without credentials."""
    found = _of_role(config, table, Role.NOTED)
    return [replace(it, value=without_secrets(it.value)) if isinstance(it.value, str) else it for it in found]


def _of_role(config: BaseModel, table: str, role: Role) -> list[Setting]:
    depends = DEPENDS[table]
    return [it for it in describe(config) if it.role is role and it.path.partition(".")[0] in depends]


def fingerprint(values: Any) -> str:
    """Return 16 hex digits that stand for JSON-able settings."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _set(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise CallError(f"--set {override!r}: expected name=value, as in --set decode.fps=4")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CallError(f"--set {override!r}: the value is not valid YAML") from error
    *parents, last = key.strip().split(".")
    for parent in parents:
        if data.get(parent) is None:
            data[parent] = {}
        data = data[parent]
        if not isinstance(data, dict):
            raise CallError(f"--set {override!r}: {parent!r} is a value, it has no settings inside")
    data[last] = value


def _explain(item: Any, model: type[BaseModel]) -> str:
    where = ".".join(map(str, _settings_path(model, item["loc"])[0]))
    if item["type"] == "extra_forbidden":
        *parents, name = item["loc"]
        path, owner = _settings_path(model, parents)
        near = difflib.get_close_matches(str(name), list(owner.model_fields), n=1, cutoff=0.0)
        whose = f" of backend {backend_name(owner)!r}" if path != parents else ""
        unknown, meant = (".".join(map(str, [*path, *last])) for last in ((name,), near))
        return f"unknown setting {unknown!r}{whose}; did you mean {meant!r}?"
    if item["type"] == "union_tag_invalid":
        tag, tags = item["ctx"]["tag"], item["ctx"]["expected_tags"]
        near = difflib.get_close_matches(tag, tags.replace("'", "").split(", "), n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        return f"{where}.backend: there is no {tag!r}{meant} (there are: {tags})"
    if item["type"] == "union_tag_not_found":
        return f"{where}: no backend is named; add {where}.backend (`motionsight config` lists them)"
    said = item["msg"].removeprefix("Value error, ")
    if where:
        said = f"{where}: {said[0].lower()}{said[1:]}"
    return said if isinstance(item["input"], dict | BaseModel) else f"{said} (got {item['input']!r})"


def _settings_path(model: type[BaseModel], loc: Sequence[Any]) -> tuple[list[Any], type[BaseModel]]:
    """Where an error is, without the names of backends that pydantic puts in, and the settings there."""
    options, path = [model], []
    for part in loc:
        if part in model.model_fields:
            options = models_in(model.model_fields[part].annotation)
            path.append(part)
        elif chosen := [it for it in options if "backend" in it.model_fields and backend_name(it) == part]:
            options = chosen
        else:  # the key of a mapping
            path.append(part)
        model = options[0] if options else model
    return path, model
