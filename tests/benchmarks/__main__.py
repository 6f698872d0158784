"""Timings as ratios within one run: `python -m tests.benchmarks [--quick] [SECTION ...]`.

Prints a line as each step ends and a table as soon as it is complete, beside the ratios of the run before.
Results go to out/bench.json, those of `--quick`, which takes 3 minutes on 2 cores, to out/bench-quick.json;
without a name, all sections are run, and the file keeps what other runs found.
"""

import argparse
import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import cv2
import torch
from rich.console import Console

from tests.benchmarks.timing import step, table

SECTIONS = {
    "scoring": "score against decoding; its speed against its accuracy",
    "motion": "the motion statistic against Data-Juicer and NeMo Curator",
    "prompts": "visual prompts against decoding",
    "decoders": "PyAV, decord, decord2, torchcodec",
    "mllm": "calls and tokens for an answer, on vLLM",
    "workers": "Ray against a plain loop; memory",
    "tables": "split and audit of a million rows",
    "browse": "the clip browser on 100,000 clips",
    "review": "the review page with 80,000 questions, 20,000 votes and 50 people",
}
QUICK = ("scoring", "prompts")  # those that have a short form


def main() -> None:
    names = "\n".join(f"  {name:<10} {what}" for name, what in SECTIONS.items())
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\nsections:\n{names}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    parser.add_argument("--quick", action="store_true", help=f"few clips; only {' and '.join(QUICK)}")
    asked = parser.parse_args()
    known = QUICK if asked.quick else tuple(SECTIONS)
    if unknown := set(asked.sections) - set(known):
        parser.error(f"no section {', '.join(sorted(unknown))} here; there are {', '.join(known)}")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    out = Path("out/bench-quick.json" if asked.quick else "out/bench.json")
    found = json.loads(out.read_text()) if out.exists() else {}
    out.parent.mkdir(exist_ok=True)
    for name in asked.sections or known:
        step(f"{name}: {SECTIONS[name]}")
        section = import_module(f"tests.benchmarks.{name}")
        for title, lines in section.run(quick=True) if asked.quick else section.run():
            earlier = {line["work"]: line["ratio"] for line in found.get(name, {}).get(title, ())}
            Console(width=130).print(table(title, lines, earlier))
            found.setdefault(name, {})[title] = [asdict(line) for line in lines]
            out.write_text(json.dumps(found, indent=1) + "\n")
    step(f"done; the figures are in {out}")


if __name__ == "__main__":
    main()
