"""Makes the shared, finished coalition known to the tests of this folder."""

from tests.unit.coalition.fixtures import bundle, drafted, finished

__all__ = ["bundle", "drafted", "finished"]
