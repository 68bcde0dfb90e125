"""``mb``, ``rb``, ``uploads`` and ``alias``."""

from __future__ import annotations

from datetime import timedelta

import click

from aiostore.cli import output
from aiostore.cli.command import verb
from aiostore.cli.listing import JSON


@click.command()
@click.argument("url")
@verb
async def mb(url: str) -> None:
    """Make the bucket or container of URL."""
    from aiostore.url import connect

    async with connect(url) as store:
        await store.create_container()


@click.command()
@click.argument("url")
@click.option("-f", "--force", is_flag=True, help="Delete what is in it first.")
@verb
async def rb(url: str, force: bool) -> None:
    """Remove the bucket or container of URL, which must be empty."""
    from aiostore.url import connect

    async with connect(url) as store:
        await store.delete_container(force=force)


@click.command()
@click.argument("url")
@click.option("--older-than", type=float, default=0.0, help="Only those begun so many hours ago.")
@click.option("--abort", is_flag=True, help="Drop them, and free what they hold.")
@JSON
@verb
async def uploads(url: str, older_than: float, abort: bool, as_json: bool) -> None:
    """List multipart uploads below URL that nobody has completed."""
    from aiostore.url import connect

    async with connect(url) as store:
        age = timedelta(hours=older_than) if older_than else None
        async for upload in store.uploads(older_than=age):
            if as_json:
                output.line(key=upload.key, id=upload.id, started=upload.started, aborted=abort)
            else:
                click.echo(f"{output.time(upload.started):20}  {upload.key}")
            if abort:
                await store.abort_upload(upload)


@click.group()
def alias() -> None:
    """Names for the beginnings of URLs, with their options, in the configuration file."""


@alias.command("ls")
def alias_ls() -> None:
    """The names that there are, and the file."""
    from aiostore import aliases

    for name in aliases.names():
        found = aliases.find(name)
        click.echo(f"{name}\t{'' if found is None else found.url}")


@alias.command("add")
@click.argument("name")
@click.argument("url")
@click.argument("options", nargs=-1)
def alias_add(name: str, url: str, options: tuple[str, ...]) -> None:
    """Let NAME stand for URL, with OPTIONS such as region=eu-west-1."""
    from aiostore import aliases
    from aiostore.errors import ConfigurationError

    pairs = [option.partition("=") for option in options]
    for option, (_, sign, _) in zip(options, pairs, strict=True):
        if not sign:
            raise click.UsageError(f"{option!r} is not of the form NAME=VALUE")
    try:
        aliases.add(name, url, {key: value for key, _, value in pairs})
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None


@alias.command("rm")
@click.argument("name")
def alias_rm(name: str) -> None:
    """Forget NAME."""
    from aiostore import aliases

    if not aliases.remove(name):
        raise click.ClickException(f"there is no alias {name!r}")
