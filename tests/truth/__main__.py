"""Measure clips whose motion is known: `python -m tests.truth [OUT]`; prints figures, and writes a page.

The page OUT/index.html (out/truth) shows each clip that something false, or nothing, is said of. The real
clips and the captions lie beside the repository, in ../shared; without them, only the rendered scenes are
measured.
"""

import base64
import html
import json
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from stages.audit.filmstrip import drawn
from stages.demo.depth.cases import depth_cases
from stages.demo.depth.render import render_depth
from stages.demo.depth.truth import movers
from stages.demo.depth.verdict import verdict
from stages.models.mllm.describe_camera import about_camera
from stages.models.mllm.describe_objects import about_objects, told_of
from stages.motionsight.observe import Grounding, Observation
from stages.motionsight.service import MotionSight
from tests.captions import CAPTIONS, figures
from tests.truth.judging import faults, path_is_true

REAL = CAPTIONS.parents[1] / "clips" / "real"
FRAMES, WIDTH = 8, 200  # pictures in a filmstrip, and their width in pixels


class Seen(NamedTuple):
    """A clip, what was told of it, and how true that is.

    Attributes:
        kind: Of clip.
        name: Of clip.
        camera: "right", "missed" or a `Verdict`.
        remarks: What is wrong, for people.
        says: The answers about the camera and the objects.
        strip: The clip as a JPEG.
    """

    kind: str
    name: str
    camera: str
    remarks: list[str]
    says: list[str]
    strip: bytes


def main(out: Path) -> None:
    cv2.setNumThreads(1)
    out.mkdir(parents=True, exist_ok=True)
    service = MotionSight()
    groups: dict[str, list[Seen]] = {}
    if REAL.exists():
        groups["Real clips"] = list(real(service))
    groups["Rendered scenes with depth"] = list(rendered(service))
    console = Console(width=130)
    for title, clips in groups.items():
        console.print(by_kind(f"{title} ({len(clips)})", clips))
    if CAPTIONS.exists():
        console.print(captions())
    (out / "index.html").write_text(page(groups))
    shown = sum(bool(it.remarks) for clips in groups.values() for it in clips)
    print(f"{out / 'index.html'} shows the {shown} clips with a remark")


def real(service: MotionSight) -> Iterator[Seen]:
    """Measure the real clips that a person has labelled."""
    known = json.loads((REAL / "labels.json").read_text())
    for name, labels in progress(known.items(), "real clips"):
        observation, grounding = looked_at(service, REAL / name)
        remarks = faults(observation.camera.labels, labels)
        cut = bool(observation.view.motion.cuts)
        if labels["cuts"] is not None and cut != labels["cuts"]:
            remarks.append("taken for one with cuts" if cut else "its cut is missed")
        firsts = {remark.split()[0] for remark in remarks}
        camera = "wrong" if "with" in firsts else "missed" if "without" in firsts else "right"
        yield seen(labels["kind"], name, camera, remarks, (observation, grounding))


def rendered(service: MotionSight) -> Iterator[Seen]:
    """Measure the scenes with depth."""
    with tempfile.TemporaryDirectory() as folder:
        for recipe in progress(depth_cases(), "scenes with depth"):
            path = Path(folder) / f"{recipe.name}.mp4"
            render_depth(recipe, path)
            observation, grounding = looked_at(service, path)
            path.unlink()
            camera = verdict(observation.camera.labels, recipe.camera_labels)
            remarks = (
                [f"{camera}: {' '.join(recipe.camera_labels)}"] if camera in ("wrong", "nothing said") else []
            )
            true = movers(recipe)
            size = recipe.width, recipe.height
            told = [track for track in told_of(grounding.evidence) if track.phases]
            remarks += ["a path that nothing takes" for track in told if not path_is_true(track, true, size)]
            kind = "one move" if len(recipe.legs) == 1 and len(recipe.camera_labels) == 1 else "several moves"
            yield seen(kind, recipe.name, camera, remarks, (observation, grounding))


def looked_at(service: MotionSight, path: Path) -> tuple[Observation, Grounding]:
    """Measure a clip as `annotate` does."""
    observation = service.observer.observe(str(path), None, None, False)
    return observation, service.observer.ground(observation)


def seen(
    kind: str, name: str, camera: str, remarks: list[str], measured: tuple[Observation, Grounding]
) -> Seen:
    """What is kept of a clip."""
    observation, grounding = measured
    says = [about(grounding.evidence, "", random.Random(0)) for about in (about_camera, about_objects)]
    frames = drawn(observation.view.frames, grounding.regions * np.nan, [it.boxes for it in grounding.tracks])
    picked = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
    height = max(1, round(WIDTH * frames.shape[1] / frames.shape[2]))
    row = np.hstack([cv2.resize(frames[k], (WIDTH, height), interpolation=cv2.INTER_AREA) for k in picked])
    strip = cv2.imencode(".jpg", cv2.cvtColor(row, cv2.COLOR_RGB2BGR))[1].tobytes()
    return Seen(kind, name, camera, remarks, says, strip)


def by_kind(title: str, clips: list[Seen]) -> Table:
    """Count the verdicts on the camera, and the clips with something said of the objects, by kind."""
    verdicts = sorted({it.camera for it in clips})
    out = Table(
        "kind", "clips", *verdicts, "any remark", "objects answered", title=title, title_justify="left"
    )
    kinds: dict[str, list[Seen]] = defaultdict(list)
    for one in clips:
        kinds[one.kind].append(one)
    for kind, those in [*sorted(kinds.items()), ("all", clips)]:
        counts = Counter(it.camera for it in those)
        numbers = [len(those), *(counts[it] for it in verdicts)]
        numbers += [sum(bool(it.remarks) for it in those), sum(bool(it.says[1]) for it in those)]
        out.add_row(kind, *map(str, numbers))
    return out


def captions() -> Table:
    """How well the claim reader reads captions that experts have labelled."""
    out = Table("label", "positives", "precision", "recall", title="Captions", title_justify="left")
    for label, one in figures().items():
        out.add_row(label, str(one.positives), f"{one.precision:.2f}", f"{one.recall:.2f}")
    return out


def page(groups: dict[str, list[Seen]]) -> str:
    """The clips with remarks, each with what was said of it, as a page that needs no other file."""
    parts = ["<!doctype html><meta charset=utf-8><title>Where measurements are not true</title>"]
    parts.append("<style>body{font:15px/1.5 system-ui;margin:2rem;max-width:1650px}img{width:100%}</style>")
    for title, clips in groups.items():
        wrong = [it for it in clips if it.remarks]
        parts.append(f"<h1>{title}: {len(wrong)} of {len(clips)}</h1>")
        for one in wrong:
            picture = base64.b64encode(one.strip).decode()
            says = "".join(f"<p>{html.escape(text or 'Nothing is said.')}</p>" for text in one.says)
            remarks = html.escape("; ".join(one.remarks))
            parts.append(f"<h2>{html.escape(one.name)}</h2><p><b>{remarks}</b></p>{says}")
            parts.append(
                f'<img alt="frames of {html.escape(one.name)}" src="data:image/jpeg;base64,{picture}">'
            )
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/truth"))
