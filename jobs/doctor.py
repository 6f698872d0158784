"""`motionsight doctor`: what a configuration needs, what is missing, and how to get it."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from configs.settings import Config
from pipeline.engine import start
from pipeline.requirements import Context, Finding, Package
from pipeline.stage import Resources
from stages.models.backend import Backend

METRIC_S = 180.0  # time limit for creating a metric, which may download its weights
GIB = 1024**3


def run(config: Config, folder: str, out: Console) -> int:
    """Print what is there and what is missing, with the remedies.

    Args:
        config: The settings.
        folder: Where the remedies put downloaded weights, such as on a disk that all nodes share.
        out: The terminal.

    Returns:
        The exit code: 0 if nothing is missing, else 1.
    """
    findings = list(examine(config, folder))
    table = Table(box=None, pad_edge=False)
    for name in ("part", "needs", "", "found"):
        table.add_column(name)
    for one in findings:
        mark = Text("ok", "green") if one.ok else Text("missing", "bold red")
        table.add_row(one.part, Text(one.what), mark, Text(one.found))
    out.print(table)
    missing = [one for one in findings if not one.ok]
    for one in missing:
        out.print(f"\n{one.part}: {one.what}", style="bold", markup=False)
        out.print(one.remedy, markup=False, soft_wrap=True)
    total = f"{len(missing)} of {len(findings)} requirements missing" if missing else "nothing is missing"
    out.print(f"\n{total}", style="red" if missing else "green")
    return 1 if missing else 0


def examine(config: Config, weights: str) -> Iterator[Finding]:
    """Check for everything that a configuration needs.

    Args:
        config: The settings.
        weights: The folder to which remedies download weights.

    Yields:
        Findings, section by section.
    """
    yield from machine(config)
    if config.ingest.shots != "none":
        shots = Package("scenedetect", "pip install 'motionsight-distill[shots]'")
        yield from shots.examine(Context("ingest"))
    if config.decode.backend == "decord":
        decord = Package("decord", "pip install 'motionsight-distill[decord]'")
        yield from decord.examine(Context("decode"))
    for requirement in config.flow.requirements():
        yield from requirement.examine(Context("flow", weights))
    for requirement in config.shots.requirements():
        yield from requirement.examine(Context("shots", weights))
    for requirement in config.points.requirements():
        yield from requirement.examine(Context("points", weights))
    if config.quality.metric:
        yield metric(config.quality.metric)
    seen: list[Backend] = []
    for part, backend in config.backends().items():
        if backend is None or backend in seen:
            continue
        seen.append(backend)
        runtime_env = backend.placement.runtime_env if backend.placement else {}
        for requirement in backend.requirements():
            yield from requirement.examine(Context(part, weights, runtime_env))


def machine(config: Config) -> Iterator[Finding]:
    """Check for the GPUs that actors and workers reserve, on this machine or on the configured cluster.

    Yields:
        One finding; none if no GPUs are reserved.
    """
    backends = [backend for backend in config.backends().values() if backend and backend.placement]
    distinct = {backend.model_dump_json(): backend.placement for backend in backends}
    wanted = sum(it.replicas * it.num_gpus for it in distinct.values() if it)
    share = config.engine.share("annotate", Resources())
    wanted += share.gpus * (share.workers or os.cpu_count() or 1)
    if not wanted:
        return
    where = config.engine.cluster
    if where:
        start(config.engine)
        import ray

        there, memory = float(ray.cluster_resources().get("GPU", 0)), ""
    else:
        import torch

        devices = [torch.cuda.get_device_properties(k) for k in range(torch.cuda.device_count())]
        there = float(len(devices))
        least = min((device.total_memory for device in devices), default=0) / GIB
        memory = f", with at least {least:.0f} GiB each" if devices else ""
    remedy = (
        f"actor.replicas x actor.num_gpus and engine.gpus_per_worker add up to {wanted:g} GPUs; lower them,"
        " or name a cluster that has as many: engine.address, or RAY_ADDRESS"
    )
    found = f"{there:g}{memory}" + (f" on {where}" if where else " on this machine")
    whole = math.ceil(wanted)
    name = "1 GPU" if whole == 1 else f"{whole} GPUs"
    yield Finding("machine", name, found, "" if there >= wanted else remedy)


def metric(name: str) -> Finding:
    """Check for a pyiqa metric and its weights by creating it in a subprocess with a time limit.

    Args:
        name: Of the metric, such as "musiq".
    """
    code = "import sys, pyiqa; pyiqa.create_metric(sys.argv[1], device='cpu')"
    try:
        made = subprocess.run(
            [sys.executable, "-c", code, name], capture_output=True, text=True, timeout=METRIC_S
        )
        why = "" if made.returncode == 0 else (made.stderr.strip().splitlines() or ["it failed"])[-1][:200]
    except subprocess.TimeoutExpired:
        why = f"not loaded within {METRIC_S:g} s"
    remedy = (
        f"on a machine with network access: python -c 'import pyiqa; pyiqa.create_metric(\"{name}\")'; then"
        " copy its cache folders (~/.cache/torch/hub, ~/.cache/huggingface/hub) to every node\n"
        "or --set quality.metric=piqe, which needs no weights (its gate is quality_max)"
    )
    return Finding("quality", f"pyiqa metric {name}", why or "loads", remedy if why else "")
