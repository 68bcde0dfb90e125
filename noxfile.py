"""The project's checks: ``nox`` runs all of them, ``nox -s tests -- -k stream`` some of one.

The tests start the servers they need (see ``tests/servers``), installing them first when run as root.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True

PROJECT = nox.project.load_toml("pyproject.toml")
CHECKED = [name for name in ("src", "tests", "examples", "benchmarks", "docs") if Path(name).is_dir()]


def group(name: str) -> list[str]:
    """Requirements of a dependency group, for pip versions that cannot read them."""
    return list(nox.project.dependency_groups(PROJECT, name))


def normalized(name: str) -> str:
    """A project's name as indexes compare it: https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", *CHECKED, "noxfile.py")
    session.run("ruff", "format", "--check", *CHECKED, "noxfile.py")


@nox.session
def types(session: nox.Session) -> None:
    """Strict typing of everything that is Python."""
    session.install("-e", ".[all]", *group("types"))
    typed = [name for name in CHECKED if any(Path(name).rglob("*.py"))]
    session.run("mypy", "--strict", *typed, "noxfile.py")


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities in what users get installed: the dependencies and every extra."""
    session.install(*group("audit"))
    work = Path(session.create_tmp())
    resolved, requirements, findings = work / "resolved.json", work / "requirements.txt", work / "findings.json"
    resolve = ("install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(resolved), ".[all]")
    session.run("python", "-m", "pip", *resolve, silent=True)
    packages = [entry["metadata"] for entry in json.loads(resolved.read_text())["install"]]
    pins = sorted(
        f"{normalized(package['name'])}=={package['version']}" for package in packages if package["name"] != "aiostore"
    )
    unchecked, vulnerable = pins, False
    # One of the two databases is often out of reach, behind a mirror of the package index for one.
    for service in ("pypi", "osv"):
        requirements.write_text("\n".join(unchecked) + "\n")
        findings.unlink(missing_ok=True)
        arguments = ("--no-deps", "--disable-pip", "--format", "json", "--vulnerability-service", service)
        files = ("--output", str(findings), "-r", str(requirements))
        output = session.run("pip-audit", *arguments, *files, silent=True, success_codes=[0, 1])
        if not findings.exists():
            if "requests.exceptions." not in str(output):
                session.error(f"pip-audit gave no answer:\n{output}")
            session.warn(f"The advisory database {service!r} is unreachable.")
            continue
        checked = json.loads(findings.read_text())["dependencies"]
        for package in checked:
            if package.get("vulns"):
                vulnerable = True
                session.warn(f"{package['name']} {package['version']}: {[found['id'] for found in package['vulns']]}")
        known = {normalized(package["name"]) for package in checked if "skip_reason" not in package}
        session.log(f"{service}: {len(known)} of {len(unchecked)} packages audited.")
        unchecked = [pin for pin in unchecked if pin.partition("==")[0] not in known]
        if not unchecked:
            break
    if vulnerable:
        session.error("There are known vulnerabilities in dependencies.")
    if unchecked:
        session.warn(f"NOT AUDITED: no advisory database answers for {len(unchecked)} packages: {unchecked}")
    else:
        session.log(f"All {len(pins)} packages audited, none vulnerable.")


@nox.session
def tests(session: nox.Session) -> None:
    """Unit, conformance, fault and example tests against real servers."""
    session.install("-e", ".[all]", *group("test"))
    session.run("python", "-m", "tests.servers", "install")
    # Every process starts servers of its own, so there are not as many as a large machine has cores.
    workers = min(4, os.cpu_count() or 1)
    session.run("python", "-m", "pytest", f"--numprocesses={workers}", "--dist=worksteal", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """The site, in ``docs/_build``; a warning is an error."""
    session.install("-e", ".[all,testing]", *group("docs"))
    session.run("python", "-m", "sphinx", "-W", "--keep-going", "-b", "html", "docs", "docs/_build")


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Random operations under random faults, ten minutes in memory and ten on Ceph: ``nox -s soak -- --seconds 60``."""
    session.install("-e", ".[all]", *group("test"))
    session.run("python", "-m", "tests.servers", "install", "ceph")
    session.run("python", "-m", "tests.soak", *session.posargs)
