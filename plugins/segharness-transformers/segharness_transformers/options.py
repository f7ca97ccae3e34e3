"""Options of the models, by kind of model. Imports no framework."""

from __future__ import annotations

from segharness import Option
from segharness.plugin.option_checks import boolean, either, names, number, one_of, text, whole_number
from segharness_torch.options import EXECUTION, SEED

_LOADING = {
    "config": Option(
        "a config.json, or a folder with one: the architecture of `weights: random`",
        required=False,
        path=True,
        files="segharness_transformers.files:description_files",
    ),
    "seed": SEED,
    "revision": Option("a branch, tag or commit on the hub; main when absent", decides=False, check=text),
    "local_files_only": Option(
        "use the files in the hub's cache, and fetch nothing; no when absent", decides=False, check=boolean
    ),
    **EXECUTION,
}
OUTPUT = {
    "output": Option(
        "`instances`, or `panoptic`: segments that do not overlap; instances when absent",
        check=one_of("instances", "panoptic"),
    ),
    "things": Option(
        "names of the categories that are things, or a number n: the first n are; all when absent",
        check=either(names, whole_number(1)),
    ),
    "most": Option("the most instances per image; 100", check=whole_number(1)),
    "object_threshold": Option(
        "for panoptic output: queries whose class has at most this probability are left out; 0.8", check=number(0, 1)
    ),
    "overlap": Option(
        "for panoptic output: segments that keep a smaller share of their mask are left out; 0.8", check=number(0, 1)
    ),
    **_LOADING,
}
MASKS = {
    **OUTPUT,
    "mask_score": Option("multiply scores by the mask's mean probability; yes when absent", check=boolean),
}
"""Options of families whose queries have no boxes."""
PROMPTED = {
    "prompt": Option(
        "how each object is prompted: by its box, or by a point; boxes when absent", check=one_of("boxes", "points")
    ),
    "multimask": Option(
        "predict several masks and take the one with the highest predicted IoU; yes for points, no for boxes",
        check=boolean,
    ),
    "together": Option("how many prompts the network gets at a time; 64", check=whole_number(1)),
    **_LOADING,
}
