"""Bars for whatever takes ``progress=``, drawn by rich on a terminal; nothing is drawn where nobody looks.

::

    from aiostore import progress

    with progress.bar("film.mkv") as moved:
        await store.put("film.mkv", Path("film.mkv"), progress=moved)
    with progress.bar("photos", unit="objects") as moved:
        async for result in store.put_many(photos, total=len(photos), progress=moved):
            ...
    with progress.Bars() as bars:  # one below the other
        await asyncio.gather(*(store.download(key, Path(key), progress=bars.add(key)) for key in keys))

rich comes with the extra ``cli``, and is imported when a bar is begun.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias

from aiostore.errors import ConfigurationError
from aiostore.types import Progress

if TYPE_CHECKING:
    from rich.console import Console

Unit: TypeAlias = Literal["bytes", "objects"]
"""What is counted."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
"""What a key must not tell a terminal."""


class Bars:
    """Bars one below the other, on standard error unless another ``console`` of rich is given; a context manager.

    With ``transient`` they are gone when it is left. Only one of these can be on a terminal at a time.

    Raises:
        ConfigurationError: if rich is not installed.
    """

    def __init__(self, *, unit: Unit = "bytes", transient: bool = False, console: Console | None = None) -> None:
        try:
            from rich import progress as rich
            from rich.console import Console
        except ModuleNotFoundError as error:
            raise ConfigurationError("bars need rich: pip install 'aiostore[cli]' brings it") from error
        console = console or Console(stderr=True)
        # A key may hold what rich takes for markup.
        columns: list[rich.ProgressColumn] = [rich.TextColumn("{task.description}", markup=False), rich.BarColumn()]
        if unit == "bytes":
            columns += [rich.DownloadColumn(binary_units=True), rich.TransferSpeedColumn()]
        else:
            columns += [rich.MofNCompleteColumn()]
        columns += [rich.TimeRemainingColumn(compact=True, elapsed_when_finished=True)]
        self._bars = rich.Progress(*columns, console=console, transient=transient, disable=not console.is_terminal)

    def add(self, description: str, *, total: int | None = None) -> Progress:
        """One more bar, to be given as ``progress=``. ``total`` is what it leads to, if the call cannot know."""
        bar = self._bars.add_task(_CONTROL.sub(" ", description), total=total)

        def moved(done: int, whole: int | None) -> None:
            self._bars.update(bar, completed=done, total=total if whole is None else whole)

        return moved

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


@contextmanager
def bar(
    description: str,
    *,
    total: int | None = None,
    unit: Unit = "bytes",
    transient: bool = False,
    console: Console | None = None,
) -> Iterator[Progress]:
    """One bar, as :class:`Bars` has several.

    Raises:
        ConfigurationError: if rich is not installed.
    """
    with Bars(unit=unit, transient=transient, console=console) as bars:
        yield bars.add(description, total=total)
