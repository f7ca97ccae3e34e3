"""Protocols with names: what is fixed of one, whether a run is made under it, and how one is sealed."""

from segharness.protocols.adopted_run import AdoptedModel, AdoptedRun, adopt_run, protocol_run, run_inputs
from segharness.protocols.named_protocol import NamedProtocol, find_protocol, named_protocols
from segharness.protocols.protocol_images import ProtocolImages
from segharness.protocols.seal import SCORER, Seal, check_sealed, seal_of, seal_of_folder, seal_of_results, seal_of_run

__all__ = [
    "SCORER",
    "AdoptedModel",
    "AdoptedRun",
    "NamedProtocol",
    "ProtocolImages",
    "Seal",
    "adopt_run",
    "check_sealed",
    "find_protocol",
    "named_protocols",
    "protocol_run",
    "run_inputs",
    "seal_of",
    "seal_of_folder",
    "seal_of_results",
    "seal_of_run",
]
