"""The GCS server is asked by the clients that others wrote, for each of its routes, before it judges our driver."""

from __future__ import annotations

import base64
import io
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import boto3
import gcloud.aio.auth.iam as gcloud_iam
import jwt
import obstore
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from gcloud.aio.auth import Token
from gcloud.aio.storage import Storage
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.auth.exceptions import InvalidOperation
from google.auth.transport.requests import Request
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.cloud.storage.blob import Blob
from google.oauth2 import service_account
from obstore.store import GCSStore

from tests.servers.gcs import GCS, StrictGCSEndpoint
from tests.servers.gcs_server.accounts import SUBJECT_TOKEN, USER_REFRESH_TOKEN

MIB = 1024**2
Test = TypeVar("Test", bound=Callable[..., object])

# Google's clients read files and close sockets as they please.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[StrictGCSEndpoint]:
    """A server of these tests alone, so that nobody else has asked it."""
    with GCS() as server:
        yield server.start()


VENDORS = {"gcloud-python", "Python", "object_store", "Boto3"}
"""How google-cloud-storage, gcloud-aio-storage on aiohttp, obstore and boto3 call themselves."""

BY_HAND = {"XML: form", "cancel resumable"}
"""What Google's client signs or begins, and leaves to others to send."""

COVERED: set[str] = set()


def covers(*routes: str) -> Callable[[Test], Test]:
    """Say which routes a test asks for; that it does is checked when it has run."""

    def mark(test: Test) -> Test:
        COVERED.update(routes)
        test.__dict__["routes"] = routes
        return test

    return mark


@pytest.fixture(autouse=True)
def the_routes_were_asked(server: StrictGCSEndpoint, request: pytest.FixtureRequest) -> Iterator[None]:
    server.asked()
    yield
    asked = server.asked()
    for route in getattr(request.function, "routes", ()):
        clients = VENDORS | {"python-requests"} if route in BY_HAND else VENDORS
        assert clients & set(asked[route]), f"{route} was asked by {asked[route]}"


def test_every_route_serves_a_client_of_others(server: StrictGCSEndpoint) -> None:
    assert set(server.asked()) == COVERED


@pytest.fixture(scope="module")
def client(server: StrictGCSEndpoint) -> Iterator[storage.Client]:
    make: Any = service_account.Credentials.from_service_account_info
    credentials = make(server.account)
    client = storage.Client(
        project=server.project, credentials=credentials, client_options={"api_endpoint": server.url}
    )
    yield client
    client.close()


@pytest.fixture
def bucket(client: storage.Client, request: pytest.FixtureRequest) -> storage.Bucket:
    name = f"vendor-{abs(hash(request.node.nodeid)):x}"
    return client.create_bucket(name)


def put(bucket: storage.Bucket, name: str, data: bytes = b"hello", **options: Any) -> Blob:
    blob = bucket.blob(name)
    blob.upload_from_string(data, **options)
    return blob


class TestGoogleCloudStorage:
    """Google's own client."""

    @covers("insert bucket", "list buckets", "get bucket", "patch bucket", "delete bucket")
    def test_buckets(self, client: storage.Client, bucket: storage.Bucket) -> None:
        assert bucket.name in {found.name for found in client.list_buckets(page_size=1)}
        with pytest.raises(Conflict):
            client.create_bucket(bucket.name)
        bucket.versioning_enabled = True
        bucket.patch()
        assert client.get_bucket(bucket.name).versioning_enabled
        put(bucket, "a")
        with pytest.raises(Conflict):
            bucket.delete()
        bucket.versioning_enabled = False
        bucket.patch()
        bucket.blob("a").delete()
        bucket.delete()
        with pytest.raises(NotFound):
            client.get_bucket(bucket.name)

    @covers("upload with description", "get object", "download", "patch object", "update object", "delete object")
    def test_objects_and_their_metadata(self, bucket: storage.Bucket) -> None:
        blob = bucket.blob("dir/a b+é")
        blob.metadata = {"Kind": "odd é"}
        blob.content_language = "de"
        blob.upload_from_string(b"hello", content_type="text/x", checksum="crc32c")
        read = bucket.get_blob("dir/a b+é")
        assert read is not None
        assert (read.size, read.content_type, read.content_language) == (5, "text/x", "de")
        assert read.metadata == {"Kind": "odd é"}
        assert read.md5_hash == "XUFAKrxLKna5cZ2REBfFkg=="
        assert read.download_as_bytes() == b"hello"
        assert read.download_as_bytes(start=1, end=3) == b"ell"
        read.cache_control = "no-store"
        read.patch()
        assert read.metageneration == 2
        read.metadata = {"other": "x"}
        read.update()
        assert bucket.get_blob("dir/a b+é").metadata == {"other": "x"}
        blob.delete()
        assert bucket.get_blob("dir/a b+é") is None

    def test_preconditions(self, bucket: storage.Bucket) -> None:
        first = put(bucket, "a", if_generation_match=0)
        with pytest.raises(PreconditionFailed):
            put(bucket, "a", if_generation_match=0)
        second = put(bucket, "a", b"two", if_generation_match=first.generation)
        for condition in (
            {"if_generation_match": first.generation},
            {"if_generation_not_match": second.generation},
            {"if_metageneration_match": 7},
        ):
            with pytest.raises(PreconditionFailed):
                put(bucket, "a", **condition)
            if "if_generation_not_match" not in condition:
                with pytest.raises(PreconditionFailed):
                    second.delete(**condition)
                with pytest.raises(PreconditionFailed):
                    second.reload(**condition)
        assert bucket.blob("a").download_as_bytes() == b"two"

    def test_wrong_hashes_are_refused(self, bucket: storage.Bucket) -> None:
        blob = bucket.blob("a")
        blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
        with pytest.raises(BadRequest):
            blob.upload_from_string(b"hello", checksum=None)
        assert not blob.exists()

    @covers("list objects")
    def test_listings_by_pages_and_levels(self, client: storage.Client, bucket: storage.Bucket) -> None:
        names = ["a", "b/1", "b/2", "b/c/3", "d", "é", "\U0001f600"]
        for name in names:
            put(bucket, name)
        assert [blob.name for blob in client.list_blobs(bucket, page_size=2)] == names
        level = client.list_blobs(bucket, delimiter="/", page_size=2)
        assert [blob.name for blob in level] == ["a", "d", "é", "\U0001f600"]
        assert level.prefixes == {"b/"}
        below = client.list_blobs(bucket, prefix="b/", fields="items(name),nextPageToken")
        assert [(blob.name, blob.size) for blob in below] == [(name, None) for name in names[1:4]]
        offsets = client.list_blobs(bucket, start_offset="b/2", end_offset="é")
        assert [blob.name for blob in offsets] == ["b/2", "b/c/3", "d"]

    @covers("begin resumable", "resume")
    def test_resumable_uploads(self, bucket: storage.Bucket) -> None:
        data = os.urandom(MIB + 3)
        blob = bucket.blob("large", chunk_size=256 * 1024)
        blob.upload_from_file(io.BytesIO(data), size=None, checksum="crc32c")
        assert blob.download_as_bytes(checksum="crc32c") == data
        with blob.open("wb", chunk_size=256 * 1024) as file:
            file.write(data[:-1])
        assert bucket.blob("large").download_as_bytes() == data[:-1]

    @covers("cancel resumable")
    def test_a_resumable_upload_says_how_far_it_is_and_can_be_cancelled(self, bucket: storage.Bucket) -> None:
        url = bucket.blob("cut").create_resumable_upload_session(size=512 * 1024)
        half = b"x" * 256 * 1024
        sent = requests.put(url, half, headers={"Content-Range": "bytes 0-262143/524288"}, timeout=5)
        assert (sent.status_code, sent.headers["Range"]) == (308, "bytes=0-262143")
        asked = requests.put(url, headers={"Content-Range": "bytes */524288"}, timeout=5)
        assert (asked.status_code, asked.headers["Range"]) == (308, "bytes=0-262143")
        assert not bucket.blob("cut").exists()
        done = requests.put(url, half, headers={"Content-Range": "bytes 262144-524287/524288"}, timeout=5)
        assert done.json()["size"] == "524288"
        url = bucket.blob("dropped").create_resumable_upload_session()
        assert requests.delete(url, timeout=5).status_code == 499
        assert requests.put(url, half, timeout=5).status_code == 404

    @covers("XML: begin upload", "XML: put part", "XML: complete upload")
    def test_multipart_uploads_of_the_xml_api(self, bucket: storage.Bucket, tmp_path: Path) -> None:
        path = tmp_path / "large"
        path.write_bytes(os.urandom(11 * MIB))
        blob = bucket.blob("large")
        blob.metadata = {"kind": "parts"}
        transfer_manager.upload_chunks_concurrently(
            str(path), blob, chunk_size=5 * MIB, max_workers=2, worker_type=transfer_manager.THREAD, checksum="crc32c"
        )
        read = bucket.get_blob("large")
        assert read is not None
        assert (read.md5_hash, read.component_count, read.metadata) == (None, 3, {"kind": "parts"})
        assert read.download_as_bytes(checksum="crc32c") == path.read_bytes()

    @covers("rewrite")
    def test_rewriting_takes_as_many_calls_as_it_needs(self, bucket: storage.Bucket) -> None:
        source = put(bucket, "source", os.urandom(2 * MIB + 1), content_type="text/x")
        same = bucket.blob("same")
        assert same.rewrite(source)[0] is None
        assert bucket.get_blob("same").content_type == "text/x"
        cold = bucket.blob("cold")
        cold.storage_class = "NEARLINE"
        token, done, calls = None, 0, 0
        while calls == 0 or token is not None:
            token, done, _ = cold.rewrite(source, token=token)
            calls += 1
        assert (calls, done) == (3, source.size)
        with pytest.raises(PreconditionFailed):
            cold.rewrite(source, if_generation_match=0)
        with pytest.raises(PreconditionFailed):
            cold.rewrite(source, if_source_generation_match=1)

    @covers("compose")
    def test_compose(self, bucket: storage.Bucket) -> None:
        parts = [put(bucket, name, name.encode()) for name in "abc"]
        whole = bucket.blob("whole")
        whole.compose(parts, if_generation_match=0)
        assert whole.download_as_bytes(checksum="crc32c") == b"abc"
        assert (whole.component_count, whole.md5_hash) == (3, None)
        with pytest.raises(PreconditionFailed):
            whole.compose(parts, if_generation_match=0)
        with pytest.raises(BadRequest):
            whole.compose(parts * 11)

    def test_generations(self, client: storage.Client, bucket: storage.Bucket) -> None:
        bucket.versioning_enabled = True
        bucket.patch()
        generations = [put(bucket, "a", data).generation for data in (b"1", b"2")]
        assert bucket.blob("a", generation=generations[0]).download_as_bytes() == b"1"
        assert [blob.generation for blob in client.list_blobs(bucket, versions=True)] == generations
        bucket.blob("a").delete()
        assert bucket.get_blob("a") is None
        bucket.delete_blob("a", generation=generations[0])
        assert [blob.generation for blob in client.list_blobs(bucket, versions=True)] == generations[1:]

    @covers("restore object")
    def test_soft_deletion(self, client: storage.Client, bucket: storage.Bucket) -> None:
        bucket.soft_delete_policy.retention_duration_seconds = 7 * 86400
        bucket.patch()
        blob = put(bucket, "a")
        blob.delete()
        assert list(client.list_blobs(bucket)) == []
        (found,) = client.list_blobs(bucket, soft_deleted=True)
        assert bucket.get_blob("a", generation=found.generation, soft_deleted=True).size == 5
        bucket.restore_blob("a", generation=found.generation)
        assert bucket.blob("a").download_as_bytes() == b"hello"

    @covers("batch")
    def test_batches(self, client: storage.Client, bucket: storage.Bucket) -> None:
        blobs = [put(bucket, name) for name in ("a", "b é")]
        with client.batch():
            for blob in blobs:
                blob.delete()
        assert list(client.list_blobs(bucket)) == []
        with pytest.raises(NotFound), client.batch():
            blobs[0].delete()

    def test_customer_keys(self, bucket: storage.Bucket) -> None:
        key = os.urandom(32)
        blob = bucket.blob("secret", encryption_key=key)
        blob.upload_from_string(b"hello")
        assert blob.download_as_bytes() == b"hello"
        for other in (None, os.urandom(32)):
            with pytest.raises(BadRequest):
                bucket.blob("secret", encryption_key=other).download_as_bytes()
        plain = bucket.blob("plain")
        assert plain.rewrite(blob)[0] is None
        assert plain.download_as_bytes() == b"hello"
        named = bucket.blob("named", kms_key_name="projects/p/locations/l/keyRings/r/cryptoKeys/k")
        named.upload_from_string(b"x")
        assert named.kms_key_name.startswith("projects/p/locations/l/keyRings/r/cryptoKeys/k")

    def test_gzip_is_decompressed_unless_it_is_asked_for(self, bucket: storage.Bucket) -> None:
        import gzip

        blob = bucket.blob("zipped")
        blob.content_encoding = "gzip"
        blob.upload_from_string(gzip.compress(b"hello" * 100))
        assert blob.download_as_bytes() == b"hello" * 100
        assert gzip.decompress(blob.download_as_bytes(raw_download=True)) == b"hello" * 100

    def test_a_requester_pays(self, client: storage.Client, bucket: storage.Bucket) -> None:
        put(bucket, "a")
        bucket.requester_pays = True
        bucket.patch()
        with pytest.raises(BadRequest, match="user project"):
            bucket.blob("a").download_as_bytes()
        paying = client.bucket(bucket.name, user_project="payer")
        assert paying.blob("a").download_as_bytes() == b"hello"

    def test_contexts(self, bucket: storage.Bucket) -> None:
        put(bucket, "a")
        path, request = bucket.blob("a").path, bucket.client._connection.api_request
        patched = request(method="PATCH", path=path, data={"contexts": {"custom": {"k": {"value": "v"}}}})
        assert patched["contexts"] == {"custom": {"k": {"value": "v"}}}
        with pytest.raises(BadRequest):
            request(method="PATCH", path=path, data={"contexts": {"custom": {"k": {"value": '"'}}}})

    def test_signed_urls(self, server: StrictGCSEndpoint, bucket: storage.Bucket) -> None:
        blob = bucket.blob("dir/a b+é")
        upload = blob.generate_signed_url(
            version="v4", method="PUT", expiration=60, content_type="text/x", api_access_endpoint=server.url
        )
        headers = {"Content-Type": "text/x"}
        assert requests.put(upload, b"hello", headers={"Content-Type": "text/y"}, timeout=5).status_code == 403
        assert requests.put(upload, b"hello", headers=headers, timeout=5).status_code == 200
        read = blob.generate_signed_url(
            version="v4",
            expiration=timedelta(seconds=60),
            api_access_endpoint=server.url,
            response_disposition="attachment",
        )
        answer = requests.get(read, timeout=5)
        assert (answer.content, answer.headers["Content-Disposition"]) == (b"hello", "attachment")
        assert requests.get(read.replace("a%20b", "a%20c"), timeout=5).status_code == 403
        assert requests.get(read[:-1] + ("0" if read[-1] != "0" else "1"), timeout=5).status_code == 403

    @covers("XML: form")
    def test_forms(self, server: StrictGCSEndpoint, client: storage.Client, bucket: storage.Bucket) -> None:
        policy = client.generate_signed_post_policy_v4(
            bucket.name,
            "uploads/${filename}",
            expiration=timedelta(seconds=60),
            conditions=[["content-length-range", 1, 10], ["starts-with", "$key", "uploads/"]],
            fields={"x-goog-meta-kind": "form"},
            scheme="http",
        )
        url = f"{server.url}/{bucket.name}/"
        form = {**policy["fields"], "x-goog-meta-kind": "form"}
        assert requests.post(url, form, files={"file": ("a.txt", b"hello")}, timeout=5).status_code == 204
        assert bucket.get_blob("uploads/a.txt").metadata == {"kind": "form"}
        assert requests.post(url, form, files={"file": ("a.txt", b"x" * 11)}, timeout=5).status_code == 400
        changed = {**form, "x-goog-meta-kind": "other"}
        assert requests.post(url, changed, files={"file": ("a.txt", b"x")}, timeout=5).status_code == 403

    def test_tokens_are_verified(self, server: StrictGCSEndpoint) -> None:
        now = int(time.time())
        claims = {"iss": server.account["client_email"], "aud": server.account["token_uri"], "iat": now, "scope": "s"}
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
        for change, key in (
            ({"exp": now - 1}, server.account["private_key"]),
            ({"exp": now + 9000}, server.account["private_key"]),
            ({"exp": now + 60, "iss": "somebody@else"}, server.account["private_key"]),
            ({"exp": now + 60, "aud": "https://else.example"}, server.account["private_key"]),
        ):
            assertion = jwt.encode({**claims, **change}, key, algorithm="RS256")
            answer = requests.post(f"{server.url}/token", {**grant, "assertion": assertion}, timeout=5)
            assert answer.status_code == 400
        url = f"{server.url}/storage/v1/b?project=p"
        assert requests.get(url, timeout=5).status_code == 401
        assert requests.get(url, headers={"Authorization": "Bearer made-up"}, timeout=5).status_code == 401

    def test_a_public_object_is_read_by_anybody(self, server: StrictGCSEndpoint, bucket: storage.Bucket) -> None:
        put(bucket, "open", predefined_acl="publicRead")
        put(bucket, "closed")
        anonymous = storage.Client.create_anonymous_client()
        anonymous._connection.API_BASE_URL = server.url
        assert anonymous.bucket(bucket.name).blob("open").download_as_bytes() == b"hello"
        with pytest.raises(InvalidOperation):
            anonymous.bucket(bucket.name).blob("closed").download_as_bytes()


class TestGcloudAio:
    """gcloud-aio-storage and gcloud-aio-auth."""

    @pytest.fixture
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession() as session:
            yield session

    @pytest.fixture
    def aio(self, server: StrictGCSEndpoint, session: Any) -> Storage:
        scopes = ["https://www.googleapis.com/auth/devstorage.full_control"]
        token = Token(service_file=io.StringIO(json.dumps(server.account)), session=session, scopes=scopes)
        return Storage(token=token, session=session, api_root=server.url, api_is_dev=False)

    @covers("upload", "upload with description", "download", "list objects", "get object", "rewrite", "compose")
    async def test_objects(self, aio: Storage, bucket: storage.Bucket) -> None:
        name = bucket.name
        await aio.upload(name, "a/b", b"hello", content_type="text/x", force_resumable_upload=False)
        await aio.upload(name, "with", b"world", metadata={"metadata": {"k": "v"}}, force_resumable_upload=False)
        assert await aio.download(name, "a/b") == b"hello"
        assert await aio.download(name, "a/b", headers={"Range": "bytes=1-2"}) == b"el"
        assert (await aio.download_metadata(name, "with"))["metadata"] == {"k": "v"}
        await aio.upload(name, "resumable", b"x" * MIB, force_resumable_upload=True)
        await aio.copy(name, "a/b", name, new_name="copied")
        await aio.compose(name, "both", ["a/b", "with"])
        assert await aio.download(name, "both") == b"helloworld"
        listed = await aio.list_objects(name, params={"prefix": "a"})
        assert [item["name"] for item in listed["items"]] == ["a/b"]
        await aio.patch_metadata(name, "a/b", {"contentType": "text/y"})
        await aio.delete(name, "a/b")
        with pytest.raises(aiohttp.ClientResponseError):
            await aio.download(name, "a/b")

    @covers("metadata server", "signBlob")
    async def test_the_metadata_server_and_iam(
        self, server: StrictGCSEndpoint, session: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.delenv("CLOUDSDK_CONFIG", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))  # where there are no credentials
        token = Token(session=session)
        token.token_uri = f"{server.url}/computeMetadata/v1/instance/service-accounts/default/token?recursive=true"
        assert str(await token.get()).startswith("ya29.")
        monkeypatch.setattr(gcloud_iam, "API_ROOT_IAM_CREDENTIALS", f"{server.url}/v1")
        client = gcloud_iam.IamClient(session=session, token=token)
        signed = await client.sign_blob(b"payload", service_account_email=server.account["client_email"])
        assert base64.b64decode(signed["signedBlob"])

    @covers("token", "generateAccessToken")
    async def test_users_workloads_and_impersonation(
        self, server: StrictGCSEndpoint, session: Any, tmp_path: Path
    ) -> None:
        user = {"client_id": "c", "client_secret": "s", "refresh_token": USER_REFRESH_TOKEN, "type": "authorized_user"}
        subject = tmp_path / "subject"
        subject.write_text(SUBJECT_TOKEN)
        workload = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/pool",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{server.url}/sts/token",
            "credential_source": {"type": "file", "file": str(subject)},
            "service_account_impersonation_url": f"{server.url}/v1/projects/-/serviceAccounts/x@y:generateAccessToken",
        }
        for info in ({**user, "token_uri": f"{server.url}/token"}, workload):
            token = Token(service_file=io.StringIO(json.dumps(info)), session=session, scopes=["scope"])
            assert (await token.refresh(timeout=5)).value.startswith("ya29.")


class TestObstore:
    """obstore, which speaks the XML API and signs its own tokens."""

    @covers("XML: put", "XML: get", "XML: head", "XML: list objects", "XML: copy", "XML: delete")
    async def test_objects(self, server: StrictGCSEndpoint, bucket: storage.Bucket) -> None:
        account = json.dumps({**server.account, "gcs_base_url": server.url, "disable_oauth": False})
        store = GCSStore(bucket.name, service_account_key=account, client_options={"allow_http": True})
        await obstore.put_async(store, "a/b", b"hello", attributes={"Content-Type": "text/x", "k": "v"})
        answer = await obstore.get_async(store, "a/b")
        assert bytes(await answer.bytes_async()) == b"hello"
        assert answer.attributes["Content-Type"] == "text/x"
        assert bytes(await obstore.get_range_async(store, "a/b", start=1, end=3)) == b"el"
        assert (await obstore.head_async(store, "a/b"))["size"] == 5
        with pytest.raises(obstore.exceptions.AlreadyExistsError):
            await obstore.put_async(store, "a/b", b"again", mode="create")
        large = os.urandom(11 * MIB)
        await obstore.put_async(store, "large", large, chunk_size=5 * MIB, use_multipart=True)
        assert bytes(await (await obstore.get_async(store, "large")).bytes_async()) == large
        await obstore.copy_async(store, "a/b", "c")
        assert sorted(found["path"] for page in obstore.list(store) for found in page) == ["a/b", "c", "large"]
        level = await obstore.list_with_delimiter_async(store)
        assert list(level["common_prefixes"]) == ["a"]
        await obstore.delete_async(store, "a/b")

    def test_signed_urls(self, server: StrictGCSEndpoint, bucket: storage.Bucket) -> None:
        """It signs Google's own host whatever the endpoint is, so that is the host which is asked for here."""
        put(bucket, "dir/a b+é")
        account = json.dumps({**server.account, "gcs_base_url": server.url, "disable_oauth": False})
        store = GCSStore(bucket.name, service_account_key=account, client_options={"allow_http": True})
        url = obstore.sign(store, "GET", "dir/a b+é", timedelta(seconds=60))
        google = {"Host": "storage.googleapis.com"}
        assert requests.get(url, headers=google, timeout=5).content == b"hello"
        assert requests.get(url, timeout=5).status_code == 403
        assert requests.get(url.replace("a%20b", "a%20c"), headers=google, timeout=5).status_code == 403


class TestBoto3:
    """boto3, for what of the XML API's multipart uploads Google's own clients do not ask."""

    @covers("XML: list uploads", "XML: list parts", "XML: abort upload")
    def test_uploads_under_way(self, server: StrictGCSEndpoint, client: storage.Client, bucket: storage.Bucket) -> None:
        client._credentials.refresh(Request())
        s3 = boto3.client("s3", endpoint_url=server.url, region_name="auto", config=Config(signature_version=UNSIGNED))

        def authorize(params: dict[str, Any], **_: object) -> None:
            params["headers"]["Authorization"] = f"Bearer {client._credentials.token}"

        s3.meta.events.register("before-call.s3", authorize)
        name = {"Bucket": bucket.name, "Key": "a é"}
        upload = {**name, "UploadId": s3.create_multipart_upload(**name)["UploadId"]}
        assert [found["Key"] for found in s3.list_multipart_uploads(Bucket=bucket.name)["Uploads"]] == ["a é"]
        etags = [s3.upload_part(**upload, PartNumber=number, Body=b"x" * number)["ETag"] for number in (1, 2)]
        page = s3.list_parts(**upload, MaxParts=1)
        assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 1)
        rest = s3.list_parts(**upload, PartNumberMarker=1)["Parts"]
        assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in rest] == [(2, 2, etags[1])]
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)]
        with pytest.raises(s3.exceptions.ClientError, match="EntityTooSmall"):
            s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        s3.abort_multipart_upload(**upload)
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket.name)
