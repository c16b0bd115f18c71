"""Tests of the detector of unfamiliar images."""
