"""Regimes side by side, advice, plans for stage one, and published experiments."""
