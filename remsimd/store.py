"""The present state, kept up to date by the bus."""

from remsimd.bus import Stamped
from remsimd.config.model import Config
from remsimd.reducer import reduce
from remsimd.state import State, configure


class Store:
    """Holds the present state; `take` is a bus listener."""

    def __init__(self, state: State) -> None:
        self.now = state

    def take(self, stamped: Stamped) -> None:
        """Fold one event into the state."""
        self.now = reduce(stamped.event, self.now, stamped.wall_s)

    def configure(self, config: Config) -> None:
        """Forget modems that a reload removed, add the new ones."""
        self.now = configure(self.now, config)
