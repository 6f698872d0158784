"""Whole runs on an endpoint that fails, withdraws the key, or charges: real Ray, real HTTP."""

import json
import os
import random
import signal
import socket
import time
from pathlib import Path
from shutil import copytree
from subprocess import CompletedProcess
from typing import Any

import pytest

from pipeline.workspace import Workspace
from tests.chat_server import KEY, PASSING, Endpoint, completion
from tests.cli import motionsight, sets, start
from tests.http_server import Exchange
from tests.videos import write

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CLIPS, ATTEMPTS, QUESTIONS = 8, 3, 2
QUALITY = sets("quality.metric=null", "gates.quality_max=null")  # which take long, and play no part
READ, WRITTEN = 9_000, 1_000  # tokens of an answer: at 1 and 10 a million, 0.019
PER_CLIP = 2 * QUESTIONS  # requests: each question has a baseline


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of scored clips of different lengths, so that no two prompts are alike."""
    folder = tmp_path_factory.mktemp("scored")
    for k in range(CLIPS):
        write(folder / f"{k}.mp4", frames=24 + 5 * k)
    for step in (("ingest", "--input", folder), ("score",)):
        run = motionsight(*step, "--output", folder / "W", *QUALITY)
        assert run.returncode == 0, run.stderr
    return folder / "W"


def annotate(workspace: Workspace, server: Endpoint, *settings: str) -> CompletedProcess[str]:
    """Annotate the clips of a workspace with the model behind an endpoint."""
    model = ("mllm.backend=openai", "mllm.model=m", f"mllm.base_url={server.url}")
    options = (*QUALITY, *sets(*model, *settings))
    return motionsight("annotate", "--output", workspace.root, *options, env={"OPENAI_API_KEY": KEY})


class Faulty(Endpoint):
    """Any attempt may fail, in any way, as the seed decides; the others are answered as by a model.

    Every attempt for the first question about all frames fails, as chance alone might spare every question.
    """

    share, seed = 0.35, 0
    unlucky: str | None = None

    def goes_wrong(self, prompt: str, attempt: int) -> bool:
        return prompt == self.unlucky or self._dice(prompt, attempt).random() < self.share

    def answer(self, prompt: str, attempt: int) -> Any:
        with self.lock:
            if prompt.startswith("These are 16 frames") and "Yes or No" not in prompt:
                self.unlucky = self.unlucky or prompt
        if self.goes_wrong(prompt, attempt):
            return self._dice(prompt, attempt + 100).choice([*PASSING.values()])
        shares = [{"token": "Yes", "logprob": -0.1}]
        return completion(f"echo {prompt}", logprobs={"content": [shares[0] | {"top_logprobs": shares}]})

    def _dice(self, prompt: str, attempt: int) -> random.Random:
        return random.Random(f"{self.seed} {attempt} {prompt}")


class Refusing(Endpoint):
    """Answers a few requests and refuses the rest, as when a key is withdrawn."""

    until = 3

    def answer(self, prompt: str, attempt: int) -> Any:
        with self.lock:
            self.until -= 1
            return completion("It moves.") if self.until >= 0 else 401


def test_a_run_on_a_faulty_endpoint_loses_no_clip(scored: Path, tmp_path: Path) -> None:
    """Each question ends answered, or with a code exactly where every attempt for it went wrong."""
    workspace = Workspace(str(copytree(scored, tmp_path / "W")))
    with Faulty(slow_s=6.0) as server:
        patience = (f"mllm.max_attempts={ATTEMPTS}", "mllm.timeout_s=4")
        work = ("vqascore.backend=mllm", f"annotate.questions={QUESTIONS}", "engine.block_clips=2")
        run = annotate(workspace, server, *patience, *work)
    assert run.returncode == 0, run.stderr
    rows = workspace.read("annotations").to_pylist()
    assert len({row["clip_id"] for row in rows}) == len(rows) == CLIPS
    given_up = {
        prompt for prompt in server.asked if all(server.goes_wrong(prompt, k) for k in range(ATTEMPTS))
    }
    for prompt, times in server.asked.items():
        bad = next((k for k in range(ATTEMPTS) if not server.goes_wrong(prompt, k)), ATTEMPTS)
        assert times == min(bad + 1, ATTEMPTS), "no attempt too many, none too few"
    frames = {
        it["messages"][0]["content"][-1]["text"]: len(it["messages"][0]["content"]) - 1
        for it in server.bodies
    }
    scores = {prompt for prompt in given_up if "Please answer Yes or No" in prompt}
    baselines = {prompt for prompt in given_up - scores if frames[prompt] == 4}
    answers = given_up - scores - baselines
    asked = [one for row in rows for one in row["qa"]]
    answered = [one for one in asked if not one["error"]]
    assert len(asked) == CLIPS * QUESTIONS
    assert {one["error"] for one in asked} <= {None, "mllm_error", "mllm_bad_output"}
    assert all(one["answer"].startswith("echo ") for one in answered)
    assert not [one for one in asked if one["error"] and one["answer"]]
    assert len(asked) - len(answered) == len(answers) > 0
    # Baselines are asked beside the answers, and not used without one.
    assert (
        sum(one["baseline"] is None for one in answered)
        <= len(baselines)
        <= sum(one["baseline"] is None for one in asked)
    )
    assert sum(one["vqascore"] is None for one in answered) == len(scores)
    for row in rows:
        assert bool(row["error"]) == all(one["error"] for one in row["qa"])


def test_a_run_whose_key_is_refused_ends_and_goes_on_with_another(scored: Path, tmp_path: Path) -> None:
    workspace = Workspace(str(copytree(scored, tmp_path / "W")))
    with Refusing() as refusing:
        run = annotate(workspace, refusing)
        assert run.returncode == 1, run.stderr
        assert "refuses requests" in run.stderr
        assert "OPENAI_API_KEY" in run.stderr
        for no in ("Traceback", KEY):
            assert no not in run.stderr
        rows = workspace.read("annotations").to_pylist()
        assert not [row["clip_id"] for row in rows if row["error"] or any(one["error"] for one in row["qa"])]
        assert len(rows) < CLIPS
        refusing.until = 1000
        run = annotate(workspace, refusing)
    assert run.returncode == 0, run.stderr
    rows = workspace.read("annotations").to_pylist()
    assert [row["error"] for row in rows] == [None] * CLIPS


@pytest.mark.parametrize(("concurrency", "block", "delay_s"), [(3, 4, 0.5), (64, 2, 4.0)])
def test_as_many_clips_are_in_hand_as_the_endpoint_takes_calls_and_never_more(
    scored: Path, tmp_path: Path, concurrency: int, block: int, delay_s: float
) -> None:
    workspace = Workspace(str(copytree(scored, tmp_path / "W")))
    with Endpoint() as server:
        server.delay_s = lambda prompt: delay_s
        spread = (f"mllm.concurrency={concurrency}", "engine.workers=2", f"engine.block_clips={block}")
        run = annotate(workspace, server, *spread)
        most = server.most_in_flight
    assert run.returncode == 0, run.stderr
    rows = workspace.read("annotations").to_pylist()
    assert len(rows) == len({row["clip_id"] for row in rows}) == CLIPS
    for row in rows:
        for one in row["qa"]:  # no clip gets the answer of another
            assert one["answer"].startswith("echo ")
            assert one["question"] in one["answer"]
    assert sum(row["requests"] for row in rows) == sum(server.asked.values())
    assert min(concurrency, CLIPS) * 0.6 < most <= concurrency


class Silent(Endpoint):
    """Answers nothing, and notices when its clients hang up."""

    def respond(self, exchange: Exchange) -> None:
        with self.lock:
            self.bodies.append({})
        with self.busy():
            while exchange.connection.recv(1, socket.MSG_PEEK):
                time.sleep(0.05)
        exchange.close_connection = True


def test_ctrl_c_ends_a_run_and_all_its_calls(scored: Path, tmp_path: Path) -> None:
    workspace = copytree(scored, tmp_path / "W")
    calls = 64
    with Silent() as server:
        model = ("mllm.backend=openai", "mllm.model=m", f"mllm.base_url={server.url}")
        work = (f"mllm.concurrency={calls}", "annotate.questions=4", "mllm.timeout_s=300")
        spread = ("engine.workers=2", "engine.block_clips=1")
        options = ("--output", workspace, *QUALITY, *sets(*model, *work, *spread))
        run = start("annotate", *options, env={"OPENAI_API_KEY": KEY})
        while server.in_flight < calls and run.poll() is None:
            time.sleep(0.05)
        began = time.monotonic()
        os.killpg(run.pid, signal.SIGINT)
        _, told = run.communicate(timeout=60)
        assert time.monotonic() - began < 10  # what the user was promised
        assert run.returncode == 130, told
        assert "Traceback" not in told
        assert "Resume with: motionsight annotate" in told
        while server.in_flight:
            assert time.monotonic() - began < 10, "no call goes on, and costs money"
            time.sleep(0.05)
        assert len(server.bodies) == calls
        assert json.loads((workspace / "spent.json").read_text())["annotations"]["requests"] == calls


class Charging(Endpoint):
    """Reports the tokens that each answer costs."""

    def answer(self, prompt: str, attempt: int) -> Any:
        usage = {"prompt_tokens": READ, "completion_tokens": WRITTEN, "total_tokens": READ + WRITTEN}
        return completion("It moves.") | {"usage": usage}


@pytest.mark.long
def test_a_run_ends_at_its_ceiling_and_goes_on_with_a_higher_one(scored: Path, tmp_path: Path) -> None:
    workspace = Workspace(str(copytree(scored, tmp_path / "W")))
    with Charging() as server:
        work = (f"annotate.questions={QUESTIONS}", "engine.workers=2", "engine.block_clips=3")
        prices = ("mllm.input_price=1", "mllm.output_price=10")

        def spend(*settings: str) -> tuple[int, str, int]:
            run = annotate(workspace, server, *work, *prices, *settings)
            assert "Traceback" not in run.stderr, run.stderr
            return run.returncode, run.stderr, len(server.bodies)

        code, told, asked = spend("mllm.max_requests=10")
        assert (code, asked) == (3, 2 * PER_CLIP), told
        assert "8 of mllm.max_requests=10 spent, 6 clips left" in told

        code, told, asked = spend("mllm.max_cost=0.5")
        assert (code, asked) == (3, 6 * PER_CLIP), "what earlier runs spent counts"
        assert "0.456 of mllm.max_cost=0.5 spent, 2 clips left" in told

        code, told, asked = spend()
        assert (code, asked) == (0, CLIPS * PER_CLIP), told
    rows = workspace.read("annotations").to_pylist()
    assert len(rows) == CLIPS
    assert not [
        row["clip_id"] for row in rows if row["error"] or None in (qa["baseline"] for qa in row["qa"])
    ]
    assert sum(row["requests"] for row in rows) == asked
    assert sum(row["cost"] for row in rows) == pytest.approx(asked * 0.019)


class Dropping(Endpoint):
    """Fails at every third attempt, so that clips take more requests than they need."""

    def answer(self, prompt: str, attempt: int) -> Any:
        return "broken" if (len(prompt) + attempt) % 3 == 0 else completion(f"echo {prompt}")


@pytest.mark.long
def test_with_many_calls_in_flight_there_is_never_one_over_the_ceiling(scored: Path, tmp_path: Path) -> None:
    """What clips that were left undone have taken counts as well, in later runs too."""
    workspace = Workspace(str(copytree(scored, tmp_path / "W")))
    work = (f"annotate.questions={QUESTIONS}", "engine.workers=2", "engine.block_clips=2")
    done = 0
    with Dropping() as server:
        server.delay_s = lambda prompt: 0.2
        for most in (3, 17, 30, None):
            run = annotate(workspace, server, *work, *([f"mllm.max_requests={most}"] if most else []))
            assert run.returncode == (3 if most else 0), run.stderr
            asked = sum(server.asked.values())
            assert not most or asked <= most
            assert f"{asked} of mllm.max_requests={most} spent" in run.stderr or not most
            assert json.loads(workspace.read_bytes("spent.json") or b"")["annotations"]["requests"] == asked
            rows = workspace.read("annotations").to_pylist()
            assert len(rows) >= done
            assert not [one for row in rows for one in row["qa"] if one["error"] or not one["baseline"]]
            done = len(rows)
    assert done == CLIPS
    assert sum(row["requests"] for row in rows) < asked
