"""Endpoints to ask: one without a model, one in front of a fake model."""

from collections.abc import Iterator

import pytest

from tests.chat_server import KEY
from tests.serving import Start, behind, endpoints, url_of
from tests.stream_server import Upstream
from tests.videos import write


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    with endpoints(tmp_path_factory.mktemp("clips")) as start:
        yield start


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def measuring(start: Start) -> str:
    """An endpoint that answers from measurements, without a model."""
    return start()


@pytest.fixture(scope="module")
def forwarding(start: Start, upstream: Upstream) -> Iterator[str]:
    """An endpoint in front of another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        yield start(*behind(upstream.url), places=4, timeout_s=20)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A clip whose camera pans right, as a data URL."""
    return url_of(write(tmp_path_factory.mktemp("video") / "pan.mp4").read_bytes())
