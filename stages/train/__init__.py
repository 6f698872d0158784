"""MotionChat: supervised fine-tuning and preference optimisation of a video MLLM, with TRL's trainers."""

import os

# TRL reports every trainer that is created to its authors. huggingface_hub reads this once, on import.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
