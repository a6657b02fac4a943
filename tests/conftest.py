"""What holds for every test."""

from hypothesis import settings

# Examples are not timed: the machine may be busy, and wall-clock time is for the benchmarks.
settings.register_profile("tenuto", deadline=None)
settings.load_profile("tenuto")
