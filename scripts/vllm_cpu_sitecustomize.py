"""Let the CPU build of vLLM import a torchvision that was built for CUDA.

This file is copied into vLLM's environment as `sitecustomize.py`, which every Python process there runs at
startup, including those that vLLM starts. On import, torchvision registers implementations for its compiled
operators, which fails if the library that declares them cannot be loaded. vLLM calls none of them, so it is
enough to declare them.
"""

import os

if os.environ.get("VLLM_CPU_DECLARE_TORCHVISION"):
    import importlib.util
    import re
    from pathlib import Path

    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec and spec.origin:
        package = Path(spec.origin).parent
        try:
            torch.ops.load_library(package / "_C.so")
        except OSError:
            code = (package / "_meta_registrations.py").read_text()
            names = re.findall(r"torchvision::(\w+)|register_meta\(\"(\w+)\"", code)
            library = torch.library.Library("torchvision", "DEF")
            for name in {first or second for first, second in names}:
                library.define(f"{name}(Tensor x) -> Tensor")
