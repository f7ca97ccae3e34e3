"""The specs that this distribution registers with segharness."""

from __future__ import annotations

from segharness import CategorySet, DatasetSpec, Option, hookimpl
from segharness.plugin.option_checks import one_of, whole_number

SPLITS = ("training", "validation")
"""The splits that have annotations, by their owners' names."""

VERSIONS = ("v1.2", "v2.0")
"""The versions of the annotations."""

check_split, check_version = one_of(*SPLITS), one_of(*VERSIONS)
check_longest_side = whole_number(1, 16384)

_TREE = """\
ROOT/                             or a folder with mapillary-vistas-dataset_public_v2.0.zip or ..._v1.2.zip
  config_v1.2.json                config.json in the archive of v1.2
  config_v2.0.json
  training/ validation/
    images/
      KEY.jpg
    v1.2/                         absent in the archive of v1.2: panoptic/ lies directly in the split
      panoptic/
        panoptic_2018.json
        KEY.png
    v2.0/
      panoptic/
        panoptic_2020.json
        KEY.png"""

_DOWNLOAD = """\
request the Research edition at https://www.mapillary.com/dataset/vistas (an account is asked for); an archive in parts
is joined first: zip -s 0 PART.zip --out mapillary-vistas-dataset_public_v2.0.zip; then read as it is, or unpacked"""


@hookimpl
def segharness_datasets() -> list[DatasetSpec | CategorySet]:
    return [
        DatasetSpec(
            "mapillary/vistas",
            factory="segharness_mapillary.dataset:MapillaryVistas",
            description="Mapillary Vistas, panoptic: 37 things and 28 stuff (v1.2), 70 and 46 (v2.0); its things also "
            "serve as instances",
            licence="Research edition: CC BY-NC-SA, not for commercial use; its terms are in the archive",
            homepage="https://www.mapillary.com/dataset/vistas",
            tags=("streets",),
            options={
                "root": Option("the folder of training and validation", required=True, path=True, variable="mapillary"),
                "split": Option("training or validation; validation when absent", check=check_split),
                "version": Option("of the annotations, v1.2 or v2.0; v1.2 when absent", check=check_version),
                "longest_side": Option(
                    "pixels of the longer side that images (area; bilinear if enlarged) and segments (nearest) are "
                    "scaled to, such as 2000; images stay as they are when absent",
                    check=check_longest_side,
                ),
            },
            download=_DOWNLOAD,
            size="about 29 GB as a zip archive (v2.0, which holds v1.2, too)",
            tree=_TREE,
            part="split",
            parts={"training": 18000, "validation": 2000},
        ),
    ]
