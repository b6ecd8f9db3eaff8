"""The tiers of the recording: finer ones reach back less far, so that the whole never grows."""

MINUTE_S = 60
DAY_S = 86400

STEPS_S = (MINUTE_S, 300, 3600)
"""The spans that the rows of each tier stand for; they are counted from the epoch."""

FINER_DAYS = (1, 7)
"""How far the finer tiers reach; the coarsest one's days are configured."""

STAGED = -1
"""The tier of minutes that wait for the clock; they are counted on the monotonic clock."""

SCALE = 100
"""Values are stored in hundredths: small whole numbers take one to four bytes instead of eight."""


def kept(days: int) -> tuple[int, ...]:
    """How many spans each tier holds, when the coarsest reaches back `days`."""
    reach = (*FINER_DAYS, max(days, 1))
    return tuple(n * DAY_S // step_s for n, step_s in zip(reach, STEPS_S, strict=True))
