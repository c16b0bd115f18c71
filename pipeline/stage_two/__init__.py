"""Stage two: heads on cached features, in seconds."""
