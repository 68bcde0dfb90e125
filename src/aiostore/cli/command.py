"""The command itself: its group, how a verb is run, and what becomes of errors."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial, wraps
from typing import Any, Final, ParamSpec

import click
from click.exceptions import NoArgsIsHelpError
from click.shell_completion import CompletionItem

from aiostore.cli.output import complain, sentence

P = ParamSpec("P")

FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM

AGAIN: Final = "run the same command again"
DEBUG: Final = "aiostore.debug"
AGAIN_WITH: Final = "aiostore.again"
DONE: Final = "aiostore.done"
"""In a context's ``meta``: whether tracebacks are shown, how to go on, and what a verb did before it ended early."""

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
    "rm": "removal",
    "stat": "objects",
    "sync": "trees",
    "touch": "objects",
    "uploads": "containers",
    "verify": "trees",
}
"""The module of each verb, imported when the verb is used."""


class Verbs(click.Group):
    """A group whose verbs are imported when they are needed, and whose errors are one line."""

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

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run it, and end the process with its exit code unless ``standalone_mode`` is false."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except NoArgsIsHelpError as error:
            error.show()
            code = MISUSED
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx is not None else "aiostore"
            complain(f"{error.format_message().rstrip('.')}; see {path} --help")
            code = MISUSED
        except click.ClickException as error:
            complain(error.format_message())
            code = FAILED
        except click.Abort:
            complain("stopped; nothing was done")
            code = FAILED
        sys.exit(code)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show where an error came from; may stand behind the verb too.")
@click.version_option(package_name="aiostore")
@click.pass_context
def aiostore(context: click.Context, debug: bool) -> None:
    """Objects in S3, Google Cloud Storage, Azure, Swift, OSS, web servers and local directories.

    A PATH is a URL such as s3://bucket/key or a local path. Options of a store stand in the URL's query
    (s3://bucket/key?endpoint=http://127.0.0.1:9000), in the environment, or under a name in the configuration file
    (aiostore alias --help).
    """
    context.meta[DEBUG] = debug


class AnyPath(click.ParamType[str]):
    """A URL or a local path, of which a shell completes the latter."""

    name = "path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path as it was given, if it is one."""
        if not value:
            self.fail("an empty path; write '.' for the working directory", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Let the shell complete names of local files."""
        return [] if "://" in incomplete else [CompletionItem(incomplete, type="file")]


PATH: Final = AnyPath()


class FailedError(Exception):
    """Something was not done, which has been said already."""


def verb(run: Callable[P, Coroutine[Any, Any, None]], again: str = AGAIN) -> Callable[P, None]:
    """Make a command's function of a coroutine function: errors become one line, Ctrl-C ends in order.

    ``again`` is what whoever interrupts it is told to do for the rest.
    """

    @wraps(run)
    def command(*arguments: P.args, **keywords: P.kwargs) -> None:
        context = click.get_current_context()
        code = 0
        try:
            try:
                asyncio.run(_to_its_end(run(*arguments, **keywords)))
            finally:
                sys.stdout.flush()
        except FailedError:
            code = FAILED
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            done = f"{context.meta[DONE]}; " if DONE in context.meta else ""
            complain(f"interrupted; {done}nothing is half written. For the rest: {context.meta.get(AGAIN_WITH, again)}")
            code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else TERMINATED
        except BrokenPipeError:
            # Whoever read our output has enough, as `head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = FAILED
        except (click.ClickException, click.Abort):
            raise
        except Exception as error:  # every error is one line
            if context.meta.get(DEBUG):
                import traceback

                traceback.print_exc()
            done = f" (before that: {context.meta[DONE]})" if DONE in context.meta else ""
            complain(f"{sentence(error)}{done}")
            code = FAILED
        if code:
            context.exit(code)

    return click.option(
        "--debug", is_flag=True, hidden=True, expose_value=False, is_eager=True, callback=_debug,
    )(command)  # fmt: skip


def resumed(again: str) -> Callable[[Callable[P, Coroutine[Any, Any, None]]], Callable[P, None]]:
    """:func:`verb`, with what to do after an interruption."""
    return partial(verb, again=again)


def _debug(context: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given:
        context.meta[DEBUG] = True


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do the work; end it in order when the process is told to end."""
    from aiostore import fs

    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # of asyncio.run()
    with suppress(NotImplementedError, RuntimeError, ValueError):  # not on Windows, nor in another thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await work
    finally:
        await fs.aclose()
