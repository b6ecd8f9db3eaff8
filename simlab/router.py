"""remsimd on a router that is not there: the real daemon with the lab's GPIO chip."""

import argparse
from pathlib import Path

from remsimd.daemon import run
from remsimd.log import set_up
from remsimd.service import read_or_exit
from simlab.gpio import RemoteLines


def main() -> None:
    """Run the daemon until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m simlab.router", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the UCI file to read")
    parser.add_argument("--run-dir", type=Path, required=True, help="the folder of the control socket")
    parser.add_argument("--gpio", type=Path, required=True, help="the socket of the lab's GPIO chip")
    arguments = parser.parse_args()
    config = read_or_exit(arguments.config)
    set_up(config.main.log_level, foreground=True)
    lines = RemoteLines(arguments.gpio)
    run(arguments.config, config, run_dir=arguments.run_dir, lines=lines)


if __name__ == "__main__":
    main()
