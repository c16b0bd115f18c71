"""Stores and runs that earlier versions made still open and give the same numbers."""
