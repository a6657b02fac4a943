"""Public conformance suites: what an engine, a platform or a policy must do, as one call each; and a clock."""

from tenuto.platforms.simulated import ManualClock
from tenuto.testing.engines import check_engine
from tenuto.testing.platforms import check_platform
from tenuto.testing.policies import check_policy

__all__ = ["ManualClock", "check_engine", "check_platform", "check_policy"]
