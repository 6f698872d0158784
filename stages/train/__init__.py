"""MotionChat: supervised fine-tuning and preference optimisation of a video MLLM, on TRL's trainers."""

import os

# TRL tells its makers of every trainer that is made; huggingface_hub reads this once, when it is imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
