"""Installing what a server needs: Debian packages as root, Python servers in virtual environments of their own.

Safe to repeat and to run from several processes at once; quick when everything is there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

APT_LISTS_FRESH = 6 * 3600.0
"""Seconds for which one ``apt-get update`` serves."""


class NotInstalledError(Exception):
    """A server cannot run on this machine; the message says why and how to get it."""


def cache() -> Path:
    """Where installed servers live: ``AIOSTORE_SERVERS``, or a directory in the user's cache."""
    chosen = os.environ.get("AIOSTORE_SERVERS") or Path.home() / ".cache" / "aiostore-servers"
    return Path(chosen).absolute()


def may_install_packages() -> bool:
    """Whether Debian packages can be installed here."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def program(name: str) -> str | None:
    """A program's path, also when the user's PATH lacks the system's own directories."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin")


def ensure_packages(packages: Sequence[str], needed: Sequence[str]) -> None:
    """Install ``packages`` unless every program or absolute path in ``needed`` is there.

    Raises:
        NotInstalledError: if they are missing and cannot be installed.
    """

    def missing() -> list[str]:
        return [name for name in needed if not (Path(name).exists() if name.startswith("/") else program(name))]

    if not missing():
        return
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if not may_install_packages():
        raise NotInstalledError(f"{', '.join(missing())} not found; on Debian, as root: {command}")
    with _locked("packages"):
        if not missing():
            return
        options = ("-q", "-y", "-o", "DPkg::Lock::Timeout=300")
        updated = cache() / "apt-updated"
        if not updated.exists() or time.time() - updated.stat().st_mtime > APT_LISTS_FRESH:
            _run("apt-get", *options, "update")
            updated.touch()
        with _services_left_alone():
            _run("apt-get", *options, "install", "--no-install-recommends", *packages)
    if missing():
        raise NotInstalledError(f"{', '.join(missing())} still not found after: {command}")


def ensure_environment(name: str, requirements: Sequence[str]) -> Path:
    """A virtual environment holding exactly ``requirements``; returns its directory of programs.

    Raises:
        NotInstalledError: if pip cannot install them.
    """
    identity = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()[:10]
    environment = cache() / "venvs" / f"{name}-{identity}"
    programs, complete = environment / "bin", environment / "complete"
    if not complete.exists():
        with _locked(f"venv-{name}"):
            if not complete.exists():
                shutil.rmtree(environment, ignore_errors=True)
                # Debian's python3 comes without ensurepip, so that the standard library's venv is not enough.
                _run(sys.executable, "-m", "virtualenv", "--quiet", str(environment))
                _run(str(programs / "python"), "-m", "pip", "install", "--quiet", *requirements)
                complete.touch()
    return programs


def ensure_node_package(name: str, version: str) -> Path:
    """A directory that holds one package from npm; returns its directory of programs.

    Raises:
        NotInstalledError: if npm cannot install it.
    """
    directory = cache() / "npm" / f"{name}-{version}"
    programs, complete = directory / "node_modules" / ".bin", directory / "complete"
    if not complete.exists():
        with _locked(f"npm-{name}"):
            if not complete.exists():
                directory.mkdir(parents=True, exist_ok=True)
                quiet = ("--no-audit", "--no-fund", "--no-progress", "--loglevel", "error")
                _run("npm", "install", *quiet, "--prefix", str(directory), f"{name}@{version}")
                complete.touch()
    return programs


def _run(*command: str) -> None:
    print(f"servers: {' '.join(command)}", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
    )
    if result.returncode:
        output = (result.stdout + result.stderr).strip().splitlines()[-15:]
        raise NotInstalledError(f"`{' '.join(command)}` failed with {result.returncode}:\n" + "\n".join(output))


@contextmanager
def _locked(name: str) -> Iterator[None]:
    import fcntl  # Unix only, as are the servers

    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _services_left_alone() -> Iterator[None]:
    """Keep Debian from starting what it installs as a system service on its usual port."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
