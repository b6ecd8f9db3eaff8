"""The errors of what is recorded.

RemsimError
└── HistoryError       the recorded values cannot be opened, written, read or saved
    └── DamagedError   the file is no recording (any more): only another one can help
"""

from remsimd.errors import RemsimError


class HistoryError(RemsimError):
    """The recorded values cannot be opened, written, read or saved; the text says why."""


class DamagedError(HistoryError):
    """The file is no recording, or none of this version: only another one can help."""
