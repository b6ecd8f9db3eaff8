"""remsimd: the daemon that runs a cellular router on a SIM card that sits somewhere else."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "remsimd/__init__.py").read_text(), re.MULTILINE)[1]

setup(
    name="remsimd",
    version=VERSION,
    description="Remote SIM, dual-modem failover and orchestration for cellular OpenWrt routers",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="GPL-2.0-or-later",
    packages=find_packages(include=["remsimd*", "modems*", "ionmesh*", "simlab*"]),
    package_data={
        "ionmesh": [
            "migrations/*.py",
            "migrations/*.mako",
            "migrations/versions/*.py",
            "dashboard/templates/**",
            "dashboard/static/**",
            "dashboard/locale/**",
        ],
        "modems": ["py.typed"],
        "remsimd": ["py.typed"],
        "simlab": ["modems/scripts/*.txt"],
    },
    python_requires=">=3.11",
    install_requires=[
        "click>=8.1.7",
        "gpiod>=2.0.1",
        "prometheus-client>=0.20",
        "pyserial>=3.5",
        "pyudev>=0.24",
        "requests>=2.30",
    ],
    extras_require={
        "server": [
            "alembic>=1.13",
            "argon2-cffi>=23.1",
            "flask>=3.0",
            "granian>=2.8,<3",
            "gunicorn>=22",
            "psycopg[binary]>=3.1.18",
            "pydantic>=2.7",
            "pyotp>=2.9",
            "pywebpush>=2.0",
            "segno>=1.6",
            "sqlalchemy>=2.0.30",
            "waitress>=3.0",
        ],
        "dev": [
            "asn1tools>=0.166",
            "axe-playwright-python>=0.1.4",
            "bandit>=1.8",
            "cryptography>=42",
            "hypothesis>=6.100",
            "mypy>=1.11",
            "playwright>=1.50",
            "pycryptodome>=3.20",
            "pytest>=8",
            "pytest-asyncio>=0.24",
            "pytest-cov>=6",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "rich>=13",
            "ruff>=0.6",
            "schemathesis>=4",
            "types-pyserial",
            "types-requests",
        ],
    },
    entry_points={
        "console_scripts": [
            "remsimd = remsimd.cli.daemon:main",
            "remsimctl = remsimd.cli.control:main",
            "ionmesh = ionmesh.cli:main",
        ],
    },
    classifiers=[
        "Environment :: No Input/Output (Daemon)",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: System :: Networking",
    ],
)
