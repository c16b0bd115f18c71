"""Rows from images: tasks, this process or workers, and the writing of shards."""
