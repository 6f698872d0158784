"""`motionsight ask`: MotionSight on one video and one question, without a workspace; Ray only for actors."""

import time
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console

from configs.settings import Config
from pipeline.errors import CallError, ClipError, RunError, reason
from stages.annotate.stage import Annotate, placed, seed_of
from stages.ingest.find import clip_id
from stages.models.actors import serving
from stages.motionsight.observe import timed
from stages.motionsight.prompt import VisualPrompt

COLUMNS = 4  # pictures in a row of the contact sheet


def run(
    config: Config, video: str, question: str, override: VisualPrompt | None, folder: str | None, out: Console
) -> None:
    """Print the answer to standard output, and to `out` what was decided, found and spent.

    folder: where the frames that the model saw and a contact sheet of them are written. Raises CallError
    when the video cannot be worked on, RunError when the model gives no answer.
    """
    began = time.perf_counter()
    if not question.strip():
        raise CallError("the question is empty")
    uri = video if "://" in video or "::" in video else str(Path(video).expanduser().absolute())
    if override:
        prompts = {"object": override, "camera": override}
        config = config.model_copy(update={"prompt": config.prompt.model_copy(update=prompts)})
    seed = seed_of(clip_id(uri, None, None), question, config.annotate.seed)
    with serving(placed(config), config.engine) as handles:
        annotate = Annotate(config, handles)
        try:
            seen, (asked,), spent = annotate.look(uri, None, None, [question], [seed])
        except ClipError as error:
            raise CallError(f"{video}: {error.detail} ({error.code})") from error
        names = annotate.prompts(asked.plan.category)
        with timed(seen.seconds, "enhance"):
            request = annotate.request(seen, asked, names, {})
        with timed(seen.seconds, "answer"):
            reply = asked.failed or annotate.mllm.generate([request])[0]
    if reply.error:
        raise RunError(f"{annotate.mllm.name} gave no answer: {reply.detail} ({reply.error})")
    print(reply.text)
    camera = ", ".join(seen.camera.labels) or "moves, no one direction"
    tracks = asked.referred.tracks
    found = ", ".join(track.label or "unnamed" for track in tracks) or "none"
    wanted = f"; looked for: {', '.join(asked.plan.objects)}" if annotate.looker.named else ""
    tokens = sum(each.tokens for each in (*spent, reply))
    steps = ", ".join(f"{step} {seconds:.2f}" for step, seconds in seen.seconds.items())
    for line in (
        f"question   about {asked.plan.category}; frames: {', '.join(names)}",
        f"camera     {camera}",
        f"objects    {len(tracks)} ({found}){wanted}",
        f"model      {annotate.mllm.name} {annotate.mllm.version}, {tokens} tokens",
        f"seconds    {time.perf_counter() - began:.2f} in all ({steps})",
    ):
        out.print(line, markup=False, soft_wrap=True)
    if folder:
        save(request.frames, request.times, Path(folder))
        out.print(
            f"saved      {len(request.frames)} frames and sheet.png in {folder}", markup=False, soft_wrap=True
        )


def save(frames: np.ndarray, times: np.ndarray, folder: Path) -> None:
    """Write frames (T, H, W, 3) uint8 RGB as PNG files, and sheet.png with all of them. Raises RunError."""
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
    """A contact sheet (H, W, 3) uint8 of frames (T, h, w, 3), each with its time (T,) in seconds."""
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
