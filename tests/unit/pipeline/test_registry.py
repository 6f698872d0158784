"""A file in the right folder is found, and what is wrong with one is told in a sentence."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import CallError
from pipeline.registry import Registry


class Shape:
    """What the plug-ins of these tests are."""

    name: str


CIRCLE = "from tests.unit.pipeline.test_registry import Shape\nclass Circle(Shape):\n    name = 'circle'\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "shapes"
    for name in [name for name in sys.modules if name.split(".")[0] == "shapes"]:
        del sys.modules[name]


def shapes() -> Registry[Any]:
    return Registry("shape", "shapes", Shape)


def test_a_file_in_the_folder_is_found_without_being_listed(folder: Path) -> None:
    (folder / "circle.py").write_text(CIRCLE)
    assert shapes().names == ("circle",)
    assert shapes().get("circle").__name__ == "Circle"


def test_a_class_that_was_only_imported_is_not_declared_twice(folder: Path) -> None:
    (folder / "circle.py").write_text(CIRCLE)
    (folder / "disc.py").write_text(
        "from shapes.circle import Circle\nclass Disc(Circle):\n    name = 'disc'\n"
    )
    assert shapes().names == ("circle", "disc")


def test_a_name_that_is_not_there_is_answered_with_the_nearest(folder: Path) -> None:
    (folder / "circle.py").write_text(CIRCLE)
    with pytest.raises(CallError, match=r"no shape 'circel'; did you mean 'circle'\? \(there are: circle\)"):
        shapes().get("circel")


def test_an_empty_folder_has_no_names(folder: Path) -> None:
    assert shapes().names == ()
    with pytest.raises(CallError, match="no shape 'circle'"):
        shapes().get("circle")


def test_two_files_with_one_name_are_both_told(folder: Path) -> None:
    (folder / "circle.py").write_text(CIRCLE)
    (folder / "round.py").write_text(CIRCLE)
    with pytest.raises(CallError, match=r"shapes\.circle and shapes\.round"):
        list(shapes())


def test_a_file_that_cannot_be_imported_is_named(folder: Path) -> None:
    (folder / "broken.py").write_text("import no_such_package_anywhere\n")
    with pytest.raises(CallError, match=r"shapes\.broken cannot be imported: ModuleNotFoundError"):
        list(shapes())
