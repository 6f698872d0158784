"""Work that is no clip, spread over real Ray workers."""

import pytest

from pipeline import engine
from pipeline.engine import EngineConfig

pytestmark = pytest.mark.ray


def squared(n: int) -> int:
    return n * n


def refused(n: int) -> int:
    raise OSError(28, "no room", f"file-{n}")


def test_every_item_comes_back_once() -> None:
    assert sorted(engine.scatter("split", squared, range(50), EngineConfig())) == [n * n for n in range(50)]
    assert list(engine.scatter("split", squared, [], EngineConfig())) == []


def test_what_the_function_raises_comes_as_it_is() -> None:
    with pytest.raises(OSError, match="no room") as told:
        list(engine.scatter("split", refused, range(5), EngineConfig()))
    assert type(told.value) is OSError
    assert told.value.filename.startswith("file-")
