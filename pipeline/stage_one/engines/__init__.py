"""Engines: what runs the trunk, and which one to choose."""
