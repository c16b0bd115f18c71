"""Rows that a team shares: a folder or a bucket with the layout of a cache, from which shards are copied and to which they are."""
