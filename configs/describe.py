"""Every setting with its meaning, its default and its value: for people, and for what depends on settings."""

import math
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from pipeline.identity import REQUIRED, Role, Setting

COLUMNS = 110
TAGS = {Role.IDENTITY: "", Role.NOTED: ", noted", Role.OPERATIONAL: ", operational"}


def describe(config: BaseModel, path: str = "", role: Role = Role.IDENTITY) -> Iterator[Setting]:
    """List the settings in a model.

    Args:
        config: The settings.
        path: Of the section that they are in, ending in a dot; "" at the top.
        role: Of the section.
    """
    for name, field, own in _fields(config, role):
        inner = getattr(config, name)
        if isinstance(inner, BaseModel):
            yield from describe(inner, f"{path}{name}.", own)
        else:
            yield setting_of(config, f"{path}{name}", field, own)


def to_yaml(config: BaseModel) -> str:
    """Write all settings as YAML that can be read back, each with its meaning and default in a comment."""
    return "".join(f"{line}\n" for line in _lines(config, "", Role.IDENTITY))


def _fields(config: BaseModel, role: Role) -> Iterator[tuple[str, FieldInfo, Role]]:
    for name, field in type(config).model_fields.items():
        yield name, field, next((mark for mark in field.metadata if isinstance(mark, Role)), role)


def setting_of(config: BaseModel, path: str, field: FieldInfo, role: Role) -> Setting:
    """Describe one setting of a model, which the last part of its path names."""
    value = config.model_dump(mode="json", include={path.rpartition(".")[2]})
    default = field.get_default(call_default_factory=True, validated_data={})
    default = REQUIRED if default is PydanticUndefined else to_jsonable_python(default)
    return Setting(path, next(iter(value.values())), default, field.description or "", role)


def _lines(config: BaseModel, indent: str, role: Role) -> Iterator[str]:
    for name, field, own in _fields(config, role):
        inner = getattr(config, name)
        if name == "backend" and not field.description:  # written with its section, which knows the others
            continue
        if isinstance(inner, BaseModel):
            about = field.description or (type(inner).__doc__ or "").strip().split("\n")[0]
            if not indent:
                yield ""
            yield from _comment(about, indent)
            yield f"{indent}{name}:"
            if others := backends(field.annotation):
                yield f"{indent}  backend: {inner.backend}  # one of {', '.join(others)}"  # type: ignore[attr-defined]
            yield from _lines(inner, f"{indent}  ", own)
            continue
        setting = setting_of(config, name, field, own)
        default = "required" if setting.default is REQUIRED else f"default {_scalar(setting.default)}"
        line, comment = f"{indent}{name}: {_scalar(setting.value)}", f"{setting.help} [{default}{TAGS[own]}]"
        if len(line) + len(comment) + 4 <= COLUMNS:
            yield f"{line}  # {comment}"
        else:
            yield from _comment(comment, indent)
            yield line


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(text, COLUMNS, initial_indent=start, subsequent_indent=start, break_long_words=False)


def _scalar(value: Any) -> str:
    """A value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf).removesuffix("...\n").strip()


def backends(annotation: Any) -> list[str]:
    """Return the names of the backends that a section can hold; none for one of another kind."""
    fields = [model.model_fields.get("backend") for model in models_in(annotation)]
    return [field.default for field in fields if field] if len(fields) > 1 else []


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a field of this type can hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]
