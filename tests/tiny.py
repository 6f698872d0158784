"""Checkpoints of real architectures, tiny and random, that the real libraries load by path.

What they say is noise; the way there (tokenizer, chat template, processor, engine) is the real one. Each
writer is seeded: the same bytes every time.
"""

import json
from pathlib import Path

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")
PADS = ("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")
# The form that Qwen2.5-VL was trained on: turns between marks, a pad for each picture where it stands.
CHAT = """{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content -%}
{%- if part.type in ["image", "image_url"] %}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part.type in ["video", "video_url"] %}<|vision_start|><|video_pad|><|vision_end|>
{%- else %}{{ part.text }}{% endif %}
{%- endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def qwen2_5_vl(folder: Path) -> Path:
    """A Qwen2.5-VL of two layers, float32, with tokenizer, chat template and image processor."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, set_seed

    ids = _byte_tokenizer(folder)
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(ids),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,  # of 64 numbers each: the smallest that vLLM has CPU kernels for
            "num_key_value_heads": 1,
            "max_position_embeddings": 32768,
            "rope_scaling": {"rope_type": "default", "type": "mrope", "mrope_section": [8, 12, 12]},
            "tie_word_embeddings": False,
            "bos_token_id": ids["<|endoftext|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "out_hidden_size": 128,
            "intermediate_size": 128,
            "num_heads": 4,
            "fullatt_block_indexes": [1],
        },
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
    )
    set_seed(0)
    Qwen2_5_VLForConditionalGeneration(config).to(torch.float32).save_pretrained(folder)
    processor = {
        "processor_class": "Qwen2_5_VLProcessor",
        "image_processor_type": "Qwen2VLImageProcessor",
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "min_pixels": 56 * 56,
        "max_pixels": 360 * 420,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def _byte_tokenizer(folder: Path) -> dict[str, int]:
    """Write a byte-level BPE tokenizer that knows a few words whole. Returns the number of each token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        special_tokens=[*SPECIAL, *PADS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(["Yes No\nYes\nNo", "the camera pans left, the object moves right"] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=[*SPECIAL[1:], *PADS],
        chat_template=CHAT,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer.get_vocab()
