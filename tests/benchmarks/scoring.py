"""`score` against plain decoding of every frame, and whether its speed costs accuracy."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from filters.camera.config import CameraConfig
from filters.flow.dis import DisConfig
from filters.quality import QualityConfig
from stages.annotate.stage import Annotate
from stages.demo.demo_clips import recipes
from stages.demo.render import render
from stages.demo.report import NOTHING, main_direction
from stages.score.settings import ScoreConfig
from stages.score.stage import Score
from stages.video.frames import DecodeConfig
from tests.benchmarks.clips import CODECS, small_real, varied
from tests.benchmarks.timing import Line, Tables, Work, compare, decode_all, row, step
from tests.videos import SEEN, SHARED

# From which value on there is something to rank: below it, of moves that are not there, noise is compared.
COLUMNS = {
    "flow_mean": 0.0,
    "flow_p95": 0.0,
    "object_motion": 0.0005,
    "pan": CameraConfig().pan_min,
    "tilt": CameraConfig().tilt_min,
    "zoom": CameraConfig().zoom_min,
    "roll": CameraConfig().roll_min,
}

SEEDS = range(1, 8)  # 0 is the demo's
RATES = ("pan", "tilt", "zoom", "roll")
QUICK_SHAPES = ((640, 360, 3), (1280, 720, 2))
QUICK_REAL = 8  # every so many of the small real clips


def scorer(**settings: Any) -> Score:
    stage = Score(ScoreConfig(**settings))
    stage.setup()
    return stage


def run(quick: bool = False) -> Tables:
    annotate = Annotate()
    annotate.setup()
    plain, motion = scorer(), scorer(quality=QualityConfig(metric=None))
    works: dict[str, Work] = {
        "decode every frame": decode_all,
        "score": lambda path: plain.work(row(path)),
        "score without quality": lambda path: motion.work(row(path)),
        "annotate": lambda path: annotate.work(row(path)),
    }
    if quick:
        sets = {"varied": varied(QUICK_SHAPES), "small real": small_real()[2::QUICK_REAL]}
        for name, clips in sets.items():
            if clips:
                took = compare(works, clips, 2)
                yield f"{len(clips)} {name} clips, one core", against_decoding(took)
        return
    reference = scorer(decode=DecodeConfig(frames="reference"))
    rough = scorer(decode=DecodeConfig(frames="reference"), quality=QualityConfig(metric=None))
    slow = scorer(
        decode=DecodeConfig(size=384), flow=DisConfig(preset="medium"), quality=QualityConfig(metric=None)
    )
    works |= {
        "score, reference frames": lambda path: reference.work(row(path)),
        "score without quality, reference frames": lambda path: rough.work(row(path)),
    }
    real = sorted(SHARED.glob("*.mp4"))
    # Apart by codec: what can be left out of decoding differs.
    parts = {codec: [clip for clip in varied() if codec in clip.name] for codec in CODECS}
    parts |= {"real": real, "small real": small_real()}
    seconds = {}
    for name, clips in parts.items():
        if clips:
            seconds[name] = compare(works, clips, 2)
            yield f"{len(clips)} {name} clips, one core", against_decoding(seconds[name])
    together = {work: sum(seconds[codec][work] for codec in CODECS) for work in works}
    yield "the varied clips together, one core", against_decoding(together)
    with tempfile.TemporaryDirectory() as folder:
        labels: dict[Path, Sequence[str]] = {}
        for recipe in recipes():
            labels[clip := Path(folder) / f"{recipe.name}.mp4"] = recipe.camera_labels
            render(recipe, clip)
        labels |= {clip: SEEN[clip.name] for clip in real}
        demo = list(labels)
        yield (
            f"camera labels, {len(demo)} clips of the demo and real ones",
            [accuracy("as shipped", plain, labels, "1"), accuracy("reference frames", reference, labels)],
        )
        yield "objects, clips of other seeds than the demo's", objects(annotate, Path(folder))
        yield (
            "rank correlation with the slow settings (384 px, DIS medium), demo and real clips",
            agreement(motion, slow, demo),
        )
        yield (
            "rank correlation of reference frames with all frames, demo and real clips",
            agreement(reference, plain, demo, ("quality",)),
        )


def against_decoding(seconds: Mapping[str, float]) -> list[Line]:
    """A line for each work."""
    aims = {"score": "<= 1.3", "score, reference frames": "<= 1.0", "annotate": "<= 1.4"}
    floor = seconds["decode every frame"]
    return [Line(work, took, took / floor, "decoding", aims.get(work, "")) for work, took in seconds.items()]


def accuracy(name: str, stage: Score, labels: Mapping[Path, Sequence[str]], aim: str = "") -> Line:
    """The share of clips whose camera gets all of its labels, and no other."""
    right = sum(set(stage.work(row(clip))["camera_motion"]) == set(those) for clip, those in labels.items())
    step(f"  camera labels: {name}")
    return Line(name, right, right / len(labels), "all", aim, "clips")


def objects(stage: Annotate, folder: Path) -> list[Line]:
    """The share of clips whose main object is said to go its way, and of those without any that get none."""
    right: dict[bool, list[bool]] = {True: [], False: []}
    for seed in SEEDS:
        for recipe in recipes(seed):
            clip = folder / f"{seed}-{recipe.name}.mp4"
            render(recipe, clip)
            said = main_direction(stage.work(row(clip)), recipe.width, recipe.height)
            right[bool(recipe.direction)].append(said == (recipe.direction or NOTHING))
        step(f"  objects: seed {seed} of {SEEDS[-1]}")
    return [
        Line(f"{what}, {len(of)} clips", sum(of), sum(of) / len(of), "all", unit="right")
        for what, of in (("something moves", right[True]), ("nothing does", right[False]))
    ]


def agreement(fast: Score, slow: Score, clips: list[Path], more: Sequence[str] = ()) -> list[Line]:
    """Spearman's correlation of each score with that of the slow settings, over the clips that have any."""
    a, b = ([stage.work(row(clip)) for clip in clips] for stage in (fast, slow))
    lines = []
    for column in (*COLUMNS, *more):
        x, y = (np.array([scores[column] for scores in rows]) for rows in (a, b))
        some = np.abs(y) >= COLUMNS.get(column, 0.0)
        if column in RATES:  # where one motion explains next to nothing, its rate means nothing
            some &= np.array([scores["camera_fit"] for scores in b]) >= CameraConfig().fit_min
        rank = float(spearmanr(x[some], y[some]).statistic)
        lines.append(Line(column, int(some.sum()), rank, "1", ">= 0.98", "clips"))
    return lines
