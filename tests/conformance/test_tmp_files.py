from __future__ import annotations
import tests.conformance.test_s3_localstack as l
import tests.conformance.test_s3_swift as c
from aiostore.testing.conformance.files import FileConformance
def only(cls):
    for base in cls.__mro__:
        for name in vars(base):
            if name.startswith("test_") and name not in vars(FileConformance):
                setattr(cls, name, None)
    return cls
L = next(v for k, v in vars(l).items() if k.startswith("Test"))
C = next(v for k, v in vars(c).items() if k.startswith("Test"))
@only
class TestC(FileConformance, C): ...

@only
class TestL(FileConformance, L): ...
