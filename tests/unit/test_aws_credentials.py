from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from aiobotocore.session import AioSession

from aiostore._http.renewal import Renewable
from aiostore.drivers.aws_credentials import (
    CallbackCredentials,
    ChainCredentials,
    EnvironmentCredentials,
    SessionCredentials,
    StaticCredentials,
    parse_credentials,
)
from aiostore.drivers.sigv4 import Credentials
from aiostore.errors import ConfigurationError, UnauthenticatedError, UnavailableError

KEYS = {"access_key_id": "AKIA", "secret_access_key": "hidden"}


@pytest.fixture(autouse=True)
def no_aws_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Scripted(Renewable[Credentials]):
    """Answers with what a test says: the lifetime of the next keys in seconds, None for ever, or an error."""

    def __init__(self, *script: float | Exception | None) -> None:
        super().__init__()
        self.script = list(script)
        self.fetched = 0
        self.gate: asyncio.Event | None = None

    async def _load(self) -> tuple[Credentials, float | None]:
        self.fetched += 1
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return Credentials(f"KEY{self.fetched}", "hidden"), None if step is None else time.time() + step


# --- refreshing -------------------------------------------------------------------------------------------------------


async def test_keys_are_fetched_once_and_then_at_hand() -> None:
    provider = Scripted(None)
    assert provider.ready(time.time()) is None
    first = await provider.fetch()
    assert provider.ready(time.time() + 1e9) is first
    assert await provider.fetch() is first
    assert provider.fetched == 1


async def test_keys_are_renewed_ahead_of_their_expiry() -> None:
    provider = Scripted(3600, 3600)
    await provider.fetch()
    now = time.time()
    assert provider.ready(now + 3600 - 301) is not None
    assert provider.ready(now + 3600 - 299) is None


async def test_short_lived_keys_are_used_for_three_quarters_of_their_life() -> None:
    provider = Scripted(12)
    await provider.fetch()
    now = time.time()
    assert provider.ready(now + 8.5) is not None
    assert provider.ready(now + 9.5) is None


async def test_all_who_wait_share_one_fetch() -> None:
    provider = Scripted(None, None)
    found = await asyncio.gather(*(provider.fetch() for _ in range(20)))
    assert (provider.fetched, len(set(map(id, found)))) == (1, 1)


async def test_keys_that_the_service_refused_are_fetched_anew_once() -> None:
    provider = Scripted(None, None)
    stale = await provider.fetch()
    fresh = await asyncio.gather(*(provider.fetch(stale) for _ in range(5)))
    assert {credentials.access_key_id for credentials in fresh} == {"KEY2"}
    assert await provider.fetch(stale) is fresh[0]
    assert provider.fetched == 2


async def test_a_failed_renewal_is_tolerated_while_the_keys_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Scripted(100, UnavailableError("no network"), 100)
    first = await provider.fetch()
    start = time.time()
    now = start + 80
    monkeypatch.setattr("aiostore._http.renewal.time.time", lambda: now)
    assert provider.ready(now) is None
    assert await provider.fetch() is first
    assert provider.ready(now) is first, "the next attempt waits"
    now = start + 96
    assert provider.ready(now) is None
    assert (await provider.fetch()).access_key_id == "KEY3"


async def test_a_failed_renewal_of_keys_that_have_expired_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Scripted(100, UnavailableError("no network"))
    await provider.fetch()
    now = time.time() + 101
    monkeypatch.setattr("aiostore._http.renewal.time.time", lambda: now)
    with pytest.raises(UnavailableError, match="no network"):
        await provider.fetch()


async def test_a_failed_renewal_of_keys_that_the_service_refused_is_an_error() -> None:
    provider = Scripted(None, UnavailableError("no network"))
    stale = await provider.fetch()
    with pytest.raises(UnavailableError, match="no network"):
        await provider.fetch(stale)


async def test_a_source_of_expired_keys_is_an_error() -> None:
    with pytest.raises(UnauthenticatedError, match="expired"):
        await Scripted(-1).fetch()


async def test_after_a_failure_the_next_call_tries_again() -> None:
    provider = Scripted(UnavailableError("no network"), None)
    with pytest.raises(UnavailableError):
        await provider.fetch()
    assert (await provider.fetch()).access_key_id == "KEY2"


async def test_one_who_gives_up_does_not_take_the_fetch_from_the_others() -> None:
    provider = Scripted(None)
    provider.gate = asyncio.Event()
    first, second = asyncio.create_task(provider.fetch()), asyncio.create_task(provider.fetch())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    provider.gate.set()
    assert (await second).access_key_id == "KEY1"


async def test_the_last_who_gives_up_ends_the_fetch() -> None:
    provider = Scripted(None, None)
    provider.gate = asyncio.Event()
    waiting = asyncio.create_task(provider.fetch())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    provider.gate = None
    assert (await provider.fetch()).access_key_id == "KEY2"


def test_every_event_loop_waits_for_a_fetch_of_its_own() -> None:
    provider = Scripted(*[None] * 4)
    barrier = threading.Barrier(4)
    found: list[Credentials] = []

    def run() -> None:
        barrier.wait()
        found.append(asyncio.run(provider.fetch()))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4


# --- callbacks --------------------------------------------------------------------------------------------------------

EXPIRY = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "answer",
    [
        {**KEYS, "session_token": "token", "expires_at": EXPIRY},
        {**KEYS, "session_token": "token", "expires_at": EXPIRY.timestamp()},
        {**KEYS, "session_token": "token", "expires_at": "2100-01-01T00:00:00Z"},
        {**KEYS, "session_token": "token", "expires_at": EXPIRY.replace(tzinfo=None)},
        SimpleNamespace(**KEYS, session_token="token", expires_at=EXPIRY),
    ],
)
def test_a_callback_answers_with_a_mapping_or_an_object(answer: object) -> None:
    assert parse_credentials(answer) == (Credentials("AKIA", "hidden", "token"), EXPIRY.timestamp())


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"access_key_id": "AKIA"},
        {"access_key_id": "", "secret_access_key": "x"},
        {**KEYS, "session_token": 7},
        {**KEYS, "expires_at": "soon"},
        ("AKIA", "hidden"),
    ],
)
def test_an_answer_that_holds_no_keys_is_refused_without_showing_any(answer: object) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_credentials(answer)
    assert "hidden" not in str(raised.value)


def _sync() -> dict[str, str]:
    return KEYS


async def _async() -> dict[str, str]:
    return KEYS


@pytest.mark.parametrize("callback", [_sync, _async, lambda: _async(), lambda: Credentials("AKIA", "hidden")])
async def test_a_callback_is_sync_or_async(callback: Callable[[], Any]) -> None:
    assert await CallbackCredentials(callback).fetch() == Credentials("AKIA", "hidden")


async def test_a_sync_callback_does_not_block_the_loop() -> None:
    released = threading.Event()

    def slow() -> dict[str, str]:
        assert released.wait(5)
        return KEYS

    fetching = asyncio.create_task(CallbackCredentials(slow).fetch())
    await asyncio.sleep(0)
    released.set()
    await fetching


async def test_a_callback_that_fails_is_asked_again_and_shows_no_secret() -> None:
    def broken() -> dict[str, str]:
        raise RuntimeError("password=hidden")

    with pytest.raises(UnavailableError) as raised:
        await CallbackCredentials(broken).fetch()
    assert "hidden" not in str(raised.value)
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="function"):
        CallbackCredentials({"access_key_id": "AKIA"})  # type: ignore[arg-type]  # what users do


# --- the environment --------------------------------------------------------------------------------------------------


async def test_the_environment_is_read_again_when_the_service_refuses_its_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    provider = EnvironmentCredentials()
    first = await provider.fetch()
    assert first == Credentials("AKIA", "hidden", "token")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OTHER")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert provider.ready(0) is first
    assert await provider.fetch(first) == Credentials("OTHER", "hidden")


async def test_an_empty_environment_says_what_to_set() -> None:
    with pytest.raises(UnauthenticatedError, match="AWS_ACCESS_KEY_ID"):
        await EnvironmentCredentials().fetch()


# --- aiobotocore's chain, sessions ------------------------------------------------------------------------------------


def write_profiles(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=hidden\n"
        "[work]\naws_access_key_id=WORK\naws_secret_access_key=hidden\naws_session_token=token\n"
    )


async def test_the_chain_finds_profiles(tmp_path: Path) -> None:
    write_profiles(tmp_path)
    assert await ChainCredentials().fetch() == Credentials("DEFAULT", "hidden")
    assert await ChainCredentials("work").fetch() == Credentials("WORK", "hidden", "token")


async def test_the_chain_runs_a_process_and_honours_its_expiry(tmp_path: Path) -> None:
    expiration = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    answer = f'{{"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "hidden", "Expiration": "{expiration}"}}'
    (tmp_path / "answer.json").write_text(answer)
    (tmp_path / "config").write_text(f"[profile tool]\ncredential_process = cat {tmp_path / 'answer.json'}\n")
    provider = ChainCredentials("tool")
    assert (await provider.fetch()).access_key_id == "PROCESS"
    assert provider.ready(time.time() + 3000) is not None
    assert provider.ready(time.time() + 3400) is None


async def test_a_chain_that_finds_nothing_says_what_to_do() -> None:
    with pytest.raises(UnauthenticatedError, match="skip_signature"):
        await ChainCredentials().fetch()


async def test_a_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        await ChainCredentials("nowhere").fetch()


@pytest.mark.parametrize("kind", ["boto3", "botocore", "aiobotocore"])
async def test_any_session_lends_its_credentials(kind: str, tmp_path: Path) -> None:
    write_profiles(tmp_path)
    session: object
    if kind == "boto3":
        session = boto3.Session(profile_name="work")
    elif kind == "botocore":
        session = botocore.session.Session(profile="work")
    else:
        session = AioSession(profile="work")
    assert await SessionCredentials(session).fetch() == Credentials("WORK", "hidden", "token")


async def test_what_is_no_session_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="session"):
        await SessionCredentials("work").fetch()


# --- pickles, secrets -------------------------------------------------------------------------------------------------


async def test_fetched_keys_are_not_pickled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_profiles(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    for provider in (EnvironmentCredentials(), ChainCredentials("work"), CallbackCredentials(_sync)):
        expected = await provider.fetch()
        data = pickle.dumps(provider)
        assert b"hidden" not in data
        assert await pickle.loads(data).fetch() == expected  # made here


async def test_literal_keys_are_pickled() -> None:
    provider = StaticCredentials(Credentials("AKIA", "hidden"))
    assert await pickle.loads(pickle.dumps(provider)).fetch() == Credentials("AKIA", "hidden")  # made here


def test_a_session_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="profile or a callback"):
        pickle.dumps(SessionCredentials(boto3.Session()))


def test_no_provider_shows_its_secrets() -> None:
    provider = StaticCredentials(Credentials("AKIA", "hidden", "token"))
    assert "hidden" not in repr(provider)
    assert "token" not in repr(provider)


def test_literal_and_environment_keys_do_without_aiobotocore() -> None:
    program = """
        import asyncio, os, sys
        sys.modules.update(dict.fromkeys(("boto3", "botocore", "aiobotocore"), None))
        from aiostore.drivers.s3_settings import make_driver
        from aiostore.errors import ConfigurationError
        from aiostore.types import GetOptions, SignOptions

        async def main():
            literal = make_driver("b", access_key_id="A", secret_access_key="S")
            assert "Credential=A%2F" in await literal.sign("key", SignOptions())
            os.environ |= {"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "S"}
            environment = make_driver("b")
            del os.environ["AWS_ACCESS_KEY_ID"]
            os.environ["AWS_ACCESS_KEY_ID"] = "E"
            assert "Credential=E%2F" in await environment.sign("key", SignOptions())
            del os.environ["AWS_ACCESS_KEY_ID"]
            try:
                await make_driver("b").head("key", GetOptions())
            except ConfigurationError as error:
                print(error)

        asyncio.run(main())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install 'aiostore[aws]'" in done.stdout
