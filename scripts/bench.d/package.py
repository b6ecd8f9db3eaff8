"""The size of the packages that a router installs."""

import subprocess
import sys
import tempfile
from pathlib import Path

from _figure import figure

ROOT = Path(__file__).parents[2]
BUDGETS_KB = {"remsimd": 300, "luci-app-remsimd": 200}

with tempfile.TemporaryDirectory() as folder:
    argv = [sys.executable, str(ROOT / "scripts/build-ipk"), "--output", folder]
    subprocess.run(argv, check=True, stdout=sys.stderr)
    for name, budget in BUDGETS_KB.items():
        (package,) = Path(folder).glob(f"{name}_*.ipk")
        figure(f"{name} ipk", package.stat().st_size / 1024, "KB", budget=budget)
