"""Where the daemon's log lines go."""

import logging
import logging.handlers
import sys
from pathlib import Path

SYSLOG_SOCKET = Path("/dev/log")


def set_up(level: str, *, foreground: bool) -> None:
    """Send log lines of `level` (debug, info, warning, error) and above to stderr or syslog.

    On a router the process is called python3, so syslog lines carry the name remsimd
    themselves.
    """
    handler: logging.Handler
    if not foreground and SYSLOG_SOCKET.exists():
        handler = logging.handlers.SysLogHandler(
            str(SYSLOG_SOCKET), facility=logging.handlers.SysLogHandler.LOG_DAEMON
        )
        handler.setFormatter(logging.Formatter("remsimd: %(name)s: %(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # urllib3 logs every request line at DEBUG, client names included.
    logging.getLogger("urllib3").setLevel(logging.WARNING)
