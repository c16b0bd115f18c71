"""Faults, injected for real, and what is promised of each.

| fault | where |
|---|---|
| killed at random moments, at each step of a commit; a lock whose holder is dead | `test_kills`; at length `benchmarks/kill.py` |
| Ctrl-C and SIGTERM | `test_kills`; the command's exit codes in `tests/cli/test_app.py` |
| a full disk of bytes or files, a file that may not grow, calls that fail | `test_disk` |
| the power is cut: what was synced, and in which order | `test_disk`, `tests/cache/test_shard.py` |
| two and eight processes on one store, two machines, no locks, four sweeps, a killed worker | `test_together` |
| shards cut, flipped, zeroed, swapped, renamed, missing, damaged while open; damaged recipe; threads, fork, a reader | `test_damage` |
| damaged remembered hashes | `tests/images/test_hashing.py` |
| damaged, huge, odd and changed photographs; links, pipes, loops, names | `test_images` |
| another recipe | `test_damage`, `tests/cache/test_recipe.py` |
| forged shards (links, external storage, virtual data sets, bombs), paths that lead out, heads that would run code | `test_hostile` |
| random bytes, names and orders of events | `test_fuzz` |
"""
