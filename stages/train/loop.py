"""The share of one process in a training run: load, train on from the last checkpoint, save."""

import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.errors import CallError, RunError
from stages.train import dpo, sft
from stages.train.inputs import Encoder
from stages.train.model import adapters, load_model, load_processor, parameter_groups
from stages.train.rows import Rows, read_rows
from stages.train.run import (
    ADAPTER,
    CHECKPOINTS,
    METRICS,
    TrainingRun,
    is_done,
    last_checkpoint,
    write_record,
)
from stages.train.settings import Phase, TrainConfig, accumulation_steps

REPORTED = {"loss": "loss", "rewards/margins": "margin", "eval_loss": "validation loss"}
PHASES: Mapping[Phase, Any] = {"sft": sft, "dpo": dpo}
PACKAGES = ("trl", "transformers", "torch", "peft", "accelerate")  # whose versions are recorded


def train(run: TrainingRun, say: Callable[[str], None] = print) -> dict[str, float] | None:
    """Train and write the model to `run.output`. Every process of the run calls this.

    A run that was stopped is resumed from its last complete checkpoint.

    Args:
        run: What to train.
        say: Prints a line of progress.

    Returns:
        The metrics of the run, or None if it was finished before.

    Raises:
        CallError: The settings do not fit together, the model or the data, or the folder is of another run.
        RunError: A video cannot be decoded; the message names it.
    """
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    config = run.config
    rows = read_rows(run.source, run.phase, "train", config.skip_missing)
    if is_done(run, rows):
        say(f"train: nothing to do: {run.output} already holds the model")
        return None
    checkpoint = last_checkpoint(run.folder)
    trainer = make_trainer(run, rows, load_processor(config), checkpoint)
    _report_steps(trainer, say)
    main = trainer.is_world_process_zero()
    record = run.record(rows)
    if main:
        write_record(run.folder, record)
        if checkpoint:
            say(f"train: resuming from {checkpoint}")
    try:
        metrics = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None).metrics
    except RunError as error:  # PyTorch adds the traceback of a data-loading process to the message
        raise RunError(str(error).rstrip().rpartition("RunError: ")[2]) from None
    save(trainer, run.folder)
    if main:
        versions = {name: version(name) for name in PACKAGES}
        write_record(run.folder, record | {"done": metrics, "versions": versions})
    return metrics


def make_trainer(run: TrainingRun, rows: Rows, processor: Any, checkpoint: Path | None = None) -> Any:
    """Make TRL's trainer for a run, with an optimiser that treats the parts of the model as configured.

    Args:
        run: What to train.
        rows: The training rows.
        processor: The model's processor.
        checkpoint: Where to resume from.

    Raises:
        CallError: The settings do not fit together, the model or the data.
    """
    from datasets import Dataset
    from torch.utils.tensorboard import SummaryWriter
    from transformers import set_seed
    from transformers.integrations import TensorBoardCallback

    config, phase = run.config, PHASES[run.phase]
    set_seed(config.seed)
    encode = Encoder(processor, config.video)
    datasets: dict[str, Any] = {"train_dataset": Dataset.from_list(rows.rows)}
    if config.eval_steps:
        validation = read_rows(run.source, run.phase, "validation", config.skip_missing).rows
        if not validation:
            raise CallError(f"{run.source.dataset} has no validation rows; leave out eval_steps")
        datasets["eval_dataset"] = Dataset.from_list(validation)
    # In this order: DeepSpeed's settings decide how the weights are loaded.
    args = phase.arguments(config, arguments(config, run.folder))
    weights = checkpoint if not (config.lora or config.launch.deepspeed) else None
    model = load_model(config, weights=weights)
    trainer = phase.trainer(model, args, encode, config, peft_config=adapters(model, config), **datasets)
    if weights:
        # transformers 5.20 looks up a checkpoint's weights under names that for Qwen-VL differ from those in
        # memory. It would warn and keep the weights it had, so they have been loaded above instead.
        trainer._load_from_checkpoint = lambda *_, **__: None
    if trainer.is_world_process_zero():
        trainer.add_callback(TensorBoardCallback(SummaryWriter(str(run.folder / METRICS))))
    optimizer, options = trainer.get_optimizer_cls_and_kwargs(trainer.args, trainer.model)
    decaying = trainer.get_decay_parameter_names(trainer.model)
    groups = parameter_groups(trainer.model.named_parameters(), decaying, config)
    trainer.optimizer = optimizer(groups, **options)
    return trainer


def arguments(config: TrainConfig, output: Path) -> dict[str, Any]:
    """The settings that TRL's SFTConfig and DPOConfig have in common.

    Args:
        config: The settings of the run.
        output: Its output folder.

    Raises:
        CallError: The global batch cannot be divided evenly among the processes.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return {
        "output_dir": str(output / CHECKPOINTS),
        "per_device_train_batch_size": config.device_batch,
        "per_device_eval_batch_size": config.device_batch,
        "gradient_accumulation_steps": accumulation_steps(config, processes),
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "warmup_steps": config.warmup,  # transformers takes a number below 1 as a share
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
        "max_length": None,  # truncating would leave frames without their tokens
        "remove_unused_columns": False,
        "report_to": "none",
        "disable_tqdm": not sys.stderr.isatty(),
    }


def deepspeed(stage: str | None) -> str | dict[str, Any] | None:
    """DeepSpeed's settings for a ZeRO stage, which transformers completes; anything else is returned as is.

    Args:
        stage: `zero2`, `zero3`, a JSON file, or None.
    """
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


def _report_steps(trainer: Any, say: Callable[[str], None]) -> None:
    """Print a line per log entry where no progress bar is shown, as in the log of a job."""
    from transformers import PrinterCallback, TrainerCallback

    class Reporter(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            logs = others["logs"]
            values = [f"{name} {logs[key]:.4g}" for key, name in REPORTED.items() if key in logs]
            if values and state.is_world_process_zero:
                say(f"train: step {state.global_step} of {state.max_steps}: {', '.join(values)}")

    if trainer.pop_callback(PrinterCallback):
        trainer.add_callback(Reporter())


def save(trainer: Any, output: Path) -> None:
    """Write the model so that transformers and vLLM load it from the folder.

    Adapters are merged into the weights, and also saved by themselves in `ADAPTER`.
    """
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
