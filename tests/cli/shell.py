"""The command as a person or a script runs it: a process of its own, or, for permutations of options, in this one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from click.testing import CliRunner, Result

from aiostore.cli.command import aiostore

DEADLINE = 60.0
"""Seconds that a test waits for what must happen."""


def wait_until(seen: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Look until there is something to see, as long as the process lives."""
    deadline = time.monotonic() + DEADLINE
    while not seen():
        assert process.poll() is None, "it ended before its time"
        assert time.monotonic() < deadline


@dataclass(kw_only=True)
class Shell:
    """``base`` is an empty place with a slash at its end."""

    base: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, input: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(*arguments),
            check=False,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            timeout=120,
            env=self.variables,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begin it, with pipes for everything."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command(*arguments), stdin=pipe, stdout=pipe, stderr=pipe, env=self.variables)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "aiostore", *arguments]

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def __call__(self, *arguments: str, input: bytes | None = None) -> str:
        result = self.run(*arguments, input=input)
        assert (result.returncode, result.stderr) == (0, b""), result.stderr.decode()
        return result.stdout.decode()

    # --- without a process of its own, which costs a quarter of a second

    def within(self, *arguments: str) -> str:
        result = self.invoke(*arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.stderr
        return result.stdout

    def fails(self, *arguments: str, code: int = 1) -> str:
        """The one line on standard error."""
        result = self.invoke(*arguments)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.stderr
        line: str = result.stderr
        assert line.startswith("aiostore: "), line
        assert line.count("\n") == 1, line
        return line

    def invoke(self, *arguments: str) -> Result:
        return CliRunner().invoke(aiostore, arguments, prog_name="aiostore", env=self.environment)
