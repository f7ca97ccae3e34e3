"""Everything on disk: schemas, atomic writers, readers, the run folder."""

from segharness.store.folder import RunFolder
from segharness.store.lock import Lock
from segharness.store.remote import Place, place
from segharness.store.results import manifest_of, read_results, write_results
from segharness.store.schemas import IMAGES, PREDICTIONS, RESULTS, SCHEMA_VERSION
from segharness.store.shards import ShardFiles, ShardState, read_shard, read_table, shard_state, table, write_shard

__all__ = [
    "IMAGES",
    "PREDICTIONS",
    "RESULTS",
    "SCHEMA_VERSION",
    "Lock",
    "Place",
    "RunFolder",
    "ShardFiles",
    "ShardState",
    "manifest_of",
    "place",
    "read_results",
    "read_shard",
    "read_table",
    "shard_state",
    "table",
    "write_results",
    "write_shard",
]
