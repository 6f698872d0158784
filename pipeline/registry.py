"""Classes that are chosen by name, each defined in a file of its own and listed nowhere else.

A registry searches the modules of a package for the subclasses of a base class, so that a backend, a format
or a benchmark is added by adding a file. An installed package contributes through an entry point: a module
listed in the group `motionsight.detector` is searched like a file in `stages/models/detector`.
"""

import difflib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Annotated, Any, Generic, TypeVar, Union

from pydantic import BeforeValidator, Field

from pipeline.errors import CallError, reason

T = TypeVar("T")


def _name(kind: type) -> str | None:
    return getattr(kind, "name", None)


class Registry(Generic[T]):
    """The classes of one kind, by name.

    Its modules are imported on first use, so that importing a registry imports no backend.

    Attributes:
        kind: What these classes are called in messages.
    """

    def __init__(
        self, kind: str, package: str, base: type[T], name: Callable[[type[T]], Any] = _name
    ) -> None:
        """Define where to search.

        Args:
            kind: What these classes are called, such as "detector", in messages and in the entry-point group.
            package: The package whose modules are searched.
            base: The class whose subclasses are collected.
            name: Returns the name of a subclass; None or "" for one that only serves as a base of others.
        """
        self.kind, self._package, self._base, self._name = kind, package, base, name

    @cached_property
    def _found(self) -> dict[str, type[T]]:
        found: dict[str, type[T]] = {}
        for module in self._modules():
            for value in vars(module).values():
                mine = isinstance(value, type) and value.__module__ == module.__name__
                if not (mine and issubclass(value, self._base) and (name := self._name(value))):
                    continue
                if name in found:
                    raise CallError(
                        f"two files declare the {self.kind} {name!r}: {found[name].__module__} and"
                        f" {module.__name__}; rename one"
                    )
                found[name] = value
        return dict(sorted(found.items()))

    def _modules(self) -> Iterator[ModuleType]:
        package = import_module(self._package)
        names = [f"{self._package}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
        names += [point.value for point in entry_points(group=f"motionsight.{self.kind.replace(' ', '_')}")]
        for name in names:
            try:
                yield import_module(name)
            except Exception as error:
                raise CallError(
                    f"{name} cannot be imported: {type(error).__name__}: {reason(error)}"
                ) from error

    def __iter__(self) -> Iterator[type[T]]:
        return iter(self._found.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names, sorted."""
        return tuple(self._found)

    def get(self, name: str) -> type[T]:
        """Return the class with this name.

        Raises:
            CallError: There is none; the message lists all names, and the closest match if there is one.
        """
        if name in self._found:
            return self._found[name]
        near = difflib.get_close_matches(str(name), self.names, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise CallError(f"no {self.kind} {name!r}{meant} (there are: {', '.join(self.names)})")


def backend_name(settings: type[Any]) -> str:
    """Return a backend's name: the default of the field `backend` in its settings; "" for a base class."""
    return settings.model_fields["backend"].default


def one_of(registry: Registry[Any], default: str | None = None) -> Any:
    """Return the type of a pydantic field for one backend's settings: a union discriminated by `backend`.

    Args:
        registry: The backends.
        default: The backend of settings that name none; None: the name is required.
    """
    kinds: Any = Union[tuple(registry)]  # noqa: UP007 - they are only known at run time
    if default is None:
        return Annotated[kinds, Field(discriminator="backend")]

    def named(given: Any) -> Any:
        return {"backend": default, **given} if isinstance(given, dict) else given

    return Annotated[kinds, Field(discriminator="backend"), BeforeValidator(named)]
