"""Whether work can be done at all, before any is begun; `motionsight doctor` checks more."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from configs.settings import Config
from pipeline.errors import CallError
from pipeline.requirements import Context, Finding, gpus_here
from pipeline.stage import Resources
from stages.models.backend import Backend

CLUSTER = "or name a cluster that has more: engine.address, or RAY_ADDRESS"


def ready(config: Config, backends: Mapping[str, Backend | None], steps: Sequence[str] = ()) -> None:
    """Refuse to begin work that is sure to fail, or to wait for ever, on this machine.

    Of a cluster, nothing is known before it has been joined: what its nodes lack is not looked for.

    Args:
        config: All settings.
        backends: The models that will run, by role.
        steps: The commands whose workers will run.

    Raises:
        CallError: Something is missing; one line for each.
    """
    missing = [one for one in _examine(config, backends, steps) if one.sure and not one.ok]
    if missing:
        lines = [
            f"{one.part}: {one.what}: {one.found}; {'; '.join(one.remedy.splitlines())}" for one in missing
        ]
        raise CallError("this cannot run here:\n  " + "\n  ".join(lines))


def _examine(
    config: Config, backends: Mapping[str, Backend | None], steps: Sequence[str]
) -> Iterator[Finding]:
    parts: dict[str, Any] = dict(backends)
    if "score" in steps:
        parts |= {"flow": config.flow, "shots": config.shots, "points": config.points}
    seen: list[Any] = []
    for part, settings in parts.items():
        placement = settings.placement if isinstance(settings, Backend) else None
        if settings is None or settings in seen or (placement and config.engine.cluster):
            continue
        seen.append(settings)
        for requirement in settings.requirements():
            if not getattr(requirement, "slow", False):
                yield from requirement.examine(
                    Context(part, runtime_env=placement.runtime_env if placement else {})
                )
    if not config.engine.cluster:
        yield from _gpus(config, [it for it in seen if isinstance(it, Backend)], steps)


def _gpus(config: Config, backends: Sequence[Backend], steps: Sequence[str]) -> Iterator[Finding]:
    """The GPUs that models reserve together, and those that one worker of each step does."""
    placements = [it.placement for it in backends if it.placement]
    shares = {step: config.engine.share(step, Resources()).gpus for step in steps}
    wanted = {
        f"a worker of {step} reserves": ("engine.gpus_per_worker", gpus) for step, gpus in shares.items()
    }
    wanted["the models reserve"] = (
        "actor.replicas or actor.num_gpus",
        sum(it.replicas * it.num_gpus for it in placements),
    )
    if not any(gpus for _, gpus in wanted.values()):
        return
    there = gpus_here()
    for who, (setting, gpus) in wanted.items():
        found = f"{who} {gpus:g}, this machine has {there}"
        yield Finding("engine", "GPUs", found, f"lower {setting}, {CLUSTER}" if gpus > there else "")
