"""The question that `advise` answers: which base, if several take part; otherwise which regime."""

from pipeline.comparison.advise import Advice, advise
from pipeline.comparison.race import Entries, Race, race
from pipeline.images.manifest import Manifest
from pipeline.settings import Settings
from pipeline.stage_one.reuse.stored import with_stored_features


def answer(manifest: Manifest, entries: Entries, settings: Settings, *, num_sample: int) -> Advice | Race:
    """A race between the entries, or if there are none, a recommendation on the base of the settings.

    Args:
        manifest: The images, with labels.
        entries: What takes part in a race.
        settings: Features, folders and compute. For a recommendation, those that were not given are those of the rows stored for these
            images.
        num_sample: Number of training images to measure for a recommendation.
    """
    if entries.bases or entries.sizes or entries.cuts:
        return race(manifest, entries, settings)
    return advise(manifest, with_stored_features(manifest, settings), num_sample=num_sample)
