"""Settings of a vLLM engine that serves a tiny random checkpoint on a CPU."""

from pathlib import Path
from typing import Any

ENV = {
    "HF_HUB_OFFLINE": "1",
    "TORCH_COMPILE_DISABLE": "1",  # which would want a C++ compiler
    "VLLM_CPU_DECLARE_TORCHVISION": "1",  # see scripts/vllm_cpu_sitecustomize.py
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
}
LENGTH = 8192  # tokens
ENGINE = {
    "enforce_eager": True,
    "block_size": 32,  # the smallest that the CPU has kernels for
    # Noise that may write white space between the parts of its JSON writes nothing else.
    "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
}


def settings(checkpoint: Path, python: str, **actor: Any) -> dict[str, Any]:
    """Of the `vllm` backend on this checkpoint, in an actor of that Python."""
    runtime_env = {"py_executable": python, "env_vars": ENV}
    return {
        "backend": "vllm",
        "model": str(checkpoint),
        "dtype": "float32",
        "max_model_len": LENGTH,
        "engine": ENGINE,
        "actor": {"num_gpus": 0, "num_cpus": 0.1, "runtime_env": runtime_env, **actor},
    }
