"""The files of a run: their schemas, how they are written and read, and the run folder that holds them."""

from segharness.store.folder import RunFolder
from segharness.store.lock import Lock
from segharness.store.remote import StorePath, store_path
from segharness.store.results import manifest_of, read_results, write_results
from segharness.store.schemas import IMAGES, PREDICTIONS, RESULTS, SCHEMA_VERSION
from segharness.store.shards import (
    ShardFiles,
    ShardState,
    StoredShard,
    read_shard,
    read_table,
    shard_state,
    table,
    write_shard,
)

__all__ = [
    "IMAGES",
    "PREDICTIONS",
    "RESULTS",
    "SCHEMA_VERSION",
    "Lock",
    "RunFolder",
    "ShardFiles",
    "ShardState",
    "StorePath",
    "StoredShard",
    "manifest_of",
    "read_results",
    "read_shard",
    "read_table",
    "shard_state",
    "store_path",
    "table",
    "write_results",
    "write_shard",
]
