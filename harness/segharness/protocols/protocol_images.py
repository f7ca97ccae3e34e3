"""The pixels of a protocol's images under its conditions, or under the same conditions with another seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segharness.images.corrupt import Corruptor
from segharness.images.decode import decode
from segharness.plugin.host import PluginHost
from segharness.protocols.adopted_run import AdoptedRun
from segharness.records import Sample

if TYPE_CHECKING:
    from segharness.records import Image


class ProtocolImages:
    """Makes the pixels that a model is given under a protocol. May be called from several threads.

    Args:
        adopted: a run under the protocol.
        host: the plugins that have its corruptions.
        seed: in the place of the protocol's; None for that.
    """

    def __init__(self, adopted: AdoptedRun, host: PluginHost, seed: int | None = None) -> None:
        suite = adopted.run.suite
        self._conditions = {condition.name: condition for condition in suite.conditions}
        self._names = {id: opened.entry.dataset for id, opened in adopted.sources.datasets.items()}
        self._corruptor = Corruptor(host, self._conditions, suite.seed if seed is None else seed)

    def __call__(self, dataset: str, sample: Sample, condition: str) -> Image:
        """Return an image under a condition, uint8 RGB (H, W, 3).

        Args:
            dataset: the id of the data set.
            sample: one of its images.
            condition: the name of the condition.

        Raises:
            ImageError: the image cannot be read, or the corruption failed on it.
        """
        return self._corruptor(decode(sample), self._conditions[condition], sample, self._names[dataset]).pixels
