"""Protocols with names: what is fixed of one, whether a run is made under it, and how one is sealed."""

from segharness.protocols.named_protocol import NamedProtocol, find_protocol, named_protocols
from segharness.protocols.seal import SCORER, Seal, check_sealed, seal_of, seal_of_results

__all__ = [
    "SCORER",
    "NamedProtocol",
    "Seal",
    "check_sealed",
    "find_protocol",
    "named_protocols",
    "seal_of",
    "seal_of_results",
]
