"""Faults, injected for real, and what is promised of each.

| fault | where |
|---|---|
| killed at random moments, at each step of a commit; a lock whose holder is dead | `test_kills`; at length `benchmarks/kill.py` |
| `cache forget` killed at each of its steps | `test_forgetting`, `tests/cache/test_forget.py` |
| Ctrl-C and SIGTERM | `test_kills`; the command's exit codes in `tests/cli/test_app.py` |
| a full disk of bytes or files, a file that may not grow, calls that fail | `test_disk` |
| the power is cut: what was synced, and in which order | `test_disk`, `tests/cache/test_shard.py` |
| two and eight processes on one store, two machines, no locks, four sweeps, a killed worker | `test_together` |
| shards cut, flipped, zeroed, swapped, renamed, missing, damaged while open; damaged recipe; threads, fork, a reader | `test_damage` |
| damaged, foreign, locked or newer remembered hashes, journals of another hand | `tests/images/files/test_hashing.py`, `tests/images/files/test_hash_table.py` |
| any tree of bytes, any changed byte, pipes, devices, links and endless files in any place of a cache | `test_any_cache` |
| the same as runs, and as data of each kind (folders, archives, tables, arrays) | `test_any_runs`, `test_any_data` |
| the n-th open, read, write, fsync, close, rename, link, unlink, mkdir, rmdir or flock fails with any error | `test_calls` |
| writers with equal process numbers, four that replace one folder | `tests/test_files.py` |
| an export without room for it | `tests/cache/test_exchange.py`, `tests/cache/test_sink.py` |
| a read-only cache with a damaged shard, damaged recipes, folders that only look like a store's | `tests/cache/test_store.py`, `tests/cache/test_audit.py` |
| damaged, huge, odd and changed photographs; links, pipes, loops, names | `test_images` |
| another recipe | `test_damage`, `tests/cache/test_recipe.py` |
| forged shards (links, external storage, virtual data sets, bombs), paths that lead out, heads that would run code | `test_hostile` |
| random bytes, names and orders of events | `test_fuzz` |
"""
