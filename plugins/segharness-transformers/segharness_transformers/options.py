"""Options of the models, by kind. Imports no framework."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.checks import boolean, either, names, number, one_of, text, whole_number
from segharness_torch.options import EXECUTION, SEED

_LOADING = {
    "config": Option(
        "a config.json, or a folder with one: the architecture of `weights: random`",
        False,
        True,
        files="segharness_transformers.files:described",
    ),
    "seed": SEED,
    "revision": Option("a branch, tag or commit of the hub; its main when absent", decides=False, check=text),
    "local_files_only": Option(
        "take what is in the hub's cache, and fetch nothing; no when absent", decides=False, check=boolean
    ),
    **EXECUTION,
}
OUTPUT = {
    "output": Option(
        "`instances`, or `panoptic`: segments that do not overlap; instances when absent",
        check=one_of("instances", "panoptic"),
    ),
    "things": Option(
        "names of the categories that are things, or how many of the first are; all when absent",
        check=either(names, whole_number(1)),
    ),
    "most": Option("at most so many instances an image; 100", check=whole_number(1)),
    "object_threshold": Option(
        "of panoptic output: queries whose class has at most this probability are left out; 0.8", check=number(0, 1)
    ),
    "overlap": Option(
        "of panoptic output: segments that keep less of their mask than this are left out; 0.8", check=number(0, 1)
    ),
    **_LOADING,
}
MASKS = {
    **OUTPUT,
    "mask_score": Option("scores are times the mean probability of the mask's pixels; yes when absent", check=boolean),
}
"""Of families whose queries have no boxes."""
PROMPTED = {
    "prompt": Option(
        "what each object is asked for by: boxes, or points; boxes when absent", check=one_of("boxes", "points")
    ),
    "multimask": Option(
        "take that of several masks with the highest predicted IoU, not the single mask; yes for points, no for boxes",
        check=boolean,
    ),
    "together": Option("so many prompts at a time; 64", check=whole_number(1)),
    **_LOADING,
}
