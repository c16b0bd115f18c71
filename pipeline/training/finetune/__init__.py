"""Trunk, tail and head: trained on cached rows or on live images. End to end is an empty tail."""
