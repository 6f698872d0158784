"""Who may import whom, and how long a file may be, read from the source."""

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


# From the ground up. What stands on one floor of `stages` may import what is below, and nothing beside it
# but what BESIDE lists.
FLOORS = (
    "pipeline",
    "filters",
    "stages.video",
    "stages.models",
    "stages.motionsight",
    "stages",
    "configs",
    "jobs",
)
COMMANDS = {path.name for path in (ROOT / "stages").iterdir() if (path / "__init__.py").exists()} - {
    "video",
    "models",
    "motionsight",
}
# A command's folder and those whose results it reads.
BESIDE = {("audit", "split"), ("review", "split"), ("train", "split"), ("audit", "review")}
BESIDE |= {("browse", "split"), ("browse", "audit"), ("browse", "review")}
LONGEST_FILE, LONGEST_FUNCTION = 450, 80  # lines
SOURCES = [
    path
    for top in ("pipeline", "filters", "stages", "configs", "jobs")
    for path in (ROOT / top).rglob("*.py")
]


def floor_of(name: str) -> int | None:
    """The floor that a module is on; None for what is not the project's."""
    found = [floor for floor in FLOORS if name == floor or name.startswith(f"{floor}.")]
    return FLOORS.index(max(found, key=len)) if found else None


def command_of(name: str) -> str | None:
    """The command in whose folder a module of `stages` is."""
    parts = name.split(".")
    return parts[1] if parts[0] == "stages" and len(parts) > 1 and parts[1] in COMMANDS else None


def test_imports_run_down() -> None:
    """Also those in the body of a function, and those for type checkers alone."""
    assert len(SOURCES) > 100
    wrong = []
    for path in SOURCES:
        here = module_of(path)
        for name in imports(path):
            there, floor = floor_of(name), floor_of(here)
            assert floor is not None
            one, other = command_of(here), command_of(name)
            beside = one and other and one != other and (one, other) not in BESIDE
            if there is not None and (there > floor or beside):
                wrong.append(f"{here} imports {name}")
    assert not wrong


def test_no_file_and_no_function_is_too_long_to_take_in() -> None:
    long = []
    for path in SOURCES:
        text = path.read_text()
        if text.count("\n") > LONGEST_FILE:
            long.append(f"{module_of(path)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno
                if lines > LONGEST_FUNCTION:
                    long.append(f"{module_of(path)}.{node.name}: {lines} lines")
    assert not long
