"""Checkpoints of real architectures, tiny and random, that the real libraries load by path.

What they say is noise; the way there (tokenizer, chat template, processor, engine) is the real one. Each
writer is seeded: the same bytes every time.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")
LOUD = 0.3  # standard deviation of weights; from the usual 0.02, every token comes out about as likely
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
    """A Qwen2.5-VL of two layers, float32, with tokenizer, chat template and image processor.

    What it says hangs on what it is shown, as a trained model's answer does.
    """
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
            "initializer_range": LOUD,
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
            "initializer_range": LOUD,
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
    core.train_from_iterator(["Yes No Yes\nNo", "the camera pans left, the object moves right"] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=[*SPECIAL[1:], *PADS],
        chat_template=CHAT,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer.get_vocab()


# What the numbers of bert-base-uncased's vocabulary are where Grounding DINO's code has them by heart.
BERT_MARKS = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
BERT_WORDS = ("person", "dog", "red", "ball", "hand", "'", "s")


def grounding_dino(folder: Path) -> Path:
    """A Grounding DINO of a layer or two each, 20 boxes, float32, with processor and tokenizer."""
    import torch
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
        set_seed,
    )

    tokenizer = _bert_tokenizer()
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=16, depths=[1] * 4, num_heads=[2] * 4, out_features=["stage2", "stage3", "stage4"]
        ),
        text_config=BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,  # of one, there would be nothing to tie
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_queries=20,
    )
    set_seed(0)
    GroundingDinoForObjectDetection(config).to(torch.float32).save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def bert(folder: Path) -> Path:
    """A BERT of one layer, float32, with tokenizer: the text encoder of groundingdino-py."""
    from transformers import BertConfig, BertModel, set_seed

    tokenizer = _bert_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    set_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _bert_tokenizer() -> Any:
    """A WordPiece tokenizer of letters and BERT_WORDS."""
    from transformers import BertTokenizer

    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = iter(dict.fromkeys([*BERT_WORDS, *letters, *(f"##{c}" for c in letters)]))
    at = {number: mark for mark, number in BERT_MARKS.items()}
    words = [at.get(k) or next(pieces, f"[unused{k}]") for k in range(max(at) + 1)]
    return BertTokenizer(vocab={word: k for k, word in enumerate(words)})


# Configures groundingdino-py as small as it goes: backbone and width are fixed in its code.
GROUNDINGDINO_PY = """
modelname, backbone, position_embedding = "groundingdino", "swin_T_224_1k", "sine"
pe_temperatureH = pe_temperatureW = 20
return_interm_indices, backbone_freeze_keywords = [1, 2, 3], None
enc_layers, dec_layers, dim_feedforward, hidden_dim, nheads, num_queries = 1, 2, 64, 256, 2, 20
pre_norm, dropout, query_dim, num_patterns, num_feature_levels = False, 0.0, 4, 0, 4
enc_n_points = dec_n_points = 4
two_stage_type, two_stage_bbox_embed_share, two_stage_class_embed_share = "standard", False, False
transformer_activation, dec_pred_bbox_embed_share, embed_init_tgt = "relu", True, True
dn_box_noise_scale, dn_label_noise_ratio, dn_label_coef, dn_bbox_coef = 1.0, 0.5, 1.0, 1.0
dn_labelbook_size, max_text_len, text_encoder_type = 2000, 256, "bert-base-uncased"
use_text_enhancer = use_fusion_layer = use_text_cross_attention = sub_sentence_present = True
use_checkpoint = use_transformer_ckpt = False
text_dropout, fusion_dropout, fusion_droppath = 0.0, 0.0, 0.1
"""


def sam2(folder: Path) -> Path:
    """A SAM 2.1 video model of five blocks, 128 pixels, float32, with processor."""
    import torch
    from transformers import (
        Sam2HieraDetConfig,
        Sam2ImageProcessor,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
        Sam2VisionConfig,
        set_seed,
    )

    side = {"height": 128, "width": 128}
    config = Sam2VideoConfig(
        vision_config=Sam2VisionConfig(
            backbone_config=Sam2HieraDetConfig(
                hidden_size=16,
                num_attention_heads=1,
                image_size=[128, 128],
                blocks_per_stage=[1, 1, 2, 1],
                embed_dim_per_stage=[16, 32, 64, 128],
                num_attention_heads_per_stage=[1, 2, 4, 8],
                global_attention_blocks=[3],
            ),
            backbone_channel_list=[128, 64, 32, 16],
            backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
            fpn_hidden_size=128,
        ),
        prompt_encoder_config={"hidden_size": 128, "image_size": 128},
        mask_decoder_config={
            "hidden_size": 128,
            "mlp_dim": 64,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 64,
        },
        image_size=128,
        memory_attention_hidden_size=128,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=128,
        memory_encoder_output_channels=64,  # half of the others, which the code takes for granted
        mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128,
        memory_fuser_intermediate_dim=128,
    )
    set_seed(0)
    Sam2VideoModel(config).to(torch.float32).save_pretrained(folder)
    images, videos = Sam2ImageProcessor(size=side), Sam2VideoVideoProcessor(size=side)
    Sam2VideoProcessor(images, videos).save_pretrained(folder)
    return folder


# What makes Meta's sam2.1_hiera_t as small as `sam2`, in the words of its package's configuration.
SAM2_META = (
    "model.image_size=128",
    "model.image_encoder.trunk.embed_dim=16",
    "model.image_encoder.trunk.stages=[1,1,2,1]",
    "model.image_encoder.trunk.global_att_blocks=[3]",
    "model.image_encoder.neck.d_model=128",
    "model.image_encoder.neck.position_encoding.num_pos_feats=128",
    "model.image_encoder.neck.backbone_channel_list=[128,64,32,16]",
    "model.memory_attention.d_model=128",
    "model.memory_attention.num_layers=1",
    "model.memory_attention.layer.d_model=128",
    "model.memory_attention.layer.dim_feedforward=64",
    "model.memory_attention.layer.self_attention.embedding_dim=128",
    "model.memory_attention.layer.self_attention.feat_sizes=[8,8]",
    "model.memory_attention.layer.cross_attention.embedding_dim=128",
    "model.memory_attention.layer.cross_attention.feat_sizes=[8,8]",
    "+model.memory_encoder.in_dim=128",
    "+model.memory_encoder.mask_downsampler.embed_dim=128",
    "model.memory_encoder.fuser.layer.dim=128",
)


def sam2_meta(folder: Path) -> Path:
    """The weights of a SAM 2.1 as Meta's package saves them, for `SAM2_META` on top of sam2.1_hiera_t."""
    import torch
    from sam2.build_sam import build_sam2_video_predictor

    torch.manual_seed(1)  # after 0, every mask is empty
    model = build_sam2_video_predictor(
        "configs/sam2.1/sam2.1_hiera_t.yaml", None, device="cpu", hydra_overrides_extra=list(SAM2_META)
    )
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model": model.state_dict()}, folder / "tiny.pt")
    return folder / "tiny.pt"


@contextmanager
def as_in_a_worker() -> Iterator[None]:
    """Run PyTorch on one thread, as Ray's workers do, and keep off the hub."""
    import pytest
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        yield
    torch.set_num_threads(threads)
