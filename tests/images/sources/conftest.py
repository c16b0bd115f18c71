"""A web server, as for the tests of far data."""

from tests.images.remote.conftest import web

__all__ = ["web"]
