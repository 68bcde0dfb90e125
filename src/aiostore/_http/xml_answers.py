"""Answers in XML, read for the clients of services whose API is modelled on S3's.

A service that works before it answers may say 200 first, and put the error into the body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from aiostore._http import xml
from aiostore._http.bucket_xml import parse
from aiostore._http.document import read_document
from aiostore.errors import StoreError, TransientError, UnavailableError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from aiostore._http.response import Response

_Input = TypeVar("_Input")
_Output = TypeVar("_Output")


class XmlAnswers:
    """The half of a client that reads; ``store`` is named in errors."""

    __slots__ = ()

    store: str

    async def read(
        self,
        response: Response,
        read: Callable[[Element], _Output],
        refused: Callable[[Element, Mapping[str, str]], StoreError],
        operation: str,
        key: str | None,
        *,
        safe: bool,
    ) -> tuple[_Output, Mapping[str, str]]:
        """Return what ``read`` makes of a successful answer, and its headers.

        ``refused`` makes the error of a document and the answer's headers, which says that nothing was done after all.
        An answer that breaks off leaves open what has become of the request, unless that is ``safe`` to repeat.
        """
        try:
            root = self.parse(parse, await read_document(response), operation, key)
            if xml.name(root) != "Error":
                return self.parse(read, root, operation, key), response.headers
        except TransientError as error:
            # Success was announced and its proof is missing.
            error.answered = safe
            raise error.locate(key=key, operation=operation, store=self.store) from error.__cause__
        raise refused(root, response.headers)

    def parse(self, read: Callable[[_Input], _Output], data: _Input, operation: str, key: str | None) -> _Output:
        """Return ``read(data)``; what it cannot read is an error of the service."""
        try:
            return read(data)
        except StoreError as error:
            raise error.locate(key=key, operation=operation, store=self.store) from error.__cause__
        except (KeyError, ValueError) as error:
            reason = f"the service's answer cannot be read: {type(error).__name__} {error}"
            raise UnavailableError(reason, key=key, operation=operation, store=self.store) from error
