"""The commands of `ionmesh` that run until they are told to stop."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ionmesh.opening import configured, database_option, opened

Command = TypeVar("Command", bound=Callable[..., Any])


def address_options(command: Command) -> Command:
    """Give a command the options --host and --port."""
    host = click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
    port = click.option(
        "--port",
        type=click.IntRange(0, 65535),
        metavar="PORT",
        default=5000,
        show_default=True,
        help="The TCP port; 0 takes a free one.",
    )
    return host(port(command))


@click.command()
@database_option
@address_options
@click.option(
    "--public-url", metavar="URL", help="What routers are told.  [default: the address listened on]"
)
def run(database: str | None, host: str, port: int, public_url: str | None) -> None:
    """Serve API and dashboard and do the jobs, until SIGTERM.

    Everything in one process, for a few hundred routers: requests, slot maps at the banks, silent
    clients, time series, alerts, webhooks. Prints `listening on URL` when it is ready.

    Exit status: 0 after SIGTERM or SIGINT, 1 when the address cannot be had or a job died.
    """
    from ionmesh.server import serve

    config = configured(database=database, public_url=public_url)
    with opened(config):
        pass
    try:
        status = serve(config, host, port, lambda url: click.echo(f"listening on {url}"))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host} port {port}: {error.strerror}") from error
    sys.exit(status)


@click.command()
@database_option
@address_options
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    metavar="N",
    envvar="WEB_CONCURRENCY",
    help="How many processes answer.  [default: $WEB_CONCURRENCY, else one a CPU]",
)
def web(database: str | None, host: str, port: int, processes: int | None) -> None:
    """Answer requests in several processes, until SIGTERM.

    For thousands of routers, on PostgreSQL and beside `ionmesh worker`, which does the jobs. A
    socket that systemd gives is used instead of --host and --port. Prints `listening on URL` when
    it is ready. SIGHUP replaces the processes one by one, as after an upgrade.

    Exit status: 0 after SIGTERM or SIGINT, 1 when the address cannot be had or the processes end
    again and again.
    """
    from ionmesh.web import serve

    config = configured(database=database)
    with opened(config):
        pass
    count = processes or len(os.sched_getaffinity(0))
    try:
        serve(config, host, port, count, lambda url: click.echo(f"listening on {url}"))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host} port {port}: {error.strerror}") from error


@click.command()
@database_option
def worker(database: str | None) -> None:
    """Do the jobs beside `ionmesh web`, until SIGTERM.

    Slot maps at the banks, silent clients, time series, alerts, webhooks, what is too old. Of
    several workers one does each job at a time. Prints `working` when it is ready.

    Exit status: 0 after SIGTERM or SIGINT, 1 when a job died.
    """
    from ionmesh.worker import work

    config = configured(database=database)
    with opened(config):
        pass
    sys.exit(work(config, lambda: click.echo("working")))
