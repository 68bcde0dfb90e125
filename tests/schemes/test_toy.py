"""Somebody else's driver: a package that is installed by pip, found by its scheme, and held to the same promises."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import aiostore
from aiostore import Capabilities, ConfigurationError, Store, schemes
from aiostore.testing import StoreConformance

PROJECT = Path(__file__).parent / "toy"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The toy's package, installed."""
    target = tmp_path_factory.mktemp("site-packages")
    command = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", *command, "--target", str(target), str(PROJECT)], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(target))
        importlib.invalidate_caches()
        schemes._registered.cache_clear()
        yield
    schemes._registered.cache_clear()
    sys.modules.pop("toy_store", None)


@pytest.mark.usefixtures("installed")
class TestToy(StoreConformance):
    capabilities = Capabilities(operations=frozenset({"head", "get", "put", "delete", "list_page"}), checksums=("md5",))

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        async with aiostore.connect("toy://shop/box") as store:
            yield store


@pytest.mark.usefixtures("installed")
def test_a_scheme_says_what_its_urls_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = aiostore.connect("toy://shop/box/some/prefix?page=7")
    assert store.location == "toy://box/some/prefix/"
    assert vars(store)["page"] == 7
    assert vars(aiostore.connect("toy://3:secret@shop/box"))["key"] == "secret"
    assert vars(aiostore.connect("toy://shop/box", secrets={"TOY_KEY": "from the file"}))["key"] == "from the file"
    (tmp_path / "config.toml").write_text('[mine]\nurl = "toy://shop/box"\npage = 9\n')
    monkeypatch.setenv("AIOSTORE_CONFIG", str(tmp_path / "config.toml"))
    assert vars(aiostore.connect("mine://below"))["page"] == 9
    assert aiostore.connect("plaything://box/prefix").location == "toy://box/prefix/"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("toy://shop/box?page=many", "write a number"),
        ("toy://shop/box?colour=red", "unknown option 'colour' for toy://; there are prefix, page, key"),
        ("broken://x", "toy_store:Missing, which cannot be imported"),
        ("nothing://x", "plaything"),
    ],
)
def test_what_does_not_fit_a_scheme_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        aiostore.connect(url)
