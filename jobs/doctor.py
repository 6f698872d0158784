"""`motionsight doctor`: what a configuration needs, what of it is here, and how to get the rest."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from configs.settings import Config
from filters.flow import FlowConfig
from pipeline.errors import reason
from stages.annotate.stage import placed
from stages.models.alignment.t2v_metrics import T2vMetricsConfig
from stages.models.checkpoint import CheckpointConfig
from stages.models.detector.groundingdino_py import GroundingDinoPyConfig
from stages.models.mllm.openai import OpenAiConfig
from stages.models.mllm.vllm import VllmConfig
from stages.models.tracker.sam2_meta import Sam2MetaConfig

ENDPOINT_S = 10.0
METRIC_S = 180.0  # to make a metric, which downloads its weights where it can
RAFT = "raft_small_C_T_V2-01064c6d.pth"
GIB = 1024**3
# Asked of the Python of another environment; answers in JSON.
PROBE = """
import importlib.metadata, importlib.util, json, sys
def version(name):
    try: return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError: return None
print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], "ray": version("ray"),
    "there": [name for name in sys.argv[1:] if importlib.util.find_spec(name)]}))
"""


@dataclass(frozen=True)
class Finding:
    """Something that a part of the configuration needs; remedy: how to get it, "" where it is there."""

    part: str
    what: str
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return not self.remedy


def run(config: Config, folder: str, out: Console) -> int:
    """Print what is there and what is not. Returns 0 when nothing is missing, else 1.

    folder: where the commands for fetching weights put them, such as a disk that every node sees.
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
    told = f"{len(missing)} of {len(findings)} are missing" if missing else "nothing is missing"
    out.print(f"\n{told}", style="red" if missing else "green")
    return 1 if missing else 0


def examine(config: Config, folder: str) -> Iterator[Finding]:
    """Everything that the configuration needs, part by part."""
    yield from machine(config)
    if config.ingest.shots != "none":
        yield package("ingest", "scenedetect", "pip install 'motionsight-distill[shots]'")
    if config.decode.backend == "decord":
        yield package("decode", "decord", "pip install 'motionsight-distill[decord]'")
    if config.flow.backend == "raft":
        yield raft(config.flow)
    if config.quality.metric:
        yield metric(config.quality.metric)
    seen: list[Any] = []
    for part, settings in placed(config).items():
        if settings is None or settings in seen:
            continue
        seen.append(settings)
        before = f"{part}.model"
        python = partial(environment, part, settings)
        match settings:
            case OpenAiConfig():
                yield package(part, "openai", "pip install 'motionsight-distill[openai]'")
                yield from endpoint(part, settings)
            case VllmConfig():
                yield python("vllm", "pip install 'motionsight-distill[vllm]'")
                yield weights(part, before, settings.model, settings.revision, folder)
                yield from memory(part, settings)
            case T2vMetricsConfig():
                yield python(
                    "t2v_metrics",
                    "pip install t2v-metrics==3.0, and what its README adds (LLaVA-NeXT, flash-attn)",
                )
                yield program(part, "ffmpeg", "it is needed by t2v-metrics")
                if settings.model.startswith("clip-flant5") and not settings.checkpoint:
                    for model in (
                        f"zhiqiulin/{settings.model}",
                        f"google/{settings.model.replace('clip-flant5', 'flan-t5')}",
                    ):
                        yield cached(part, model, settings.cache_dir)
            case GroundingDinoPyConfig():
                yield python("groundingdino", "pip install groundingdino-py==0.4.0 'transformers<5'")
                for name in ("config_file", "checkpoint", "text_encoder"):
                    yield local(part, f"{part}.{name}", getattr(settings, name))
            case Sam2MetaConfig():
                yield python("sam2", "SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2==1.1.0")
                yield local(part, f"{part}.checkpoint", settings.checkpoint)
            case CheckpointConfig():
                yield python("transformers", "pip install transformers")
                yield weights(part, before, settings.model, settings.revision, folder)


def machine(config: Config) -> Iterator[Finding]:
    """GPUs enough for the actors and the workers, on this machine or on the cluster that is named."""
    models: dict[bytes, Any] = {
        settings.model_dump_json().encode(): settings.actor
        for settings in placed(config).values()
        if getattr(settings, "actor", None)
    }
    wanted = sum(it.replicas * it.num_gpus for it in models.values())
    workers = config.engine.of("annotate")
    share, count = float(workers.gpus_per_worker), workers.workers  # type: ignore[arg-type]
    wanted += share * (count if isinstance(count, int) else os.cpu_count() or 1)
    if not wanted:
        return
    where = config.engine.address or os.environ.get("RAY_ADDRESS")
    if where:
        import ray

        from pipeline.engine import start

        start(config.engine)
        there, memory = float(ray.cluster_resources().get("GPU", 0)), ""
    else:
        import torch

        devices = [torch.cuda.get_device_properties(k) for k in range(torch.cuda.device_count())]
        there = float(len(devices))
        memory = f", {min(d.total_memory for d in devices) / GIB:.0f} GiB the smallest" if devices else ""
    remedy = (
        f"{wanted:g} GPUs are wanted by actor.replicas x actor.num_gpus and engine.gpus_per_worker; lower"
        " them, or name a cluster that has them: engine.address, or RAY_ADDRESS"
    )
    found = f"{there:g}{memory}" + (f" on {where}" if where else " on this machine")
    yield Finding("machine", f"{wanted:g} GPUs", found, "" if there >= wanted else remedy)


def raft(config: FlowConfig) -> Finding:
    """The weights of RAFT: a file of one's own, or torchvision's."""
    if config.weights:
        return local("flow", "flow.weights", config.weights)
    import torch

    path = Path(torch.hub.get_dir(), "checkpoints", RAFT)
    remedy = (
        "where there is a network: python -c 'from torchvision.models.optical_flow import *;"
        f" raft_small(weights=Raft_Small_Weights.DEFAULT)'\nthen copy {RAFT} and --set flow.weights=PATH,"
        " or --set flow.backend=dis, which needs no weights"
    )
    return Finding(
        "flow",
        "RAFT's weights",
        str(path) if path.is_file() else "not there",
        "" if path.is_file() else remedy,
    )


def metric(name: str) -> Finding:
    """A metric of pyiqa with its weights, found out by making it, in a process that can be ended."""
    code = "import sys, pyiqa; pyiqa.create_metric(sys.argv[1], device='cpu')"
    try:
        made = subprocess.run(
            [sys.executable, "-c", code, name], capture_output=True, text=True, timeout=METRIC_S
        )
        why = "" if made.returncode == 0 else (made.stderr.strip().splitlines() or ["it ended"])[-1][:200]
    except subprocess.TimeoutExpired:
        why = f"not made after {METRIC_S:g} s"
    remedy = (
        f"where there is a network: python -c 'import pyiqa; pyiqa.create_metric(\"{name}\")'; then copy its"
        " cache folders (~/.cache/torch/hub, ~/.cache/huggingface/hub) to every node\n"
        "or --set quality.metric=piqe, which needs no weights (its gate is quality_max)"
    )
    return Finding("quality", f"pyiqa's {name}", why or "made", remedy if why else "")


def package(part: str, module: str, install: str) -> Finding:
    """A package of this environment."""
    there = find_spec(module) is not None
    return Finding(part, f"package {module}", "here" if there else "not there", "" if there else install)


def environment(part: str, settings: Any, module: str, install: str) -> Finding:
    """A package where the model runs: this environment, or that of its actors, whose Ray must be the same."""
    runtime_env = settings.actor.runtime_env if settings.actor else {}
    python = runtime_env.get("py_executable")
    if not python:
        if runtime_env.keys() & {"pip", "uv", "conda", "image_uri", "container"}:
            return Finding(part, f"package {module}", "made by Ray when the actors start")
        return package(part, module, install)
    what = f"package {module} in {python}"
    place = Path(python).parent
    setup = (
        f"make it on every node, with this Python ({sys.version.split()[0]}) and Ray ({_ray()}):\n"
        f"python -m venv {place.parent}\n{place}/pip install 'ray=={_ray()}' pydantic\n{place}/{install}"
    )
    try:
        told = json.loads(
            subprocess.run(
                [python, "-c", PROBE, module], capture_output=True, text=True, timeout=60, check=True
            ).stdout
        )
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Finding(
            part, what, reason(error) if isinstance(error, OSError) else "it does not start", setup
        )
    found = f"Python {told['python']}, Ray {told['ray']}"
    if module not in told["there"]:
        return Finding(part, what, found, f"{place}/{install}")
    same = told["ray"] == _ray() and told["python"].split(".")[:2] == sys.version.split()[0].split(".")[:2]
    return Finding(part, what, found, "" if same else setup)


def _ray() -> str:
    import ray

    return ray.__version__


def weights(part: str, setting: str, model: str, revision: str | None, folder: str) -> Finding:
    """A checkpoint: a folder, or a repository of the Hugging Face hub that is in the cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    what = f"weights {model}"
    if Path(model).expanduser().is_dir():
        there = (Path(model).expanduser() / "config.json").is_file()
        return Finding(
            part, what, "a folder", "" if there else f"{model} has no config.json: is it a checkpoint?"
        )
    if model.startswith((".", "/", "~")):
        return Finding(part, what, "no such folder", f"give a folder that is there: --set {setting}=FOLDER")
    target = f"{folder.rstrip('/')}/{model}"
    if (Path(target) / "config.json").is_file():
        return Finding(part, what, f"in {target}, not asked for", f"--set {setting}={target}")
    try:
        return Finding(part, what, snapshot_download(model, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        at = f" --revision {revision}" if revision else ""
        fetch = f"hf download {model}{at} --local-dir {target}\n--set {setting}={target}"
        return Finding(part, what, "not in the cache", fetch)


def cached(part: str, model: str, cache: str) -> Finding:
    """A repository of the hub that its package looks for in a cache of its own."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        where = snapshot_download(model, cache_dir=Path(cache).expanduser(), local_files_only=True)
        return Finding(part, f"weights {model}", where)
    except LocalEntryNotFoundError:
        return Finding(
            part, f"weights {model}", "not in the cache", f"hf download {model} --cache-dir {cache}"
        )


def memory(part: str, settings: VllmConfig) -> Iterator[Finding]:
    """Whether weights that are here fit into the GPUs that are here."""
    import torch

    folder = Path(settings.model).expanduser()
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder.is_dir() else 0
    if size and torch.cuda.is_available() and settings.actor.num_gpus:
        each = torch.cuda.get_device_properties(0).total_memory * settings.gpu_memory_utilization
        share = size / settings.tensor_parallel
        remedy = f"--set {part}.tensor_parallel={-(-size // int(each))} {part}.actor.num_gpus=as many"
        found = f"{share / GIB:.1f} GiB of weights on each, {each / GIB:.1f} GiB usable"
        yield Finding(part, "GPU memory", found, "" if share < each else remedy)


def local(part: str, setting: str, path: str) -> Finding:
    """A file or folder of one's own."""
    there = Path(path).expanduser().exists()
    return Finding(
        part, f"{setting} {path}", "here" if there else "not there", "" if there else f"--set {setting}=PATH"
    )


def program(part: str, name: str, why: str) -> Finding:
    """A program on the search path."""
    found = shutil.which(name)
    return Finding(part, f"program {name}", found or "not there", "" if found else f"install {name}: {why}")


def endpoint(part: str, settings: OpenAiConfig) -> Iterator[Finding]:
    """The key, whether the endpoint answers, and whether it has the model."""
    key = os.environ.get(settings.api_key_env)
    if key is None and settings.base_url is None:
        yield Finding(part, f"key ${settings.api_key_env}", "not set", f"export {settings.api_key_env}=...")
        return
    base = settings.base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    what = f"{settings.model} at {base}"
    request = urllib.request.Request(
        f"{base.rstrip('/')}/models", headers={"Authorization": f"Bearer {key or 'none'}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=ENDPOINT_S) as answer:
            names = [model["id"] for model in json.load(answer)["data"]]
    except urllib.error.HTTPError as error:
        if error.code in (404, 405):  # listing models is not everybody's
            yield Finding(part, what, "answers, but lists no models")
            return
        keyed = f"is the key in ${settings.api_key_env} right?" if error.code in (401, 403) else "see its log"
        yield Finding(part, what, f"HTTP {error.code}", keyed)
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield Finding(
            part, what, reason(error), f"start it, or --set {part}.base_url=URL (it ends in /v1, mostly)"
        )
        return
    if settings.model in names:
        yield Finding(part, what, "there")
    else:
        some = ", ".join(names[:5]) or "none"
        yield Finding(part, what, f"it has: {some}", f"--set {part}.model=NAME")
