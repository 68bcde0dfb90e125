"""``mb``, ``rb``, ``uploads`` and ``alias``."""

from __future__ import annotations

from datetime import timedelta

import click

from aiostore.cli import output
from aiostore.cli.command import PATH, verb
from aiostore.cli.listing import JSON


@click.command()
@click.argument("url", type=PATH)
@verb
async def mb(url: str) -> None:
    """Make the bucket, container or local directory of URL."""
    from aiostore.url import connect

    async with connect(url) as store:
        await store.create_container()


@click.command()
@click.argument("url", type=PATH)
@click.option("-f", "--force", is_flag=True, help="Delete what is in it first.")
@verb
async def rb(url: str, force: bool) -> None:
    """Remove the bucket, container or local directory of URL, which must be empty."""
    from aiostore.errors import NotFoundError
    from aiostore.url import connect

    async with connect(url) as store:
        if not await store.container_exists():
            raise NotFoundError("there is no such bucket, container or directory", operation="rb", store=store.location)
        await store.delete_container(force=force)


@click.command()
@click.argument("url", type=PATH)
@click.option("--older-than", type=click.FloatRange(min=0), default=0.0, help="Only those begun so many hours ago.")
@click.option("--abort", is_flag=True, help="Drop them, and free what they hold.")
@JSON
@verb
async def uploads(url: str, older_than: float, abort: bool, as_json: bool) -> None:
    """List multipart uploads below URL that nobody has completed.

    A copy or sync that was stopped would go on with its own.
    """
    from aiostore.transfer import sweep
    from aiostore.url import connect

    async with connect(url) as store:
        age = timedelta(hours=older_than)
        async for upload in sweep(store, older_than=age, dry_run=not abort):
            if as_json:
                output.line(key=upload.key, id=upload.id, started=upload.started, aborted=abort)
            else:
                output.text(f"{output.time(upload.started):20}  {upload.key}")


@click.group()
def alias() -> None:
    """Names for the beginnings of URLs, with their options, in the configuration file.

    NAME://bucket/key is then what URL/bucket/key is with these options. The file is $AIOSTORE_CONFIG, or
    aiostore/config.toml in the user's configuration directory, and may be edited by hand.
    """


@alias.command("ls")
@JSON
@verb
async def alias_ls(as_json: bool) -> None:
    """The names that there are, with their URLs and the names of their options; values may be secret."""
    from aiostore import aliases
    from aiostore.address import USER

    for name in aliases.names():
        found = aliases.find(name)
        if found is None:
            continue
        url = USER.sub("://", found.url.partition("?")[0])
        options = sorted(found.options)
        if as_json:
            output.line(name=name, url=url, options=options)
        else:
            output.text("\t".join([name, url, *options]))


@alias.command("add")
@click.argument("name")
@click.argument("url")
@click.argument("options", nargs=-1, metavar="[NAME=VALUE]...")
@verb
async def alias_add(name: str, url: str, options: tuple[str, ...]) -> None:
    """Let NAME stand for URL, with options such as region=eu-west-1."""
    from aiostore import aliases
    from aiostore.schemes import BUILT_IN

    pairs = [option.partition("=") for option in options]
    for option, (key, sign, _) in zip(options, pairs, strict=True):
        if not sign or not key:
            raise click.UsageError(f"{option.partition('=')[0]!r} is not of the form NAME=VALUE")
    if name.lower() in BUILT_IN:
        raise click.UsageError(f"{name}:// has a meaning of its own: choose another name")
    aliases.add(name, url, {key: value for key, _, value in pairs})


@alias.command("rm")
@click.argument("name")
@verb
async def alias_rm(name: str) -> None:
    """Forget NAME."""
    from aiostore import aliases
    from aiostore.errors import ConfigurationError

    if not aliases.remove(name):
        raise ConfigurationError(f"there is no alias {name!r} in {aliases.config_file()}; see aiostore alias ls")
