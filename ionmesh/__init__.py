"""IonMesh: the orchestrator that hands SIM bank slots to cellular routers over REST.

`create_app(config)` builds the Flask application; `ionmesh run` serves it with the embedded server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ionmesh.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    # Flask and SQLAlchemy are loaded only when an application is built: `ionmesh --help` needs neither.
    if name == "create_app":
        from ionmesh.app import create_app

        return create_app
    raise AttributeError(name)
