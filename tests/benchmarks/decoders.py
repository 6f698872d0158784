"""PyAV, decord, decord2 and torchcodec: the same frames of the same clips, one thread each, and odd files.

Each decoder runs in a process of its own, as two of them share a module's name, and as some crash. A package
is fetched into out/decoders on the first run.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests import videos
from tests.benchmarks.clips import varied
from tests.benchmarks.timing import Line, Tables, step
from tests.videos import SHARED

PLACE = Path("out/decoders")
PACKAGES = {
    "pyav": None,
    "decord": "decord==0.6.0",
    "decord2": "decord2==3.4.0",
    "torchcodec": "torchcodec==0.17.0",
}
COUNT = 16


def indices(total: int) -> list[int]:
    """The middle frames of COUNT equal segments."""
    return sorted({int((k + 0.5) * total / COUNT) for k in range(COUNT)})


def pyav(path: str) -> int:
    """As this project decodes: the luma of the frames wanted, others skipped where nobody needs them."""
    from stages.video.frames import Clip, DecodeConfig, Wanted

    clip = Clip(path)
    wanted = indices(len(clip.probe.times))
    return len(clip.read([Wanted(wanted, (256, 144), False)], DecodeConfig())[0].pictures)


def decord(path: str) -> int:
    """As decord's documentation shows: a batch of frames by index."""
    import decord as package

    reader = package.VideoReader(path, num_threads=1)
    return len(reader.get_batch(indices(len(reader))).asnumpy())


def torchcodec(path: str) -> int:
    """As torchcodec's documentation shows: frames by index, on the CPU."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, num_ffmpeg_threads=1)
    total = decoder.metadata.num_frames
    assert total
    return len(decoder.get_frames_at(indices(total)).data)


DECODERS: dict[str, Callable[[str], int]] = {
    "pyav": pyav,
    "decord": decord,
    "decord2": decord,
    "torchcodec": torchcodec,
}


def child(name: str, paths: list[Path], repeats: int) -> list[dict[str, object]]:
    """What a decoder did with each file: {path, seconds} or {path, error}; fewer rows when it crashed."""
    folder = PLACE / name
    if PACKAGES[name] and not folder.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*pip, str(PACKAGES[name])], check=True)
    code = "import sys; from tests.benchmarks.decoders import serve; serve(*sys.argv[1:])"
    run = subprocess.run(
        [sys.executable, "-c", code, name, str(repeats), *(str(path) for path in paths)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{folder.absolute()}:{Path.cwd()}", "PATH": "/usr/bin:/bin"},
        timeout=900,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def serve(name: str, repeats: str, *paths: str) -> None:
    """In the child: decode each file, and tell."""
    for path in paths:
        best = float("inf")
        try:
            for _ in range(int(repeats)):
                began = time.perf_counter()
                DECODERS[name](path)
                best = min(best, time.perf_counter() - began)
            print(json.dumps({"path": path, "seconds": best}), flush=True)
        except Exception as error:  # noqa: BLE001 - what a decoder raises is its own
            print(json.dumps({"path": path, "error": f"{type(error).__name__}: {error}"[:200]}), flush=True)


def damaged(folder: Path) -> list[Path]:
    """Files with bytes overwritten or missing, at places drawn by chance."""
    rng = np.random.default_rng(0)
    whole = videos.write(folder / "whole.mp4").read_bytes()
    made = []
    for k in range(20):
        data = bytearray(whole)
        at = int(rng.integers(100, len(data) - 500))
        data[at : at + 300] = rng.bytes(300)
        made.append(folder / f"damaged_{k}.mp4")
        made[-1].write_bytes(bytes(data if k % 2 else data[: at + 300]))
    return made


def run() -> Tables:
    clips = (sorted(SHARED.glob("*.mp4")) if SHARED.is_dir() else []) + varied()[::3]
    speed = {}
    for name in DECODERS:
        speed[name] = sum(float(str(row["seconds"])) for row in child(name, clips, 2))
        step(f"  {name}: {len(clips)} clips")
    lines = [Line(name, seconds, seconds / speed["pyav"], "pyav") for name, seconds in speed.items()]
    yield f"{COUNT} frames of each of {len(clips)} clips, one thread", lines
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        odd = list(videos.good(Path(folder, "good")).values())
        bad = [*damaged(Path(folder)), *(path for path, _ in videos.bad(Path(folder, "bad")).values())]
        for name in DECODERS:
            read = sum("seconds" in row for path in odd for row in child(name, [path], 1))
            alive = sum(bool(child(name, [path], 1)) for path in bad)
            survived += [
                Line(f"{name}: unusual files read", 0.0, float(read), f"1 of {len(odd)}"),
                Line(f"{name}: damaged files that do not crash it", 0.0, float(alive), f"1 of {len(bad)}"),
            ]
            step(f"  {name}: odd files")
    yield "odd files", survived
