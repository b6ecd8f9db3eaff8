"""How generated tests run here: a loaded machine is not a failure."""

from hypothesis import HealthCheck, settings

settings.register_profile("modems", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("modems")
