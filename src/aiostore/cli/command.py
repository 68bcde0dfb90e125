"""The command itself: its group, how a verb is run, and what becomes of errors."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec

import click

P = ParamSpec("P")

FAILED: Final = 1
INTERRUPTED: Final = 130

VERBS: Final = {
    "alias": "containers",
    "cat": "objects",
    "cp": "copies",
    "du": "listing",
    "head": "objects",
    "ls": "listing",
    "mb": "containers",
    "mv": "copies",
    "presign": "objects",
    "rb": "containers",
    "rm": "objects",
    "stat": "objects",
    "sync": "copies",
    "touch": "objects",
    "uploads": "containers",
    "verify": "copies",
}
"""The module of each verb, imported when the verb is used."""


class Verbs(click.Group):
    """A group whose verbs are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name."""
        if cmd_name not in VERBS:
            return None
        from importlib import import_module

        command: click.Command = getattr(import_module(f"aiostore.cli.{VERBS[cmd_name]}"), cmd_name)
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show where an error came from.")
@click.version_option(package_name="aiostore")
@click.pass_context
def aiostore(context: click.Context, debug: bool) -> None:
    """Objects in S3, Google Cloud Storage, Azure, Swift, web servers and local directories.

    A PATH is a URL such as s3://bucket/key or a local path. Options of a store stand in the URL's query
    (s3://bucket/key?endpoint=http://127.0.0.1:9000), in the environment, or under a name in the configuration file
    (aiostore alias --help).
    """
    context.obj = debug


class FailedError(Exception):
    """Something was not done, which has been said already."""


def verb(run: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a command's function of a coroutine function: errors become one line, Ctrl-C ends in order."""

    @wraps(run)
    def command(*arguments: P.args, **keywords: P.kwargs) -> None:
        context = click.get_current_context()
        code = 0
        try:
            asyncio.run(_closing(run(*arguments, **keywords)))
        except FailedError:
            code = FAILED
        except KeyboardInterrupt:
            click.echo(
                "aiostore: interrupted; nothing is half written. Run the same command again for the rest.", err=True
            )
            code = INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has enough, as `head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = FAILED
        except Exception as error:  # every error is one line
            if context.obj:
                traceback.print_exc()
            click.echo(f"aiostore: {_line(error)}", err=True)
            code = FAILED
        if code:
            context.exit(code)

    return command


async def _closing(work: Coroutine[Any, Any, None]) -> None:
    from aiostore import fs

    try:
        await work
    finally:
        await fs.aclose()


def _line(error: Exception) -> str:
    """One line that says what to do."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        return f"{error.filename}: {error.strerror}" if str(error.filename) not in text else text
    return text


def complain(text: str) -> None:
    """Say on standard error what was not done."""
    click.echo(f"aiostore: {text}", err=True)
