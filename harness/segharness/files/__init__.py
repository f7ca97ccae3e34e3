"""Tools for plugins that read data sets as their owners distribute them: folders or zip archives, label maps, indices.

- `Tree` finds and reads files, unpacked or in archives.
- `FilesByName` finds the files that annotations name in another spelling.
- `LabelMap` turns the pixels of an instance map into regions.
- `read_index` keeps an index of the content of many annotation files, and reads again only files that changed.
- `AnnotatedImages` is a data set made of these.
"""

from segharness.files.annotated_images import AnnotatedImages, paired_files, read_pixels, size_of
from segharness.files.files_by_name import FilesByName
from segharness.files.index import AnnotationEntry, AnnotationIndex, Region, read_index, rereading
from segharness.files.label_map import LabelMap, Mask
from segharness.files.tree import File, Tree

__all__ = [
    "AnnotatedImages",
    "AnnotationEntry",
    "AnnotationIndex",
    "File",
    "FilesByName",
    "LabelMap",
    "Mask",
    "Region",
    "Tree",
    "paired_files",
    "read_index",
    "read_pixels",
    "rereading",
    "size_of",
]
