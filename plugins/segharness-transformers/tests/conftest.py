"""Small random networks of every family, saved as folders like those of the hub."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf
from segharness_torch.temporary_seed import torch_seeded

LABELS = {0: "person", 1: "car", 2: "road"}


def _swin():
    return hf.SwinConfig(
        image_size=64,
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 4],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def _detr(**more):
    return hf.DetrConfig(
        use_timm_backbone=False,
        backbone_config=hf.ResNetConfig(
            embedding_size=16,
            hidden_sizes=[16, 16, 32, 32],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage1", "stage2", "stage3", "stage4"],
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        num_queries=10,
        id2label=LABELS,
        **more,
    )


def _mask2former():
    config = hf.Mask2FormerConfig(
        backbone_config=_swin(),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=4,
        num_queries=10,
        id2label=LABELS,
    )
    return (
        hf.Mask2FormerForUniversalSegmentation(config),
        hf.Mask2FormerImageProcessor(size={"shortest_edge": 64, "longest_edge": 96}),
    )


def _maskformer():
    config = hf.MaskFormerConfig(
        backbone_config=_swin(),
        decoder_config=_detr(),
        fpn_feature_size=32,
        mask_feature_size=32,
        id2label=LABELS,
    )
    return (
        hf.MaskFormerForInstanceSegmentation(config),
        hf.MaskFormerImageProcessor(size={"shortest_edge": 64, "longest_edge": 96}),
    )


def _oneformer():
    config = hf.OneFormerConfig(
        backbone_config=_swin(),
        num_queries=10,
        conv_dim=32,
        mask_dim=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=4,
        text_encoder_width=32,
        text_encoder_num_layers=1,
        text_encoder_vocab_size=64,
        id2label=LABELS,
    )
    return (
        hf.OneFormerForUniversalSegmentation(config),
        hf.OneFormerImageProcessor(size={"shortest_edge": 64, "longest_edge": 96}),
    )


def _eomt():
    config = hf.EomtConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=64,
        patch_size=8,
        num_blocks=2,
        num_queries=10,
        num_upscale_blocks=1,
        id2label=LABELS,
    )
    processor = hf.EomtImageProcessor(size={"shortest_edge": 64, "longest_edge": 64}, do_pad=True)
    return hf.EomtForUniversalSegmentation(config), processor


def _boxes():
    return hf.DetrForObjectDetection(_detr()), hf.DetrImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})


def _masks():
    return hf.DetrForSegmentation(_detr()), hf.DetrImageProcessor(
        size={"shortest_edge": 64, "longest_edge": 96}, pad_size={"height": 96, "width": 96}
    )


def _sam():
    config = hf.SamConfig(
        vision_config=hf.SamVisionConfig(
            hidden_size=32,
            output_channels=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=64,
            patch_size=8,
            window_size=4,
            global_attn_indexes=[1],
            num_pos_feats=8,
            mlp_dim=32,
        ).to_dict(),
        prompt_encoder_config=hf.SamPromptEncoderConfig(
            hidden_size=16, image_size=64, patch_size=8, mask_input_channels=4
        ).to_dict(),
        mask_decoder_config=hf.SamMaskDecoderConfig(
            hidden_size=16, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16
        ).to_dict(),
    )
    return hf.SamModel(config), hf.SamImageProcessor(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})


def _sam2():
    backbone = hf.Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[64, 64],
        window_positional_embedding_background_size=[2, 2],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 4],
        global_attention_blocks=[3],
    )
    config = hf.Sam2Config(
        vision_config=hf.Sam2VisionConfig(
            backbone_config=backbone,
            backbone_channel_list=[64, 32, 16, 8],
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            fpn_hidden_size=16,
        ),
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16},
    )
    return hf.Sam2Model(config), hf.Sam2ImageProcessor(size={"height": 64, "width": 64})


BUILDERS = {
    "mask2former": _mask2former,
    "maskformer": _maskformer,
    "oneformer": _oneformer,
    "eomt": _eomt,
    "detr": _masks,
    "detr-boxes": _boxes,
    "sam": _sam,
    "sam2": _sam2,
}


def save(kind: str, folder: Path, seed: int = 0) -> Path:
    """Write a network of a kind; its weights are made larger, so that its queries differ."""
    with torch_seeded(seed):
        network, processor = BUILDERS[kind]()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    if kind == "oneformer":
        _tokenizer(folder)
    return folder


def _tokenizer(folder: Path) -> None:
    """Write one that knows letters, and no words."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A function from a kind of network and a seed to the folder of one; not to be written to."""
    found = {}

    def folder(kind: str, seed: int = 0) -> Path:
        if (kind, seed) not in found:
            found[kind, seed] = save(kind, tmp_path_factory.mktemp(kind) / "network", seed)
        return found[kind, seed]

    return folder


SHAPES = ((50, 70), (80, 41), (33, 99))


@pytest.fixture(scope="session")
def images():
    rng = np.random.default_rng(0)
    return [np.kron(rng.integers(0, 255, (9, 9, 3)), np.ones((12, 12, 1)))[:h, :w].astype(np.uint8) for h, w in SHAPES]
