"""The ``aiostore`` command: the verbs of a store, of ``fs`` and of ``transfer``, for a shell.

Exit codes: 0, everything was done; 1, something was not, which is said on standard error; 2, the command line is
wrong; 130, interrupted.
"""

from __future__ import annotations


def main() -> None:
    """Run the command. Imports little, so that ``--help`` answers at once."""
    try:
        from aiostore.cli.command import aiostore
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        raise SystemExit("the aiostore command needs click and rich: pip install 'aiostore[cli]'") from None
    aiostore(prog_name="aiostore")
