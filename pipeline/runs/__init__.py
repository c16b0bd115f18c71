"""Runs: their folders, and how they are saved, loaded, plotted, logged and used to predict."""
