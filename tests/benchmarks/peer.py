"""Runs in the peers' own environment: one JSON line in, one out. See `motion.py`.

{"peer": a name in PEERS, "path": ...} gives {"seconds": ..., "motion": ...}.
"""

import importlib.util
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def data_juicer() -> Callable[[str], float]:
    """Its motion score: mean magnitude of Farneback's flow, at our size and rate."""
    from data_juicer.ops.filter.video_motion_score_filter import VideoMotionScoreFilter
    from data_juicer.utils.constant import Fields

    score = VideoMotionScoreFilter(sampling_fps=8, size=256)

    def motion(path: str) -> float:
        found: dict[str, Any] = score.compute_stats_single({"videos": [path], Fields.stats: {}})[Fields.stats]
        (values,) = found.values()
        return float(values[0])

    return motion


def nemo_curator(lean: bool = False) -> Callable[[str], float]:
    """Its decode and check of the encoder's motion vectors: 2 fps, the first half, as its stage calls it.

    lean: with a buffer no longer than the clip; its stage clears one of 256 frames for every clip.
    The module is loaded by its file: the package around it wants much that this does not need.
    """
    package = importlib.util.find_spec("nemo_curator")
    assert package
    assert package.submodule_search_locations
    file = Path(package.submodule_search_locations[0], "stages/video/filtering/motion_vector_backend.py")
    spec = importlib.util.spec_from_file_location("motion_vector_backend", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)

    def motion(path: str) -> float:
        data = module.decode_for_motion(io.BytesIO(Path(path).read_bytes()), 1, 2.0, 0.5)
        if not data.frames:  # a codec whose decoder gives no motion vectors
            return float("nan")
        batch = len(data.frames) if lean else 256
        return module.check_if_small_motion(data.frames, data.frame_size, batch_size=batch).global_mean

    return motion


PEERS: dict[str, Callable[[], Callable[[str], float]]] = {
    "data_juicer": data_juicer,
    "nemo_curator": nemo_curator,
    "nemo_curator_lean": lambda: nemo_curator(lean=True),
}


def main() -> None:
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    answers = sys.stdout
    sys.stdout = sys.stderr
    known: dict[str, Callable[[str], float]] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        peer = asked["peer"]
        if peer not in known:
            known[peer] = PEERS[peer]()
        began = time.perf_counter()
        try:
            told: dict[str, Any] = {"motion": known[peer](asked["path"])}
        except Exception as error:  # noqa: BLE001 - a peer that cannot do a clip is a result
            told = {"motion": None, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(told | {"seconds": time.perf_counter() - began}), file=answers, flush=True)


if __name__ == "__main__":
    main()
