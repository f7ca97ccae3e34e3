"""What plugins read data sets with as their owners ship them: folders or zip archives, label maps, indices.

A `Tree` finds and reads files, wherever they lie; a `LabelMap` turns the pixels of an instance map into regions; an
index (`read_all`) remembers what was read of many files, and reads again only those that changed; `AnnotatedImages` is a
data set made of all these.
"""

from segharness.files.annotated import AnnotatedImages, pairs, pixels, size_of
from segharness.files.index import AnnotationEntry, AnnotationIndex, Region, read_all, rereading
from segharness.files.labelmap import LabelMap, Mask
from segharness.files.tree import File, Tree

__all__ = [
    "AnnotatedImages",
    "AnnotationEntry",
    "AnnotationIndex",
    "File",
    "LabelMap",
    "Mask",
    "Region",
    "Tree",
    "pairs",
    "pixels",
    "read_all",
    "rereading",
    "size_of",
]
