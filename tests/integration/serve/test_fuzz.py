"""Requests made up at random get an answer or a sentence, soon, and never an internal error."""

import http.client
import json
import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.review_server import Server, filled
from tests.tables import clip

ROUNDS = [60, pytest.param(2000, marks=pytest.mark.long)]
LONGEST_S = 20.0
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, 10**400, "", "\x00", "\ud800", "a" * 70_000, [], {}, [[]] * 50),
    *("data:video/mp4;base64,AAAA", "data:image/png;base64,!", "file:///etc/passwd", "http://[::1]/", "NaN"),
    *({"url": "data:,"}, [{"type": "text"}], {"fps": 0}, {"times": [0, -1]}),
)


def spoilt(value: Any, chance: random.Random) -> Any:
    """A JSON value with one part of it replaced, left out or repeated."""
    if chance.random() < 0.25 or not isinstance(value, dict | list) or not value:
        return chance.choice(ODD)
    if isinstance(value, list):
        at = chance.randrange(len(value))
        return [*value[:at], spoilt(value[at], chance), *value[at + chance.randrange(2) :]]
    name = chance.choice(list(value))
    if chance.random() < 0.2:
        return {key: each for key, each in value.items() if key != name}
    return value | {name: spoilt(value[name], chance)}


def body_of(value: Any, chance: random.Random) -> bytes:
    data = json.dumps(value).encode("utf-8", "replace")
    if chance.random() < 0.2:
        at = chance.randrange(len(data))
        data = data[:at] + chance.randbytes(chance.randrange(8)) + data[at + chance.randrange(8) :]
    return b"[" * 100_000 if chance.random() < 0.02 else data


def post(address: str, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=LONGEST_S)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("rounds", ROUNDS)
def test_any_question_gets_an_answer_or_a_sentence(measuring: str, video: str, rounds: int) -> None:
    parts = [{"type": "video_url", "video_url": {"url": video}}, {"type": "text", "text": "What moves?"}]
    usual = {
        "model": "any",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}],
        "max_tokens": 50,
        "temperature": 0.5,
        "seed": 3,
        "stream": False,
        "motionsight": {"fps": 2.0},
    }
    address = urlsplit(measuring).netloc
    for seed in range(rounds):
        chance = random.Random(seed)
        value = usual
        for _ in range(chance.randrange(1, 4)):
            value = spoilt(value, chance)
        began = time.monotonic()
        status, answer = post(address, "/v1/chat/completions", body_of(value, chance))
        assert status < 500, (seed, status, answer[:300])
        assert b"Traceback" not in answer
        assert time.monotonic() - began < LONGEST_S, seed
        if status != 200:
            assert json.loads(answer)["error"]["message"], seed


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(filled(tmp_path_factory.mktemp("review") / "work", [clip("a"), clip("b")]))
    yield server
    server.end()


@pytest.mark.parametrize("rounds", ROUNDS)
def test_any_vote_is_taken_or_refused(review: Server, rounds: int) -> None:
    item = review.ask("next", "ada")["item"]
    usual = {"annotator": "ada", "item": item["id"], "choice": "left", "edited": "It pans.", "seconds": 2.5}
    for seed in range(rounds):
        chance = random.Random(seed)
        value: Any = spoilt(usual, chance)
        path = chance.choice(["vote", "vote", "next", "skip", "unskip", "back", "none"])
        status, answer = post(f"127.0.0.1:{review.port}", f"/api/{path}", body_of(value, chance))
        assert status < 500, (seed, path, status, answer[:300])
        assert b"Traceback" not in answer
    assert review.ask("next", "eve")["progress"]["wanted"] == 2
