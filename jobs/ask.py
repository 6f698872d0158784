"""`motionsight ask`: one question about one video, without a workspace; needs Ray only for model actors."""

import time
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console

from configs.settings import Config
from jobs.console import visible
from jobs.precheck import ready
from pipeline.errors import NOT_ALL, CallError, CeilingError, ClipError, RunError, reason
from pipeline.ledger import UNLIMITED, Ledger, reached
from pipeline.workspace import normal
from stages.ingest.identity import clip_id
from stages.models.metering import Purse, ceiling
from stages.motionsight.prompt import VisualPrompt
from stages.motionsight.service import Answer, MotionSight, seed_of

COLUMNS = 4  # pictures per row of the contact sheet


def run(
    config: Config, video: str, question: str, override: VisualPrompt | None, folder: str | None, out: Console
) -> int:
    """Print the answer to standard output.

    Args:
        config: Which models to use, and how to prepare frames.
        video: A path, a URL, or the member of a tar.
        question: In plain language.
        override: The visual prompt; None: the one that suits the question.
        folder: Folder for the frames that the model saw and a contact sheet of them; None: not saved.
        out: Console for an account of what was decided, found and spent.

    Returns:
        The exit code: 0, or 3 if the cost ceiling does not allow for an answer.

    Raises:
        CallError: The question is empty, or the video cannot be decoded.
        RunError: The model gives no answer, or the folder cannot be written.
    """
    began = time.perf_counter()
    if not question.strip():
        raise CallError("the question is empty")
    uri = normal(video) if "://" in video or "::" in video else str(Path(video).expanduser().absolute())
    if override:
        prompts = {"object": override, "camera": override}
        config = config.model_copy(update={"prompt": config.prompt.model_copy(update=prompts)})
    seed = seed_of(clip_id(uri, None, None), question, config.annotate.seed)
    most = ceiling(config.mllm) or UNLIMITED
    book = Ledger(most)
    ready(config, config.own_backends())
    with MotionSight.hosted(config, config.engine) as motionsight:
        try:
            with Purse(book).clip(uri):
                answer = motionsight.ask(uri, question, seed=seed)
        except ClipError as error:
            raise CallError(f"{video}: {error.detail} ({error.code})") from error
        except CeilingError:
            spent, _ = book.state()
            out.print(f"ask: {reached(spent, most)}, without an answer", markup=False, soft_wrap=True)
            return NOT_ALL
        lines = account(motionsight, answer)
    print(visible(answer.text))
    steps = ", ".join(f"{step} {seconds:.2f}" for step, seconds in answer.observation.seconds.items())
    lines.append(f"seconds    {time.perf_counter() - began:.2f} in all ({steps})")
    frames, times = answer.request.frames, answer.request.times
    if folder:
        save(frames, times, Path(folder))
        lines.append(f"saved      {len(frames)} frames and sheet.png in {folder}")
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
    return 0


def account(motionsight: MotionSight, answer: Answer) -> list[str]:
    """Describe, in lines of text, what an answer is based on."""
    plan, tracks = answer.question.plan, answer.question.grounding.tracks
    camera = ", ".join(answer.observation.camera.labels) or "moves in no single direction"
    found = ", ".join(track.label or "unnamed" for track in tracks) or "none"
    wanted = f"; looked for: {', '.join(plan.objects)}" if motionsight.needs_labels else ""
    model = motionsight.mllm
    return [
        f"question   about {plan.category}; frames: {', '.join(answer.shown)}",
        f"camera     {camera}",
        f"objects    {len(tracks)} ({found}){wanted}",
        f"model      {model.name} {model.version}, {answer.tokens} tokens",
    ]


def save(frames: np.ndarray, times: np.ndarray, folder: Path) -> None:
    """Write frames as PNG files, and a contact sheet of them as sheet.png.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        times: (T,) seconds.
        folder: Created if missing.

    Raises:
        RunError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for k, (frame, t) in enumerate(zip(frames, times, strict=True)):
            _write(folder / f"{k:02d}_{t:.2f}s.png", frame)
        _write(folder / "sheet.png", sheet(frames, times))
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {reason(error)}") from error


def _write(path: Path, frame: np.ndarray) -> None:
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes())


def sheet(frames: np.ndarray, times: np.ndarray, width: int = 320) -> np.ndarray:
    """Draw a contact sheet.

    Args:
        frames: (T, h, w, 3) uint8.
        times: (T,) seconds, written into the pictures.
        width: Width of a picture, pixels.

    Returns:
        (H, W, 3) uint8.
    """
    height = max(1, round(width * frames.shape[1] / frames.shape[2]))
    cells = []
    for frame, t in zip(frames, times, strict=True):
        cell = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(
                cell, f"{t:.2f} s", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA
            )
        cells.append(cell)
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    return np.vstack([np.hstack(cells[k : k + COLUMNS]) for k in range(0, len(cells), COLUMNS)])
