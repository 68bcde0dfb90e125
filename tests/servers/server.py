"""A real server as a context manager: installed, started, waited for, and stopped with everything it spawned."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Generic, Self, TypeVar

from tests.servers import install

DIRECTORY = tempfile.gettempdir()
"""Read once, for tests point ``tempfile`` elsewhere while they run."""
START_DEADLINE = 60.0
STOP_DEADLINE = 10.0


class ServerStartError(Exception):
    """A server that is installed did not start; the message ends with its logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a running server is and who it is."""

    server: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Endpoint(Endpoint):
    """A server that speaks S3."""

    url: str
    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"


E_co = TypeVar("E_co", bound=Endpoint, covariant=True)


class Server(ABC, Generic[E_co]):
    """One kind of server; each instance runs it once, in a directory of its own."""

    name: ClassVar[str]
    """As in the command line and in the fixture."""
    covers: ClassVar[str]
    """What goes untested without it."""
    endpoint_type: ClassVar[type[Endpoint]]
    packages: ClassVar[Sequence[str]] = ()
    needed: ClassVar[Sequence[str]] = ()
    """Programs or absolute paths whose presence means that the packages are installed."""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    requirements: ClassVar[Sequence[str]] = ()
    """What pip installs into the server's own virtual environment."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"aiostore-{self.name}-", dir=DIRECTORY))
        self.directory.chmod(0o755)
        self.logs = self.directory / "log"
        self.logs.mkdir()
        self._processes: list[subprocess.Popen[bytes]] = []

    @classmethod
    def install(cls) -> Path:
        """Install it if it is not there; returns the directory of the programs that pip installed.

        Raises:
            install.NotInstalledError: if it cannot be had on this machine.
        """
        if cls.packages:
            install.ensure_packages(cls.packages, cls.needed)
        return install.ensure_environment(cls.name, cls.requirements) if cls.requirements else Path("/usr/bin")

    @abstractmethod
    def launch(self, programs: Path) -> E_co:
        """Configure it, spawn its processes and wait until it answers."""

    def start(self) -> E_co:
        """Install and start it.

        Raises:
            install.NotInstalledError: if it cannot be had on this machine.
            ServerStartError: if it does not start.
        """
        try:
            return self.launch(self.install())
        except BaseException as error:
            logs = self.tail()
            self.stop()
            if isinstance(error, Exception) and not isinstance(error, install.NotInstalledError):
                raise ServerStartError(f"{self.name} did not start: {error}\n{logs}") from error
            raise

    def stop(self, *, keep_logs: bool = False) -> None:
        """End every process and remove the directory, but for the logs if they are to be kept."""
        for signum in (self.stop_signal, signal.SIGKILL):
            _end(self._processes, signum)
        self._processes.clear()
        if not keep_logs:
            shutil.rmtree(self.directory, ignore_errors=True)
            return
        for entry in self.directory.iterdir():
            if entry.is_dir() and entry != self.logs:
                shutil.rmtree(entry, ignore_errors=True)
            elif entry != self.logs:
                entry.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def spawn(self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        """Start a process in a group of its own; its output goes to the logs."""
        # Should this process be killed, the kernel ends the server for us.
        guard = ("setpriv", "--pdeathsig", "TERM", "--") if install.program("setpriv") else ()
        with (self.logs / f"{Path(command[0]).name}.output").open("ab") as output:
            process = subprocess.Popen(
                (*guard, *command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=cwd or self.directory,
                start_new_session=True,
            )
        self._processes.append(process)

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command of the server's to its end; returns its standard output."""
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_DEADLINE,
            env={**os.environ, **(env or {})},
            cwd=self.directory,
            check=False,
        )
        if result.returncode:
            raise ServerStartError(f"`{' '.join(command)}` failed with {result.returncode}: {result.stderr.strip()}")
        return result.stdout

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Poll until ``ready()``.

        Raises:
            ServerStartError: if a process has ended meanwhile or the deadline passed.
        """
        deadline = time.monotonic() + START_DEADLINE
        while not ready():
            ended = [process for process in self._processes if process.poll() is not None]
            if ended:
                raise ServerStartError(f"process {ended[0].args!r} ended with {ended[0].returncode}")
            if time.monotonic() > deadline:
                raise ServerStartError(f"{what} took more than {START_DEADLINE:.0f} seconds")
            time.sleep(0.05)

    def wait_for_http(self, url: str) -> None:
        """Poll until something answers requests for ``url``, with whatever status."""
        self.wait_until(lambda: _answers(url), f"an answer from {url}")

    def tail(self, lines: int = 25) -> str:
        """The last lines of every log."""
        shown: list[str] = []
        for log in sorted(path for path in self.logs.iterdir() if path.is_file()):
            last = log.read_text(errors="replace").splitlines()[-lines:]
            if last:
                shown += [f"--- {log.name}", *(line[:240] for line in last)]
        return "\n".join(shown)


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below the range that the kernel gives to outgoing connections."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def listens(port: int) -> bool:
    """Whether somebody takes connections to ``port`` on loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


def _end(processes: Sequence[subprocess.Popen[bytes]], signum: signal.Signals) -> None:
    for process in reversed(processes):
        if process.poll() is None:
            os.killpg(process.pid, signum)
    deadline = time.monotonic() + STOP_DEADLINE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            continue
