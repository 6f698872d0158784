"""`motionsight serve` asked by the official client: right requests are answered, wrong ones refused."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from PIL import Image

from stages.serve.clip import write_clip
from stages.video.frames import Clip, DecodeConfig, Wanted
from tests.serving import CAMERA, ask, asking, client, pictures, post, url_of
from tests.stream_server import Upstream
from tests.videos import bad


def test_a_video_is_answered_about(measuring: str, video: str) -> None:
    for kind in ("video_url", "image_url"):
        answer = ask(measuring, CAMERA, video, kind=kind)
        assert "to the right" in answer.choices[0].message.content
        assert answer.choices[0].finish_reason == "stop"
        assert answer.model == "motionsight-test"


def test_the_same_question_gets_the_same_answer_streamed_or_not(measuring: str, video: str) -> None:
    whole = ask(measuring, CAMERA, video)
    chunks = list(ask(measuring, CAMERA, video, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]


@pytest.mark.parametrize(
    ("count", "rate", "form", "size"),
    [
        (16, 4, "JPEG", (320, 240)),
        (9, 1, "PNG", (321, 239)),
        (2, 1, "WEBP", (64, 64)),
        (40, 8, "JPEG", (96, 170)),
    ],
)
def test_pictures_of_a_video_are_answered_about(
    measuring: str, count: int, rate: float, form: str, size: tuple[int, int]
) -> None:
    body = {"motionsight": {"fps": rate}}
    answer = ask(measuring, CAMERA, *pictures(count, rate, form, size), kind="image_url", extra_body=body)
    assert "to the right" in answer.choices[0].message.content


def test_times_of_pictures_are_told_to_the_model(forwarding: str, upstream: Upstream) -> None:
    shown = pictures(3, 2)
    for timing, told in (
        ({"times": [5.0, 5.25, 6.5]}, "0.00, 0.25, 1.50"),
        ({"fps": 2}, "0.00, 0.50, 1.00"),
        (None, "0.00, 1.00, 2.00"),
    ):
        body = {"motionsight": timing} if timing else None
        ask(forwarding, "What moves?", *shown, kind="image_url", extra_body=body)
        assert told in upstream.bodies[-1]["messages"][0]["content"][-1]["text"]


def test_pictures_in_one_url_as_vllm_takes_them(measuring: str) -> None:
    shown = "data:video/jpeg;base64," + ",".join(url.partition(",")[2] for url in pictures(8, 4))
    answer = ask(measuring, CAMERA, shown, extra_body={"motionsight": {"fps": 4}})
    assert "to the right" in answer.choices[0].message.content


def test_the_model_gets_enhanced_frames_and_streams(forwarding: str, upstream: Upstream, video: str) -> None:
    words = [c.choices[0].delta.content for c in ask(forwarding, CAMERA, video, stream=True) if c.choices]
    assert words == ["It ", "moves ", "to the ", "right.", None]
    *images, text = upstream.bodies[-1]["messages"][0]["content"]
    assert len(images) == 16
    assert "trails" in text["text"]
    ask(forwarding, "What does the person do?", video)
    *dimmed, text = upstream.bodies[-1]["messages"][0]["content"]
    assert "dimmed" in text["text"]
    assert dimmed != images


def test_usage_is_counted(forwarding: str, video: str) -> None:
    usage = ask(forwarding, CAMERA, video).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (90, 4, 94)
    *_, last = ask(forwarding, CAMERA, video, stream=True, stream_options={"include_usage": True})
    assert (last.choices, last.usage.total_tokens) == ([], 94)


def test_sparse_pictures_are_not_blended(forwarding: str, upstream: Upstream) -> None:
    """Seconds apart, a blend shows ghosts and no trails."""
    for rate, blurred in ((1, False), (12, True)):
        body = {"motionsight": {"fps": rate}}
        ask(forwarding, CAMERA, *pictures(16, rate), kind="image_url", extra_body=body)
        text = upstream.bodies[-1]["messages"][0]["content"][-1]["text"]
        assert ("trails" in text) == blurred


def test_instructions_settings_and_earlier_turns_reach_the_model(
    forwarding: str, upstream: Upstream, video: str
) -> None:
    turns: list[Any] = [
        {"role": "system", "content": "Answer in Ünïcødé 动作."},
        *asking("What is it?", video, kind="video_url"),
        {"role": "assistant", "content": "A portrait."},
        {"role": "user", "content": CAMERA},
    ]
    client(forwarding).chat.completions.create(
        model="m", messages=turns, max_completion_tokens=33, temperature=0.5, seed=-7
    )
    body = upstream.bodies[-1]
    text = body["messages"][0]["content"][-1]["text"]
    assert text.startswith(
        "system: Answer in Ünïcødé 动作.\n\nuser: What is it?\n\nassistant: A portrait.\n\n"
    )
    assert text.endswith(f"Question: {CAMERA}")
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (33, 0.5, 2**32 - 7)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no messages": ({"messages": []}, "messages", "invalid_request"),
    "no user": ({"messages": [{"role": "system", "content": "x"}]}, "no question", "invalid_request"),
    "no question": (
        {"messages": asking(" ", "data:video/mp4;base64,AAAA")},
        "no question",
        "invalid_request",
    ),
    "no video": ({"messages": [{"role": "user", "content": "hi"}]}, "no video", "invalid_request"),
    "one picture": ({"messages": asking("q", *pictures(1, 1))}, "two images", "invalid_request"),
    "two videos": (
        {"messages": asking("q", *["data:video/mp4;base64,AA=="] * 2)},
        "one video",
        "invalid_request",
    ),
    "sound": (
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}, {"type": "text", "text": "q"}]}]},
        "input_audio",
        "invalid_request",
    ),
    "not base64": ({"messages": asking("q", "data:video/mp4;base64,ä€")}, "not base64", "invalid_request"),
    "many pictures": (
        {"messages": asking("q", *["data:image/png;base64,AA=="] * 257)},
        "256",
        "invalid_request",
    ),
    "no pictures": (
        {"messages": asking("q", *["data:image/png;base64,AA=="] * 2)},
        "image 0",
        "decode_error",
    ),
    "sizes": (
        {"messages": asking("q", *pictures(1, 1), *pictures(1, 1, size=(64, 64)))},
        "one size",
        "decode_error",
    ),
    "times": (
        {"messages": asking("q", *pictures(2, 1)), "motionsight": {"times": [1, 1]}},
        "times have to rise",
        "invalid_request",
    ),
    "no numbers": (
        {"messages": asking("q", *pictures(2, 1)), "motionsight": {"times": [0]}},
        "1 times for 2 images",
        "invalid_request",
    ),
    "two answers": ({"messages": asking("q", *pictures(2, 1)), "n": 2}, "n is", "unsupported_parameter"),
    "tools": ({"messages": asking("q", *pictures(2, 1)), "tools": [{}]}, "tools", "unsupported_parameter"),
    "JSON": (
        {"messages": asking("q", *pictures(2, 1)), "response_format": {"type": "json_object"}},
        "response_format",
        "unsupported_parameter",
    ),
    "an essay": ({"messages": asking("q", *pictures(2, 1)), "max_tokens": 10**6}, "2048", "too_many_tokens"),
    "temperature": (
        {"messages": asking("q", *pictures(2, 1)), "temperature": "hot"},
        "temperature",
        "invalid_request",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_told_what_is_wrong(measuring: str, name: str) -> None:
    body, told, code = WRONG[name]
    status, answer = post(measuring, json.dumps(body).encode())
    assert status == 400
    assert told in answer["error"]["message"]
    assert (answer["error"]["type"], answer["error"]["code"]) == ("invalid_request_error", code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"messages": 1}', b"\xff\xfe", b"[" * 10**5])
def test_what_is_no_request_is_told_so(measuring: str, body: bytes) -> None:
    status, answer = post(measuring, body)
    assert status == 400
    assert answer["error"]["code"] == "invalid_request"


def test_other_paths_and_methods_are_refused_in_the_same_form(measuring: str) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client(measuring).embeddings.create(model="m", input="x")
    assert error.value.type == "not_found_error"
    assert [model.id for model in client(measuring).models.list()] == ["motionsight-test"]
    assert client(measuring).models.retrieve("motionsight-test").object == "model"
    with pytest.raises(openai.NotFoundError):
        client(measuring).models.retrieve("gpt-4o")


def test_a_bad_video_is_named_by_its_code_and_not_by_its_path(measuring: str, tmp_path: Path) -> None:
    for name, (path, code) in bad(tmp_path).items():
        if code == "missing_file":
            continue
        with pytest.raises(openai.BadRequestError) as error:
            ask(measuring, CAMERA, url_of(path.read_bytes()))
        assert error.value.code in (code, "not_a_video"), name
        assert "/tmp" not in str(error.value)


def test_pictures_come_out_of_the_clip_as_they_went_in(tmp_path: Path) -> None:
    times = np.array([0.0, 0.04, 1.5])
    shown = [base64.b64decode(url.partition(",")[2]) for url in pictures(3, 1, "PNG", (33, 17))]
    write_clip(shown, times, str(tmp_path / "clip"))
    clip = Clip(str(tmp_path / "clip"))
    np.testing.assert_allclose(clip.probe.times, times, atol=0.001)
    (taken,) = clip.read([Wanted(range(3), (33, 17), True)], DecodeConfig())
    originals = np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in shown])
    assert np.abs(taken.pictures.astype(int) - originals).max() <= 4  # RGB to YCbCr of 8 bits and back
