"""One process's share of a training run: load, train from the last checkpoint on, save."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from configs.settings import fingerprint
from pipeline.errors import CallError, RunError
from stages.train import dpo, sft
from stages.train.config import FREE, Stage, TrainConfig, accumulation
from stages.train.inputs import Encoder
from stages.train.model import adapters, load_model, load_processor, parameter_groups
from stages.train.rows import Rows, Source, read

CHECKPOINTS, METRICS, ADAPTER, RECORD = "checkpoints", "tensorboard", "adapter", "training.json"
STATE = "trainer_state.json"  # what transformers writes last into a checkpoint
TOLD = {"loss": "loss", "rewards/margins": "margin", "eval_loss": "validation loss"}
STAGES: Mapping[Stage, Any] = {"sft": sft, "dpo": dpo}
PACKAGES = ("trl", "transformers", "torch", "peft", "accelerate")


@dataclass(frozen=True)
class Run:
    """A training run: what, with which settings, of which rows, and the folder that the model goes to."""

    stage: Stage
    config: TrainConfig
    source: Source
    output: str

    def record(self, rows: Rows) -> dict[str, Any]:
        """What its weights depend on. A run that goes on must have the same."""
        settings = {
            key: value for key, value in self.config.model_dump(mode="json").items() if key not in FREE
        }
        told = {"stage": self.stage, "dataset": self.source.dataset, "rows": fingerprint(rows.rows)}
        return told | {"settings": settings}


def train(run: Run, say: Callable[[str], None] = print) -> dict[str, float] | None:
    """Train and write the model to `run.output`; every process of the run calls this.

    Goes on from the last whole checkpoint there. Returns the metrics, None when all was done before. Raises
    CallError for settings that do not fit, among them others than those the run began with, RunError that
    names a video that cannot be decoded.
    """
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    config, output = run.config, Path(run.output)
    rows = read(run.source, run.stage, "train", config.skip_missing)
    if check(run, rows):
        say(f"train: nothing to do, {output} holds the model")
        return None
    last = last_checkpoint(output / CHECKPOINTS)
    made = make_trainer(run, rows, load_processor(config), last)
    _tell_steps(made, say)
    main = made.is_world_process_zero()
    record = run.record(rows)
    if main:
        _write(output / RECORD, record)
        if last:
            say(f"train: goes on from {last}")
    try:
        metrics = made.train(resume_from_checkpoint=str(last) if last else None).metrics
    except RunError as error:  # PyTorch puts the traceback of a process that loads into the message
        raise RunError(str(error).rstrip().rpartition("RunError: ")[2]) from None
    save(made, output)
    if main:
        _write(
            output / RECORD,
            record | {"done": metrics, "versions": {name: version(name) for name in PACKAGES}},
        )
    return metrics


def check(run: Run, rows: Rows) -> bool:
    """Whether the run was brought to its end before. Raises CallError when the folder is of another one."""
    before = begun(Path(run.output))
    if before and (differing := differences(before, run.record(rows))):
        raise CallError(
            f"{run.output} is of a run with other settings: {'; '.join(differing)}; give another "
            "--output, or --restart"
        )
    return bool(before and before.get("done"))


def make_trainer(run: Run, rows: Rows, processor: Any, checkpoint: Path | None = None) -> Any:
    """TRL's trainer for the run, with the optimiser of the model's parts; checkpoint: where it goes on."""
    from datasets import Dataset
    from torch.utils.tensorboard import SummaryWriter
    from transformers import set_seed
    from transformers.integrations import TensorBoardCallback

    config = run.config
    set_seed(config.seed)
    encode = Encoder(processor, config.video)
    others: dict[str, Any] = {"train_dataset": Dataset.from_list(rows.rows)}
    if config.eval_steps:
        held = read(run.source, run.stage, "validation", config.skip_missing).rows
        if not held:
            raise CallError(f"{run.source.dataset} has no validation rows; leave out eval_steps")
        others["eval_dataset"] = Dataset.from_list(held)
    # In this order: DeepSpeed's settings decide how the weights are loaded.
    args = STAGES[run.stage].arguments(config, arguments(config, Path(run.output)))
    whole = checkpoint if not (config.lora or config.launch.deepspeed) else None
    model = load_model(config, weights=whole)
    made = STAGES[run.stage].trainer(
        model, args, encode, config, peft_config=adapters(model, config), **others
    )
    if whole:
        # transformers 5.20 reads a checkpoint by the names in it, which for Qwen-VL are not those in memory,
        # warns, and goes on with the weights it had. They have been loaded above.
        made._load_from_checkpoint = lambda *_, **__: None
    if made.is_world_process_zero():
        made.add_callback(TensorBoardCallback(SummaryWriter(str(Path(run.output, METRICS)))))
    kind, options = made.get_optimizer_cls_and_kwargs(made.args, made.model)
    groups = parameter_groups(
        made.model.named_parameters(), made.get_decay_parameter_names(made.model), config
    )
    made.optimizer = kind(groups, **options)
    return made


def arguments(config: TrainConfig, output: Path) -> dict[str, Any]:
    """Settings that TRL's SFTConfig and DPOConfig have in common. Raises CallError."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    return {
        "output_dir": str(output / CHECKPOINTS),
        "per_device_train_batch_size": config.device_batch,
        "per_device_eval_batch_size": config.device_batch,
        "gradient_accumulation_steps": accumulation(config, world),
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "warmup_steps": config.warmup,  # below 1: a share
        "lr_scheduler_type": config.scheduler,
        "max_grad_norm": config.max_grad_norm,
        "optim": config.optimizer,
        "bf16": config.precision == "bf16",
        "use_cpu": not config.launch.use_gpu,
        "gradient_checkpointing": config.gradient_checkpointing,
        "dataloader_num_workers": config.loaders,
        "save_steps": config.save_steps,
        "save_total_limit": config.keep,
        "logging_steps": config.log_steps,
        "eval_strategy": "steps" if config.eval_steps else "no",
        "eval_steps": config.eval_steps,
        "seed": config.seed,
        "deepspeed": deepspeed(config.launch.deepspeed),
        "max_length": None,  # a cut would leave frames without their tokens
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": not sys.stderr.isatty(),
    }


def deepspeed(stage: str | None) -> str | dict[str, Any] | None:
    """DeepSpeed's settings of a ZeRO stage, filled in by transformers; anything else is a file of them."""
    if stage not in ("zero2", "zero3"):
        return stage
    auto = (
        "train_micro_batch_size_per_gpu",
        "gradient_accumulation_steps",
        "train_batch_size",
        "gradient_clipping",
    )
    zero: dict[str, Any] = {"stage": int(stage[-1]), "overlap_comm": True, "contiguous_gradients": True}
    if stage == "zero3":
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    return {"bf16": {"enabled": "auto"}, "zero_optimization": zero, **dict.fromkeys(auto, "auto")}


def _tell_steps(trainer: Any, say: Callable[[str], None]) -> None:
    """Where no bar can be drawn, as in a job's log: a line for each time that metrics are written."""
    from transformers import PrinterCallback, TrainerCallback

    class Teller(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
            logs = seen["logs"]
            told = [f"{name} {logs[key]:.4g}" for key, name in TOLD.items() if key in logs]
            if told and state.is_world_process_zero:
                say(f"train: step {state.global_step} of {state.max_steps}: {', '.join(told)}")

    if trainer.pop_callback(PrinterCallback):
        trainer.add_callback(Teller())


def save(trainer: Any, output: Path) -> None:
    """Write the model where transformers and vLLM load it from; adapters are merged in, and kept beside."""
    trainer.accelerator.wait_for_everyone()
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        if trainer.is_world_process_zero():
            model.save_pretrained(str(output / ADAPTER))
            model.merge_and_unload().save_pretrained(str(output))
    else:
        trainer.save_model(str(output))
    if trainer.is_world_process_zero():
        trainer.processing_class.save_pretrained(str(output))


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            json.loads((path / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        whole.append(path)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def begun(output: Path) -> dict[str, Any] | None:
    """What the run in a folder was begun with, None when there is none."""
    try:
        return json.loads((output / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """`name: was A, is B` for each thing that two records differ in."""
    pairs = [(key, before.get(key), now[key]) for key in ("stage", "dataset", "rows")]
    pairs += [(key, before["settings"].get(key), value) for key, value in now["settings"].items()]
    return [f"{key}: was {was!r}, is {value!r}" for key, was, value in pairs if was != value]


def restart(output: Path) -> None:
    """Forget the run in a folder: its record and checkpoints; a model there stays until it is replaced."""
    (output / RECORD).unlink(missing_ok=True)
    for folder in (CHECKPOINTS, METRICS):
        shutil.rmtree(output / folder, ignore_errors=True)


def _write(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def as_dict(run: Run) -> dict[str, Any]:
    """The run for another process; `from_dict` reads it."""
    told = asdict(run)
    return told | {"config": run.config.model_dump(mode="json")}


def from_dict(told: dict[str, Any]) -> Run:
    """The run that `as_dict` told of."""
    config = TrainConfig.model_validate(told["config"])
    return Run(told["stage"], config, Source(**told["source"]), told["output"])
