"""A tiny random model on a real vLLM engine: what it says is noise, the way there is the real one."""

import json
import math
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from filters.vqascore import QUESTION
from stages.models.actors import Handle
from stages.models.alignment.mllm import MllmAlignment
from stages.models.mllm.openai import OpenAiConfig, jpeg_url
from stages.models.mllm.vllm import VllmConfig
from stages.models.protocols import Mllm, Request
from stages.models.proxies import RemoteMllm
from stages.models.registry import mllm
from stages.motionsight.observe import observe
from stages.motionsight.refer import plans, schema
from stages.motionsight.settings import ObserveConfig
from tests.videos import write
from tests.vllm_engine import LENGTH

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

TOLERANCE = 1e-2  # of a natural logarithm, which is stricter than of the probability
PROMPTS = (
    "What moves?",
    'Which way does "the camera" pan? {{ x }} <|im_end|>',
    "动作是什么?\n🎥 \ud83d",
    "x " * 400,
)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """Frames (T, H, W, 3) of clips of several lengths and sizes."""
    folder = tmp_path_factory.mktemp("clips")
    sizes = [(320, 240, 16), (321, 239, 3), (64, 36, 2), (180, 320, 4)]
    made = [
        write(folder / f"{w}x{h}.mp4", frames=24, width=w, height=h, pix_fmt="yuv444p") for w, h, _ in sizes
    ]
    return [
        observe(
            str(path), None, None, False, ObserveConfig.model_validate({"frames": {"count": t}})
        ).view.frames
        for path, (_, _, t) in zip(made, sizes, strict=True)
    ]


@pytest.fixture(params=["engine", "server"])
def model(request: pytest.FixtureRequest) -> Mllm:
    """The same model through the `vllm` and through the `openai` backend."""
    if request.param == "engine":
        return mllm(VllmConfig(model="in the actor"), request.getfixturevalue("engine"))
    url, name = request.getfixturevalue("server"), str(request.getfixturevalue("checkpoint"))
    return mllm(OpenAiConfig(base_url=url, model=name, timeout_s=120))


def asked(prompt: str, frames: np.ndarray, **wanted: Any) -> Request:
    return Request(prompt, prompt, "both", frames, np.arange(len(frames)) / 4, **{"max_tokens": 24} | wanted)


def test_a_tiny_random_model_answers_in_text_in_the_order_asked(model: Mllm, clips: list[np.ndarray]) -> None:
    requests = [asked(prompt, frames) for frames in clips for prompt in PROMPTS]
    replies = model.generate(requests)
    assert [reply.error for reply in replies] == [None] * len(requests)
    assert len({reply.text for reply in replies}) > len(requests) / 2, "it looks at what it is shown"
    assert all(0 < reply.prompt_tokens < reply.tokens <= reply.prompt_tokens + 3 * 24 for reply in replies)
    for k in (0, 5, 15):
        assert model.generate([requests[k]])[0].text == replies[k].text
    assert model.generate([]) == []


def test_a_tiny_random_model_writes_json_of_a_schema(model: Mllm, clips: list[np.ndarray]) -> None:
    wanted = schema(2)
    replies = model.generate(
        [asked("Plan.", frames, json_schema=wanted, max_tokens=1024) for frames in clips]
    )
    for reply in replies:
        assert reply.error is None, reply.detail
        assert len(plans(reply.text)) == 2
        assert json.loads(reply.text)["plans"][0]["about"] in ("object", "camera", "both")


def test_json_cut_short_by_a_tiny_random_model_ends_in_its_code(model: Mllm, clips: list[np.ndarray]) -> None:
    (reply,) = model.generate([asked("Plan.", clips[2], json_schema=schema(2), max_tokens=4)])
    assert (reply.text, reply.error) == ("", "mllm_bad_output")
    assert "not JSON" in reply.detail
    attempts = (reply.tokens - reply.prompt_tokens) / 4
    assert attempts == {"vllm": 3, "openai": 4}[model.name], "as many as max_attempts"


def test_what_a_tiny_random_engine_cannot_do_ends_in_its_code(
    engine: Handle, clips: list[np.ndarray]
) -> None:
    bad, good = RemoteMllm(engine).generate([asked("x " * 2 * LENGTH, clips[2]), asked("x", clips[2])])
    assert (bad.error, bad.text) == ("mllm_error", "")
    assert str(LENGTH) in bad.detail
    assert "\n" not in bad.detail
    assert good.error is None
    (many,) = RemoteMllm(engine).generate([asked("x", np.zeros((33, 32, 32, 3), np.uint8))])
    assert many.error == "mllm_error"


def test_log_probabilities_of_a_tiny_random_model_are_those_of_transformers(
    model: Mllm, checkpoint: Path, clips: list[np.ndarray]
) -> None:
    texts = ["The camera pans left.", "动作 🎥", "No", "A man walks to the right, past a red car."]
    pairs = [(frames, QUESTION.format(text=text)) for frames in clips for text in texts]
    seen = (lambda frames: frames) if model.name == "vllm" else as_jpeg
    expected = [first_token(checkpoint, prompt, seen(frames)) for frames, prompt in pairs]
    likeliest = [max(right, key=lambda token: right[token]) for right in expected]
    requests = [
        asked(prompt, frames, max_tokens=1, logprob_tokens=("Yes", "No", best))
        for (frames, prompt), best in zip(pairs, likeliest, strict=True)
    ]
    for reply, right, best in zip(model.generate(requests), expected, likeliest, strict=True):
        told = ("Yes", "No", best) if model.name == "vllm" else (best,)  # a server tells of the 20 likeliest
        assert [reply.logprobs[token] for token in told] == pytest.approx(
            [right[token] for token in told], abs=TOLERANCE
        )
    assert max(right[best] for right, best in zip(expected, likeliest, strict=True)) > math.log(0.3)
    assert np.std([right["Yes"] for right in expected]) > 100 * TOLERANCE, "or any answer would do"
    if model.name == "vllm":
        scores = MllmAlignment(model)(clips[0], np.arange(len(clips[0])), texts)
        assert scores == pytest.approx(
            [math.exp(right["Yes"]) for right in expected[: len(texts)]], rel=TOLERANCE
        )


def as_jpeg(frames: np.ndarray) -> np.ndarray:
    """Frames as the `openai` backend sends them."""
    quality = OpenAiConfig.model_fields["jpeg_quality"].default
    sent = [b64decode(jpeg_url(frame, quality).split(",")[1]) for frame in frames]
    return np.stack([np.asarray(Image.open(BytesIO(data))) for data in sent])


def first_token(checkpoint: Path, prompt: str, frames: np.ndarray) -> dict[str, float]:
    """Log-probability of each word as the first token of the answer, by transformers, float32."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(checkpoint)
    model = AutoModelForImageTextToText.from_pretrained(checkpoint, dtype=torch.float32)
    content: list[dict[str, Any]] = [{"type": "image", "image": Image.fromarray(frame)} for frame in frames]
    content.append({"type": "text", "text": prompt})
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        shares = model(**inputs).logits[0, -1].double().softmax(-1).tolist()
    told: dict[str, float] = {}
    for number, share in enumerate(shares):
        word = processor.tokenizer.decode([number]).strip()
        told[word] = told.get(word, 0.0) + share
    return {word: math.log(share) for word, share in told.items() if word and word.isascii()}


def test_the_second_question_to_a_tiny_random_model_finds_its_frames_in_the_cache(
    model: Mllm, clips: list[np.ndarray]
) -> None:
    frames, others = 255 - clips[0], clips[0][..., ::-1]  # which nobody has asked about
    first, again = (model.generate([asked(prompt, frames)])[0] for prompt in ("What moves?", "How fast?"))
    text = 96  # tokens, more than the longer question, the marks about it and a block of the cache
    assert first.cached_tokens < text
    assert again.cached_tokens > again.prompt_tokens - text > 1000
    (other,) = model.generate([asked("What moves?", others)])
    assert other.cached_tokens < text


def test_many_callers_of_a_tiny_random_engine_are_answered_as_one_is(
    engine: Handle, clips: list[np.ndarray]
) -> None:
    requests = [asked(f"{k}?", clips[k % 4], max_tokens=8) for k in range(24)]
    with ThreadPoolExecutor(12) as threads:
        replies = [*threads.map(lambda it: RemoteMllm(engine).generate([it])[0], requests)]
    assert {reply.error for reply in replies} == {None}
    assert [reply.text for reply in RemoteMllm(engine).generate(requests)] == [it.text for it in replies]


def test_nothing_of_a_tiny_random_engine_or_its_server_listens_to_the_network(
    engine: Handle, server: str
) -> None:
    processes = [process for process, _, of_ray in started() if not of_ray]
    connections = [it for process in processes for it in process.net_connections()]
    listening = {it.laddr[:2] for it in connections if it.status == psutil.CONN_LISTEN}
    assert sum("EngineCore" in name for _, name, _ in started()) == 2
    assert ("127.0.0.1", int(server.split(":")[-1].split("/")[0])) in listening
    assert {ip for ip, _ in listening} <= {"127.0.0.1", "::1"}


def test_a_tiny_random_engine_that_dies_is_started_anew(engine: Handle, clips: list[np.ndarray]) -> None:
    (before,) = RemoteMllm(engine).generate([asked("x", clips[2])])
    (core,) = [
        process
        for process, name, _ in started()
        if "EngineCore" in name and any("ray::" in " ".join(it.cmdline()) for it in process.parents())
    ]
    core.kill()
    (after,) = RemoteMllm(engine).generate([asked("x", clips[2])])
    assert (after.text, after.error) == (before.text, None)


def started() -> list[tuple[psutil.Process, str, bool]]:
    """Processes under this one, their names, and whether they are Ray's own, whose ports are its affair."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            name = " ".join(process.cmdline())
            found.append((process, name, any(word in name for word in ("ray::", "raylet", "/ray/"))))
    return found
