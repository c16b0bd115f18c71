"""The version of the package: of pyproject.toml, of runs and certificates, and what the members of a cluster must share."""

__version__ = "0.6.0"
