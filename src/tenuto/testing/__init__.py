"""Public conformance suites: what an engine, a platform or a policy must do, as one call each."""

from tenuto.testing.engines import check_engine
from tenuto.testing.platforms import check_platform
from tenuto.testing.policies import check_policy

__all__ = ["check_engine", "check_platform", "check_policy"]
