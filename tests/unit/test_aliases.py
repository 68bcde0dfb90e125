"""Named beginnings of URLs, and where the options of a store come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import aiostore
from aiostore.url import split

CONFIG = """
[box]
url = "memory://"
versioning = true

[deep]
url = "memory://box/some/folder"

[Shout]
url = "memory://shout"

[policies]
url = "memory://box"
[policies.limits]
requests = 3

[s3]
url = "memory://never"

[files]
url = "file:///srv/data?fsync=false"

[ring]
url = "ring://ring"

[bare]
endpoint = "http://127.0.0.1"

[placed]
url = "memory://box"
prefix = "elsewhere"

[mistaken]
url = "memory://box"
colour = "red"
[mistaken-policy]
url = "memory://box"
limits = { speed = 5 }
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    monkeypatch.setenv("AIOSTORE_CONFIG", str(path))
    return path


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("box://other/folder", "memory://other/folder/"),
        ("alias://box/other/folder", "memory://other/folder/"),
        ("BOX://other", "memory://other"),
        ("deep://", "memory://box/some/folder/"),
        ("deep://er/down", "memory://box/some/folder/er/down/"),
        ("alias://deep/er/down", "memory://box/some/folder/er/down/"),
        ("alias://shout", "memory://shout"),
        ("box://other?prefix=x", "memory://other/x"),
        ("files://a/b", "file:///srv/data/a/b"),
        ("alias://s3/x", "memory://never/x/"),
    ],
)
def test_an_alias_is_the_beginning_of_a_url(config: Path, url: str, location: str) -> None:
    assert aiostore.connect(url).location == location


def test_the_options_of_an_alias_are_those_of_the_store(config: Path) -> None:
    assert "list_versions" in aiostore.connect("box://x").capabilities.operations
    assert "Limits(requests=3" in str(aiostore.connect("policies://").__reduce__())


async def test_the_query_and_keywords_win_over_an_alias(config: Path) -> None:
    config.write_text(
        '[here]\nurl = "s3://"\nregion = "of-alias"\nendpoint = "https://alias.example"\nprofile = "someone"\n'
    )
    url = "here://bucket?region=of-query&access_key_id=a&secret_access_key=b"
    signed = await aiostore.connect(url, endpoint="https://keyword.example").sign("key")
    assert signed.startswith("https://keyword.example/")
    assert "of-query" in signed
    assert "alias" not in signed


def test_built_in_schemes_win_over_aliases(config: Path) -> None:
    assert aiostore.connect("s3://x").location == "s3://x"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("alias://nobody/x", "unknown alias 'nobody'.*box"),
        ("nobody://x", "unknown scheme 'nobody'"),
        ("ring://x", "unknown scheme 'ring'"),
        ("bare://x", "needs a url"),
        ("placed://x", "the prefix belongs into its url"),
        ("mistaken://", "unknown option 'colour'"),
        ("mistaken-policy://", "limits has no 'speed'"),
    ],
)
def test_a_wrong_alias_says_what_is_wrong(config: Path, url: str, reason: str) -> None:
    with pytest.raises(aiostore.ConfigurationError, match=reason):
        aiostore.connect(url)


@pytest.mark.parametrize(
    ("url", "container", "key"),
    [
        ("box://other/a/b", "alias://box/other", "a/b"),
        ("alias://box/other/a/b", "alias://box/other", "a/b"),
        ("deep://er/down", "alias://deep/", "er/down"),
        ("alias://deep/er?versioning=yes", "alias://deep/?versioning=yes", "er"),
        ("files://a/b", "alias://files/a", "b"),
    ],
)
def test_the_url_of_an_object_is_split_behind_its_alias(config: Path, url: str, container: str, key: str) -> None:
    assert split(url) == (container, key)
    aiostore.connect(container)


def test_the_file_is_the_users_own_unless_said_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIOSTORE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(aiostore.ConfigurationError, match="unknown scheme"):
        aiostore.connect("box://x")
    (tmp_path / "aiostore").mkdir()
    (tmp_path / "aiostore/config.toml").write_text(CONFIG)
    assert aiostore.connect("box://x").location == "memory://x"


def test_a_changed_file_is_read_again(config: Path) -> None:
    assert aiostore.connect("deep://").location == "memory://box/some/folder/"
    config.write_text('[deep]\nurl = "memory://changed"')
    os.utime(config, (1, 1))
    assert aiostore.connect("deep://").location == "memory://changed"


def test_a_file_that_cannot_be_used_says_why(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("[box\n")
    with pytest.raises(aiostore.ConfigurationError, match=r"is not TOML \(at line 1"):
        aiostore.connect("box://x")
    monkeypatch.setenv("AIOSTORE_CONFIG", str(config) + ".nothing")
    with pytest.raises(aiostore.ConfigurationError, match="AIOSTORE_CONFIG"):
        aiostore.connect("box://x")
