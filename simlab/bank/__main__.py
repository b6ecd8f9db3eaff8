"""Entry point of `python -m simlab.bank`."""

import sys

from simlab.bank.cli import main

sys.exit(main())
