"""The reference backend: a small shop that behaves well.

``create_app`` makes it; sadpath loads this folder as a package under a private name and does what goes wrong from
outside. It runs alone, too, on real time and with one session::

    python mockserver/run.py --port 8080
    uvicorn --factory --app-dir mockserver run:create_app

State is in memory: one process, one worker. See ``seam`` for what a request may bring along, ``shop`` for the state,
and one module for each part of the API.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from . import auth, health, orders, problems, settings, users
from .dataset import DataSets
from .docs import DescribedApp
from .seam import Seam, StandaloneSeam
from .shop import Hooks, Shops

__all__ = ["create_app"]

ROUTERS = (auth.router, users.router, orders.router, settings.router, health.router)


def create_app(fixtures: Path | None = None, *, seam: Seam | None = None) -> FastAPI:
    """Make the app; what it holds is described by the data sets in ``fixtures``.

    ``seam`` serves requests that bring none along. Raises ``DataSetError``, with file, line and field, if a data set
    cannot be read. ``app.state.sadpath_hooks`` lets an engine reset a session, and expire or revoke its tokens.
    """
    shops = Shops(DataSets(fixtures or Path(__file__).parent.parent / "fixtures"))
    # No redirects for a trailing slash: a client should be told that its URL is wrong.
    app = DescribedApp(docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.shops = shops
    app.state.seam = seam or StandaloneSeam()
    app.state.sadpath_hooks = Hooks(shops)
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app, ROUTERS)
    return app
