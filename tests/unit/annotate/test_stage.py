"""How annotate's workers divide what a model can take at once."""

import pytest

from configs.settings import load
from stages.annotate.stage import Annotate

ENDPOINT = "mllm={backend: openai, model: m, concurrency: 60}"
ACTORS = "mllm={backend: vllm, model: m, actor: {replicas: 2, max_concurrency: 32}}"


def stage(*overrides: str) -> Annotate:
    return Annotate(load("embedded", overrides))


def test_a_model_inside_the_workers_lets_their_number_grow() -> None:
    assert stage().enough_workers is None


@pytest.mark.parametrize("overrides", [ENDPOINT, ACTORS])
def test_where_the_number_is_free_it_is_one_that_fills_the_model(overrides: str) -> None:
    annotate = stage(overrides)
    assert annotate.enough_workers == 8
    annotate.spread(annotate.enough_workers)
    assert annotate.in_flight == 8


@pytest.mark.parametrize("workers", [1, 2, 7, 8, 60])
def test_an_endpoint_never_gets_more_calls_than_it_takes(workers: int) -> None:
    annotate = stage(ENDPOINT)
    assert annotate.most_workers == 60
    annotate.spread(workers)
    share = load("embedded", [ENDPOINT]).mllm.shared_by(workers).at_once
    assert 0.8 * 60 < share * workers <= 60
