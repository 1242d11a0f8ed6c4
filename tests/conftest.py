"""Settings for all tests."""

from hypothesis import settings

# The same examples in every run: a test that fails once fails again.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.load_profile("fixed")
