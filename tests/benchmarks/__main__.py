"""Timings as ratios within one run: `python -m tests.benchmarks [SECTION ...]`; tables, and out/bench.json.

Without a name, all sections; the file keeps what other runs found of the others.
"""

import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import cv2
import torch
from rich.console import Console

from tests.benchmarks.timing import table

SECTIONS = {
    "scoring": "score against decoding; its speed against its accuracy",
    "motion": "the motion statistic against Data-Juicer and NeMo Curator",
    "prompts": "visual prompts against decoding",
    "decoders": "PyAV, decord, decord2, torchcodec",
    "mllm": "calls and tokens for an answer, on vLLM",
    "workers": "Ray against a plain loop; memory",
    "tables": "split and audit of a million rows",
}
OUT = Path("out/bench.json")


def main(names: list[str]) -> None:
    if unknown := set(names) - SECTIONS.keys():
        told = "\n".join(f"  {name:<10} {what}" for name, what in SECTIONS.items())
        sys.exit(f"no section {', '.join(sorted(unknown))}; there are\n{told}")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in names or SECTIONS:
        for title, lines in import_module(f"tests.benchmarks.{name}").run().items():
            Console(width=130).print(table(title, lines))
            found.setdefault(name, {})[title] = [asdict(line) for line in lines]
            OUT.parent.mkdir(exist_ok=True)
            OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
