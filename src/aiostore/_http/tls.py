"""TLS contexts: certificates are checked against the system's authorities, or those that the user names."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

from aiostore.errors import ConfigurationError
from aiostore.policies import ClientOptions

_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def tls_context(options: ClientOptions) -> ssl.SSLContext:
    """The context for ``options`` and the environment as it is now; made once for each combination of both.

    Raises:
        ConfigurationError: if the bundle of authorities cannot be read.
    """
    if not options.verify_tls:
        return _context(False, None, "")
    if options.ca_bundle is not None:
        return _context(True, options.ca_bundle, "ca_bundle")
    for name in _BUNDLES:
        if path := os.environ.get(name):
            return _context(True, path, name)
    return _context(True, None, os.environ.get("SSL_CERT_DIR", ""))


@lru_cache(maxsize=32)
def _context(verify: bool, bundle: str | None, source: str) -> ssl.SSLContext:
    try:
        if bundle is None:
            context = ssl.create_default_context()
        elif os.path.isdir(bundle):
            context = ssl.create_default_context(capath=bundle)
        else:
            context = ssl.create_default_context(cafile=bundle)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or "unreadable"
        raise ConfigurationError(f"{source}={bundle!r} is not a file of PEM certificates: {reason}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(("http/1.1",))
    return context
