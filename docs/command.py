"""Writes what each verb of the command takes into its page, from the commands themselves: ``docs/command.py``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from aiostore.cli.command import aiostore

PAGE = Path(__file__).parent / "command.md"
BEGIN, END = "<!-- verbs: written by docs/command.py -->\n", "<!-- end of verbs -->\n"


def verbs(group: click.Group = aiostore, above: str = "aiostore") -> Iterator[tuple[str, click.Command]]:
    """Every verb with what is typed for it, in the order of the alphabet."""
    context = click.Context(group, info_name=above)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield f"{above} {name}", command
            yield from verbs(command, f"{above} {name}")
        elif command is not None:
            yield f"{above} {name}", command


def options(command: click.Command) -> list[click.Option]:
    """What a verb takes, without what every one takes."""
    return [option for option in command.params if isinstance(option, click.Option) and not option.hidden]


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    text = f"### {name.removeprefix('aiostore ')}\n\n```sh\n{usage}\n```\n\n{inspect.cleandoc(command.help or '')}\n"
    rows = [_row(option, context) for option in options(command)]
    return text + ("\n| option | |\n|---|---|\n" + "".join(rows) if rows else "")


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    if record is None:
        raise ValueError(f"{option.name} has no help")
    names, help_text = (cell.replace("|", "\\|") for cell in record)
    return f"| `{names}` | {help_text} |\n"


def written() -> str:
    """The page as it should be.

    Raises:
        ValueError: if it has no place for the verbs.
    """
    page = PAGE.read_text()
    start, stop = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:start]}\n{chr(10).join(_section(*verb) for verb in verbs())}\n{page[stop:]}"


if __name__ == "__main__":
    PAGE.write_text(written())
