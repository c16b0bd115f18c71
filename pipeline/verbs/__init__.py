"""What can be done. The command line and Python call the same functions.

The one place that joins images, bases, cache and the two stages.
"""
