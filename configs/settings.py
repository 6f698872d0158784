"""The configuration of a run: one pydantic model, read from YAML with overrides on top.

The settings of a thing are defined beside the thing; this file puts them together.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError

import configs
from filters.gates import GatesConfig
from filters.quality import QualityConfig
from pipeline.engine import EngineConfig
from pipeline.errors import CallError, reason
from pipeline.isolation import Limits
from stages.annotate.stage import AnnotationConfig
from stages.ingest.find import IngestConfig
from stages.serve.config import ServeConfig
from stages.split.settings import SplitConfig


class Config(AnnotationConfig):
    """All settings of a run."""

    max_failed_share: float = Field(0.1, ge=0, le=1, description="above it a run ends with exit code 3")
    engine: EngineConfig = EngineConfig()
    ingest: IngestConfig = IngestConfig()
    score: Limits = Limits()
    quality: QualityConfig = QualityConfig()
    gates: GatesConfig = GatesConfig()
    split: SplitConfig = SplitConfig()
    serve: ServeConfig = ServeConfig()


Model = TypeVar("Model", bound=BaseModel)


# What a table's rows depend on. Gates and shares are absent: they are applied when a table is read. So are
# a clip's limits: they decide whether it has a row or an error, not what is in the row.
DEPENDS = {
    "scores": ("decode", "flow", "camera", "quality"),
    "annotations": tuple(AnnotationConfig.model_fields),
}
# Settings that change how fast a row comes, or whether at all, never what is in it.
SPEED_ONLY = re.compile(
    r"decode\.threads|\w+\.(device|batch_size|concurrency|timeout_s|max_attempts|tensor_parallel"
    r"|gpu_memory_utilization|engine|actor|max_cost|max_requests|input_price|output_price)(\..*)?"
)


def load(path: str | None = None, overrides: Sequence[str] = ()) -> Config:
    """The settings of a run, from what `read` takes. Raises CallError."""
    return read(path, overrides, Config)


def read(path: str | None, overrides: Sequence[str], model: type[Model]) -> Model:
    """Settings out of a file, checked against a model of them.

    path: a YAML file, or the name of one that ships with the package ("embedded"); None: the defaults.
    overrides: "a.b=c", c read as YAML. Raises CallError.
    """
    data: Any = {}
    if path:
        try:
            data = yaml.safe_load(find(path).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise CallError(f"cannot read {path}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise CallError(f"{path} is not valid YAML: {reason(error)}") from error
    if not isinstance(data, dict):
        raise CallError(f"{path} must hold settings (name: value), not {type(data).__name__}")
    for override in overrides:
        _set(data, override)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise CallError("; ".join(_explain(item, model) for item in error.errors())) from None


def find(path: str) -> Path:
    """A config file by path, or by name among those that ship with the package. Raises CallError."""
    shipped = Path(next(iter(configs.__path__)))
    for candidate in (Path(path), shipped / Path(path).name, shipped / f"{path}.yaml"):
        if candidate.is_file():
            return candidate
    names = ", ".join(sorted(file.stem for file in shipped.glob("*.yaml")))
    raise CallError(f"no config file {path!r}; give a YAML file, or one of: {names}")


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
    *parents, name = item["loc"] or ("",)
    if item["type"] == "extra_forbidden":
        names = list(_model_at(model, parents).model_fields)
        near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.0)
        meant = ".".join(map(str, [*parents, *near]))
        return f"unknown setting {'.'.join(map(str, item['loc']))!r}; did you mean {meant!r}?"
    said = item["msg"].removeprefix("Value error, ")
    if item["loc"]:
        said = f"{'.'.join(map(str, item['loc']))}: {said[0].lower()}{said[1:]}"
    return said if isinstance(item["input"], dict | BaseModel) else f"{said} (got {item['input']!r})"


def _model_at(model: type[BaseModel], path: Sequence[Any]) -> type[BaseModel]:
    """The model of the settings at a path; a backend's name in it picks that backend's."""
    options = [model]
    for part in path:
        if part in model.model_fields:
            options = _models_in(model.model_fields[part].annotation)
        else:  # the name of a backend, or else the key of a mapping
            backends = [(option, option.model_fields.get("backend")) for option in options]
            options = [option for option, field in backends if field and field.default == part] or options
        model = options[0]
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def settings(config: Config, table: str) -> dict[str, Any]:
    """The settings that the rows of a table depend on, flat: {"decode.fps": 8.0, ...}."""
    flat: dict[str, Any] = {}
    for section in DEPENDS[table]:
        flat |= _flatten(section, config.model_dump(mode="json")[section])
    return {key: value for key, value in flat.items() if not SPEED_ONLY.fullmatch(key)}


def _flatten(prefix: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flatten(f"{prefix}.{key}", item)
    return flat


def fingerprint(values: Any) -> str:
    """16 hex digits that stand for JSON-able settings."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
