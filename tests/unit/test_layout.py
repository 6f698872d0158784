"""Who may import whom, read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def module_of(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports anywhere in it, also in functions: `from a import b` gives `a.b`."""
    folder = path.parent.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) + 1 - node.level] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def is_private(name: str) -> bool:
    """Whether a dotted name is a test module or a conftest, or something in one."""
    top, *parts = name.split(".")
    return top == "tests" and any(part == "conftest" or part.startswith("test_") for part in parts)


def test_nothing_imports_a_test_module_or_a_conftest() -> None:
    """What two test modules share is in a helper module or is a fixture."""
    found = {path: set(imports(path)) for path in ROOT.glob("tests/**/*.py")}
    assert len(found) > 1
    assert not [
        f"{module_of(path)}: {name}" for path, names in found.items() for name in filter(is_private, names)
    ]
