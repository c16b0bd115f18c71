"""Rooms of the package entered from data and settings, as the public functions do, with settings that a test has at hand."""

from dataclasses import fields

from pipeline.images import scan as reading_data
from pipeline.images.sources.reading import Reading
from pipeline.reports.report import write_report
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.stage_one import scan as scanning
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.views import ensure_views
from pipeline.stage_two.grid import Grid
from pipeline.training.finetune.train import finetune
from pipeline.training.heads import fit_head
from pipeline.training.sweep import sweep_heads


def read(data, **fields):
    """The manifest of a data set, without settings."""
    return reading_data.scan(data, Reading(**fields))


def scan(data, settings=None, **keywords):
    """The manifest of a data set."""
    return scanning.scan(data, settings or Settings(), **keywords)


def extract(data, *, pool="none", settings=None):
    """Stage one."""
    settings = settings or Settings()
    manifest = scan(data, settings)
    return ensure(manifest, make_recipe(manifest, settings)[0].with_pooling(pool), settings)


def extract_views(data, views, *, pool="none", settings=None):
    """Stage one for views."""
    settings = settings or Settings()
    manifest = scan(data, settings)
    return ensure_views(manifest, views, make_recipe(manifest, settings)[0].with_pooling(pool), settings)


def take_saving(keywords):
    """How a run is saved, from the keywords that say so; the others stay."""
    return Saving(**{entry.name: keywords.pop(entry.name) for entry in fields(Saving) if entry.name in keywords})


def fit(data, head="ridge", *, settings=None, **keywords):
    """One head."""
    settings = settings or Settings()
    return fit_head(scan(data, settings), head, settings, take_saving(keywords), **keywords)


def sweep(data, heads=(), *, settings=None, **keywords):
    """Many heads: the ranked table, and the best one as a run."""
    settings = settings or Settings()
    done = sweep_heads(scan(data, settings), Grid(heads), settings, take_saving(keywords), **keywords)
    return done.results, done.best


def tune(data, tuning, *, settings=None, **keywords):
    """End to end, or fine-tuning."""
    settings = settings or Settings()
    return finetune(scan(data, settings), tuning, settings, take_saving(keywords), **keywords)


def report(names=(), path=None, *, settings=None, **keywords):
    """The page: its path, and the names of its runs."""
    done = write_report(names, settings or Settings(), path=path, **keywords)
    return done.path, done.runs
