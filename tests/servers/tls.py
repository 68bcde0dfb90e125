"""A private certificate authority and a certificate for this machine's loopback names."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Paths of the authority's certificate, the server's certificate and its key."""

    authority: Path
    certificate: Path
    key: Path


def issue(directory: Path) -> Certificate:
    """Make both anew, for ``localhost``, ``*.localhost`` and ``127.0.0.1``."""
    directory.mkdir(exist_ok=True)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    subject = ("-days", "30", "-subj", "/CN=aiostore test authority")
    _openssl(directory, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", *subject, *usage)
    _openssl(directory, "req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (directory / "extensions").write_text(
        "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1\n"
        "extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
    )
    authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    extensions = ("-days", "30", "-extfile", "extensions")
    _openssl(directory, "x509", "-req", "-in", "server.csr", *authority, *extensions, "-out", "server.pem")
    return Certificate(
        authority=directory / "ca.pem", certificate=directory / "server.pem", key=directory / "server.key"
    )


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(("openssl", *arguments), cwd=directory, check=True, capture_output=True)
