"""Writes a tiny random CLIP-FlanT5 into a Hugging Face cache, under the names that t2v-metrics asks for.

Run by the Python of the environment that has t2v-metrics: python tiny_clip_flant5.py CACHE
"""

import sys
from pathlib import Path

import sentencepiece
import torch
from t2v_metrics.models.vqascore_models.clip_t5.model import CLIPT5Config, CLIPT5ForConditionalGeneration
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel, T5Tokenizer

TEXT = (
    "Does this video show the camera pans left? Please answer Yes or No. A chat. USER: ASSISTANT: a car moves"
)


def snapshot(cache: Path, name: str) -> Path:
    """The folder of a model in the cache, at its newest revision."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("tiny")
    (folder / "snapshots" / "tiny").mkdir(parents=True)
    return folder / "snapshots" / "tiny"


def write(cache: Path) -> None:
    """Tokenizer, vision tower and model: seeded, a few hundred KB."""
    torch.manual_seed(0)
    words = snapshot(cache, "google/flan-t5-xl")
    corpus = cache / "corpus.txt"
    corpus.write_text("\n".join(TEXT.replace(". ", "\n").splitlines() * 50))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(words / "spiece"),
        vocab_size=100,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
    )
    tokenizer = T5Tokenizer(str(words / "spiece.model"))
    tokenizer.save_pretrained(words)
    tower = snapshot(cache, "tiny/clip")
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
    )
    CLIPVisionModel(vision).save_pretrained(tower)
    side = {"height": 56, "width": 56}
    CLIPImageProcessor(size={"shortest_edge": 56}, crop_size=side).save_pretrained(tower)
    config = CLIPT5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        hidden_size=16,
        mm_hidden_size=16,
        mm_vision_tower=str(tower),
        mm_projector_type="mlp2x_gelu",
        mm_vision_select_layer=-2,
    )
    model = CLIPT5ForConditionalGeneration(config)
    model.save_pretrained(snapshot(cache, "zhiqiulin/clip-flant5-xl"), safe_serialization=False)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
