"""The OpenAI-compatible backend against a real HTTP server that misbehaves on purpose."""

import asyncio
import base64
import logging
import math
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.errors import CallError, CeilingError, RunError
from pipeline.ledger import Ledger, Spent
from stages.models.metering import Purse
from stages.models.mllm import openai as openai_chat
from stages.models.mllm.openai import OpenAiConfig, OpenAiMllm
from stages.models.protocols import Reply, Request
from tests.chat_server import KEY, PASSING, Endpoint, Mannered, completion

TIMEOUT_S = 0.5
SCHEMA = {"type": "object", "properties": {"claims": {"type": "array"}}, "required": ["claims"]}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A running server; the delays between attempts are shortened to keep the tests fast."""
    monkeypatch.setattr(openai_chat, "RETRY_DELAY_S", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Endpoint(slow_s=TIMEOUT_S * 2) as server:
        yield server


@pytest.fixture
def mannered(endpoint: Endpoint) -> Iterator[Callable[..., Mannered]]:
    """Starts servers that know a part of the API, or think aloud."""
    with ExitStack() as running:
        yield lambda **manners: running.enter_context(Mannered(**manners))


def model(endpoint: Endpoint, **settings: Any) -> OpenAiMllm:
    settings = {"base_url": endpoint.url, "model": "m", "timeout_s": TIMEOUT_S} | settings
    return OpenAiMllm(OpenAiConfig(**settings))


def request(prompt: str, frames: np.ndarray | None = None, **wanted: Any) -> Request:
    frames = np.zeros((1, 8, 8, 3), np.uint8) if frames is None else frames
    return Request(prompt, prompt, "both", frames, np.arange(len(frames)) / 4, **wanted)


def ask(endpoint: Endpoint, *faults: Any, wanted: dict[str, Any] | None = None, **settings: Any) -> Reply:
    endpoint.faults["q"] = list(faults)
    (reply,) = model(endpoint, **settings).generate([request("q", **(wanted or {}))])
    return reply


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_passing_fault_costs_one_more_request(endpoint: Endpoint, fault: Any) -> None:
    reply = ask(endpoint, fault)
    assert (reply.text, reply.error) == ("echo q", None)
    assert endpoint.asked["q"] == 2


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_lasting_fault_ends_in_a_code_after_max_attempts(endpoint: Endpoint, fault: Any) -> None:
    reply = ask(endpoint, *[fault] * 50, max_attempts=3)
    no_answer = isinstance(fault, str)
    assert reply.error == ("mllm_error" if no_answer else "mllm_bad_output")
    assert reply.text == ""
    assert reply.detail
    assert "\n" not in reply.detail
    assert endpoint.asked["q"] == 3


def test_faults_of_both_kinds_share_one_budget(endpoint: Endpoint) -> None:
    faults = ["busy", completion(""), "cut", b"<html>", "broken", completion("late")]
    assert ask(endpoint, *faults, max_attempts=6).text == "late"
    assert endpoint.asked["q"] == 6
    endpoint.asked.clear()
    assert ask(endpoint, *faults, max_attempts=5).error == "mllm_error"
    assert endpoint.asked["q"] == 5
    endpoint.asked.clear()
    assert ask(endpoint, *faults, max_attempts=4).error == "mllm_bad_output"
    assert endpoint.asked["q"] == 4


def test_one_attempt_means_one_request(endpoint: Endpoint) -> None:
    assert ask(endpoint, "busy", max_attempts=1).error == "mllm_error"
    assert endpoint.asked["q"] == 1


def test_an_endpoint_that_drips_is_given_up(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_chat, "LONGEST_PAUSE_S", 0.0)
    started = time.monotonic()
    reply = ask(endpoint, "drip", "drip", max_attempts=2)
    assert (reply.error, reply.detail) == ("mllm_error", "no answer in time")
    assert time.monotonic() - started < 2


def test_an_endpoint_says_when_it_wants_to_be_asked_again() -> None:
    assert openai_chat.wait(429, {"retry-after": "7"}, 0.5) == 7
    assert openai_chat.wait(503, {}, 0.5) == 0.5
    for no_use in ("0", "-1", "nan", "soon", "Fri, 31 Dec 1999 23:59:59 GMT"):
        assert openai_chat.wait(429, {"retry-after": no_use}, 0.5) == 0.5
    later = openai_chat.wait(
        503, {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=30))}, 1
    )
    assert later is not None
    assert 20 < later <= 30
    assert openai_chat.wait(429, {"retry-after": "3600"}, 0.5) is None, "longer than anybody waits"
    assert openai_chat.wait(400, {"retry-after": "1"}, 0.5) is None, "it would be wrong again"
    assert openai_chat.wait(400, {"x-should-retry": "true"}, 0.5) == 0.5
    assert openai_chat.wait(500, {"x-should-retry": "false"}, 0.5) is None


def test_connections_are_kept_open_between_calls(endpoint: Endpoint) -> None:
    asked = model(endpoint)
    for k in range(5):
        asked.generate([request(str(k))])
    assert endpoint.connections == 1


def test_every_request_of_a_faulty_day_ends_answered_or_with_its_code(endpoint: Endpoint) -> None:
    kinds = list(PASSING.values())
    lasting = {f"q{i}" for i in range(0, 60, 10)}
    for i in range(60):
        fault = kinds[i % len(kinds)]
        endpoint.faults[f"q{i}"] = [fault] * (50 if f"q{i}" in lasting else i % 3)
    replies = model(endpoint, max_attempts=3).generate([request(f"q{i}") for i in range(60)])
    for i, reply in enumerate(replies):
        if f"q{i}" in lasting:
            assert reply.error in ("mllm_error", "mllm_bad_output")
        else:
            assert reply.text == f"echo q{i}", reply
    assert max(endpoint.asked.values()) <= 3


def test_replies_keep_the_order_of_requests_and_the_limit_in_flight(endpoint: Endpoint) -> None:
    endpoint.delay_s = lambda prompt: 0.1 if int(prompt) % 3 == 0 else 0.02
    replies = model(endpoint, concurrency=4).generate([request(str(i)) for i in range(24)])
    assert [reply.text for reply in replies] == [f"echo {i}" for i in range(24)]
    assert endpoint.most_in_flight == 4
    assert model(endpoint).generate([]) == []


def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.faults = {"a": [401], "b": ["busy"], "c": ["cut"] * 9, "d": ["long excuse"]}
    endpoint.faults["e"] = [{"error": "x" * 260 + KEY}] * 9
    asked = model(endpoint)
    replies = asked.generate([request(prompt) for prompt in "bcde"])
    with pytest.raises(RunError) as refusal:
        asked.generate([request("a")])
    assert endpoint.keys == {f"Bearer {KEY}"}
    assert [reply.error for reply in replies] == [None, "mllm_error", "mllm_error", "mllm_bad_output"]
    assert len(replies[2].detail) == 300
    out, err = capfd.readouterr()
    said = [
        caplog.text,
        out,
        err,
        repr(replies),
        str(refusal.getrepr()),
        repr(asked),
        repr(vars(asked)),
        asked.config.model_dump_json(),
    ]
    assert not [text for text in said if KEY in text or KEY[:12] in text]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_every_call_alike_ends_the_run_at_once(endpoint: Endpoint, status: int) -> None:
    endpoint.faults = {f"q{k}": [status] for k in range(40)}
    with pytest.raises(
        RunError, match=rf"refuses requests for m; check .*OPENAI_API_KEY: .*{status}"
    ) as refusal:
        model(endpoint, concurrency=2).generate([request(f"q{k}") for k in range(40)])
    assert "\n" not in str(refusal.value)
    assert max(endpoint.asked.values()) == 1
    assert len(endpoint.asked) <= 4, "those in flight, and no more"


def test_an_endpoint_elsewhere_needs_a_key(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask(endpoint).text == "echo q"
    for url in (None, "https://models.example.org/v1"):
        with pytest.raises(CallError, match="environment variable MY_KEY"):
            OpenAiMllm(OpenAiConfig(base_url=url, model="m", api_key_env="MY_KEY"))
    monkeypatch.setenv("MY_KEY", f"{KEY}\u2026")
    with pytest.raises(CallError, match="MY_KEY") as refusal:
        OpenAiMllm(OpenAiConfig(model="m", api_key_env="MY_KEY"))
    assert KEY not in str(refusal.value)
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")  # read from a file, say
    ask(endpoint, api_key_env="MY_KEY")
    assert f"Bearer {KEY}" in endpoint.keys


def test_settings_that_cannot_be_meant_are_refused() -> None:
    for wrong in (
        {"base_url": "localhost:8000"},
        {"api_key_env": "sk-12"},
        {"concurrency": 0},
        {"api_key": "x"},
    ):
        with pytest.raises(ValidationError):
            OpenAiConfig(**{"model": "m"} | wrong)


def test_frames_arrive_as_images_in_order_before_the_prompt(endpoint: Endpoint) -> None:
    frames = np.zeros((3, 48, 64, 3), np.uint8)
    frames[0, ..., 0] = frames[1, ..., 1] = frames[2, ..., 2] = 200
    model(endpoint).generate([request("q", frames, max_tokens=33, temperature=0.5, seed=4)])
    (body,) = endpoint.bodies
    assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("m", 33, 0.5, 4)
    *images, text = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "q"}
    assert len(images) == 3
    for frame, image in zip(frames, images, strict=True):
        kind, data = image["image_url"]["url"].split(",")
        assert kind == "data:image/jpeg;base64"
        seen = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert seen is not None
        assert seen.shape == (48, 64, 3)
        assert np.abs(seen[..., ::-1].astype(int) - frame).max() < 8


def test_log_probabilities_of_a_token_sum_over_its_spellings(endpoint: Endpoint) -> None:
    shares = {"Yes": 0.5, " Yes": 0.2, "yes": 0.1, "No": 0.05, "\n": 0.01}
    top = [{"token": token, "logprob": math.log(share)} for token, share in shares.items()]
    content = [{"token": " Yes", "logprob": math.log(0.2), "top_logprobs": top}]
    wanted = {"logprob_tokens": ("Yes", "No", "Maybe"), "max_tokens": 1}
    reply = ask(endpoint, completion(" Yes", logprobs={"content": content}), wanted=wanted)
    assert reply.logprobs == pytest.approx({"Yes": math.log(0.7), "No": math.log(0.05)})
    assert reply.tokens == 7
    assert endpoint.bodies[0]["logprobs"] is True
    assert endpoint.bodies[0]["top_logprobs"] == 20
    # A first token of white space alone still has a score; a server that tells none gives none.
    endpoint.asked.clear()
    reply = ask(endpoint, completion("\n", logprobs={"content": content}), wanted=wanted)
    assert reply.logprobs["Yes"] == pytest.approx(math.log(0.7))
    silent: list[Any] = [None, {"content": None}, {"content": []}, {"content": [{"token": "Yes"}]}]
    for told in silent:
        endpoint.asked.clear()
        assert ask(endpoint, completion("Yes", logprobs=told), wanted=wanted) == Reply("Yes", 7)


def test_a_reply_without_usage_counts_no_tokens(endpoint: Endpoint) -> None:
    for usage in (None, {}, {"total_tokens": None}):
        endpoint.asked.clear()
        assert ask(endpoint, completion("hi") | {"usage": usage}) == Reply("hi", 0)


def test_a_schema_is_passed_on_and_checked(endpoint: Endpoint) -> None:
    good = '{"claims": ["pans left"]}'
    raw = good.replace("pans left", "pans\x15left")  # which engines write where a string has a maxLength
    for said in (good, f"Here you are:\n```json\n{good}\n```", raw):
        endpoint.asked.clear()
        assert ask(endpoint, completion(said), wanted={"json_schema": SCHEMA}) == Reply(good, 7)
    asked_for = endpoint.bodies[0]["response_format"]
    assert (asked_for["type"], asked_for["json_schema"]["schema"]) == ("json_schema", SCHEMA)
    for said in ("pans left", '{"claims": "pans left"}', '{"claims": [', "{}", "[" * 100_000):
        endpoint.asked.clear()
        reply = ask(endpoint, *[completion(said)] * 9, wanted={"json_schema": SCHEMA}, max_attempts=2)
        assert (reply.text, reply.error) == ("", "mllm_bad_output")
        assert sum(endpoint.asked.values()) == 2
        assert reply.tokens == 14, "what unusable answers cost is counted too"
        assert len(reply.detail) <= 300


def test_half_a_character_does_not_reach_the_tables(endpoint: Endpoint) -> None:
    assert ask(endpoint, completion("a cat \ud83d")).text == "a cat ?"
    endpoint.asked.clear()
    assert ask(endpoint, {"error": "\ud83d"}, max_attempts=1).detail.encode()


def test_an_endpoint_that_is_not_there_is_an_error_of_the_request(endpoint: Endpoint) -> None:
    reply = model(endpoint, base_url="http://127.0.0.1:9/v1").generate([request("q")])[0]
    assert reply.error == "mllm_error"
    assert "Connection error" in reply.detail


def test_it_works_in_threads_with_and_without_a_running_loop(endpoint: Endpoint) -> None:
    asked = pickle.loads(pickle.dumps(model(endpoint)))  # as Ray sends it

    async def inside() -> list[Reply]:
        return asked.generate([request("loop")])

    texts: list[str] = []
    work = [lambda: asyncio.run(inside()), lambda: asked.generate([request("bare")])]
    threads = [threading.Thread(target=lambda job=job: texts.extend(r.text for r in job())) for job in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts) == ["echo bare", "echo loop"]


@pytest.mark.parametrize("most", [1, 2, 23, 60])
def test_whatever_is_in_flight_no_request_is_sent_beyond_the_ceiling(endpoint: Endpoint, most: int) -> None:
    """Retries included; and what the ledger counts is what the endpoint was asked."""
    book = Ledger(Spent(math.inf, most))
    purse, asked = Purse(book), model(endpoint, concurrency=64, timeout_s=60)
    endpoint.delay_s = lambda prompt: 0.02
    for clip in range(16):
        endpoint.faults |= {f"{clip} {k}": ["broken"] * ((clip + k) % 3) for k in range(4)}
    done: list[int] = []

    def work(clip: int) -> None:
        with suppress(CeilingError), purse.clip(str(clip)):
            replies = asked.generate([request(f"{clip} {k}") for k in range(4)])
            assert not [reply.error for reply in replies if reply.error]
            done.append(clip)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(16)))
    spent, full = book.state()
    assert full
    assert sum(endpoint.asked.values()) == spent.requests <= most
    assert len(done) >= most // 20


REFUSALS = {
    "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
    " 'max_completion_tokens' instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1)"
    " value is supported.",
    "seed": "Unrecognized request argument supplied: seed",
    "response_format": "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this"
    " model.",
    "top_logprobs": "top_logprobs must be at most 5",
    "logprobs": "This model does not support logprobs",
}


@pytest.mark.parametrize("wrong", [[name] for name in REFUSALS] + [[*REFUSALS]], ids="+".join)
def test_an_endpoint_that_refuses_a_part_of_the_api_is_asked_without_it_from_then_on(
    mannered: Any, wrong: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    server = mannered(refuses={name: REFUSALS[name] for name in wrong})
    server.reply = lambda prompt: '{"claims": []}' if "JSON" in prompt else f"echo {prompt}"
    asked = model(server, max_attempts=1, concurrency=2)
    given = [
        request("in JSON", json_schema=SCHEMA),
        request("at random", temperature=0.5),
        request("p", logprob_tokens=("Yes",)),
        request("plain"),
    ]
    for _ in range(2):
        (made, *others) = asked.generate(given)
        assert (made.text, made.error) == ('{"claims": []}', None)
        assert [reply.text for reply in others] == ["echo at random", "echo p", "echo plain"]
    refused = server.refusals
    asked.generate(given)
    assert server.refusals == refused, "it is known by now"
    said = [record.message for record in caplog.records if record.name == "motionsight"]
    assert len(said) == len(set(said)) == len(wrong)
    last = {body["messages"][0]["content"][-1]["text"].split("\n")[0]: body for body in server.bodies[-4:]}
    assert ("max_completion_tokens" in last["plain"]) == ("max_tokens" in wrong)
    assert ("temperature" not in last["plain"]) == ("temperature" in wrong)
    assert last["at random"].get("seed") == (None if "seed" in wrong else 0)
    assert ("response_format" not in last["in JSON"]) == ("response_format" in wrong)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "This model's maximum context length is 99 tokens: reduce max_tokens"}}),
        (400, {"error": {"message": "max_tokens is too large: 256. At most 100 are supported"}}),
        (400, {"error": {"message": "an image could not be decoded"}}),
    ],
)
def test_a_request_that_is_wrong_otherwise_is_not_sent_again(
    endpoint: Endpoint, status: int, body: dict[str, Any]
) -> None:
    endpoint.faults["q"] = [(status, body)] * 9
    (reply,) = model(endpoint).generate([request("q")])
    assert reply.error == "mllm_error"
    assert body["error"]["message"][:30] in reply.detail
    assert endpoint.asked["q"] == 1


THOUGHT = "Okay, the camera pans left, or does it? " * 40  # 320 words


@pytest.mark.parametrize(
    "thinks", ["<think>\n{}\n</think>\n\n", "{}\n</think>\n\n", "◁think▷{}◁/think▷ "], ids=str.strip
)
def test_an_endpoint_that_thinks_is_given_room_and_its_thoughts_are_no_answer(
    mannered: Any, thinks: str
) -> None:
    server = mannered(thinks=thinks.format(THOUGHT))
    server.delay_s = lambda prompt: 0.02
    asked = model(server, max_attempts=1)
    for _ in range(2):
        replies = asked.generate([request(f"{k}", max_tokens=100) for k in range(8)])
        assert [(reply.text, reply.error) for reply in replies] == [(f"echo {k}", None) for k in range(8)]
        assert all(300 < reply.thought_tokens <= 422 for reply in replies)
    assert len(server.bodies) <= 8 + 8 + 8, "each of the first is asked once more"
    (reply,) = model(server, thinking_tokens=100).generate([request("q", max_tokens=100)])
    assert reply.error == "mllm_bad_output"
    assert "thinking_tokens" in reply.detail


def test_a_long_answer_of_a_model_that_does_not_think_is_asked_for_once_more_for_all(
    mannered: Any,
) -> None:
    server = mannered()
    server.reply = lambda prompt: "and so on " * 200
    asked = model(server, max_attempts=1, input_price=1.0, output_price=1.0, max_cost=1.0)
    purse = Purse(Ledger(Spent(1.0, 100)))
    with purse.clip("a") as account:  # the ceiling lets one request pass at a time until its cost is known
        replies = asked.generate([request(f"{k}", max_tokens=100) for k in range(4)])
    assert {reply.text for reply in replies} == {" ".join(["and so on"] * 33 + ["and"])}
    assert len(server.bodies) == account.spent.requests == 5
    assert account.spent.cost * 1e6 == sum(reply.tokens for reply in replies)


def test_what_a_server_calls_reasoning_is_no_answer(endpoint: Endpoint) -> None:
    for name in ("reasoning_content", "reasoning"):
        message = {"role": "assistant", "content": "It is still.", name: "It pans left, I think."}
        usage = {"total_tokens": 60, "completion_tokens_details": {"reasoning_tokens": 17}}
        endpoint.asked.clear()
        reply = ask(endpoint, completion("", message=message) | {"usage": usage})
        assert (reply.text, reply.thought_tokens) == ("It is still.", 17)


def test_p_yes_is_that_of_the_answer_and_not_of_a_thought(endpoint: Endpoint) -> None:
    said = ["<think>", "No", "?", "</think>", "\n", "Yes"]
    content = [
        {"token": token, "logprob": -0.1, "top_logprobs": [{"token": "No", "logprob": -2.0 - k}]}
        for k, token in enumerate(said)
    ]
    told = completion("".join(said), logprobs={"content": content})
    reply = ask(endpoint, told, wanted={"logprob_tokens": ("Yes", "No")})
    assert reply.logprobs == pytest.approx({"Yes": -0.1, "No": -7.0})


def test_settings_of_the_user_go_along_with_each_request(endpoint: Endpoint) -> None:
    ask(endpoint, chat_template_kwargs={"enable_thinking": False}, extra_body={"reasoning_effort": "low"})
    (body,) = endpoint.bodies
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["reasoning_effort"] == "low"
