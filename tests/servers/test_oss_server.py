"""The OSS server is asked by Alibaba's own SDKs, for each of its operations, before it judges our driver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import alibabacloud_oss_v2 as oss_v2
import alibabacloud_oss_v2.aio as oss_aio
import oss2
import pytest
import requests
from oss2.models import (
    BatchDeleteObjectVersion,
    BatchDeleteObjectVersionList,
    BucketVersioningConfig,
    PartInfo,
    RestoreConfiguration,
    RestoreJobParameters,
    Tagging,
    TaggingRule,
)

from tests.servers.oss import OSS, OSSEndpoint

KIB = 1024
Test = TypeVar("Test", bound=Callable[..., object])

# Their connections are closed when they are collected, and they are written for older versions of Python.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::SyntaxWarning"),
]

COVERED: set[str] = set()


def covers(*routes: str) -> Callable[[Test], Test]:
    """Say which operations a test asks for; that it does is checked when it has run."""

    def mark(test: Test) -> Test:
        COVERED.update(routes)
        test.__dict__["routes"] = routes
        return test

    return mark


SDKS = {"aliyun-sdk-python", "alibabacloud-python-sdk-v2"}
"""What their User-Agents begin with."""

NO_SDK = {"PostObject"}
"""What no SDK asks for: forms are for browsers."""


@pytest.fixture(scope="module")
def server() -> Iterator[OSSEndpoint]:
    """A server of these tests alone, so that nobody else has asked it."""
    with OSS() as server:
        yield server.start()


@pytest.fixture(autouse=True)
def the_routes_were_asked(server: OSSEndpoint, request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    asked = server.asked()
    for route in getattr(request.function, "routes", ()):
        assert asked[route] if route in NO_SDK else SDKS & set(asked[route]), f"no SDK has asked for {route}"


def test_every_operation_serves_a_client_of_alibaba(server: OSSEndpoint) -> None:
    """Each that the server knows is in the list of a test, which checks that an SDK has asked for it."""
    assert set(server.asked()) == COVERED


@pytest.fixture(params=["v1", "v4"])
def bucket(server: OSSEndpoint, request: pytest.FixtureRequest) -> oss2.Bucket:
    """A new bucket, through oss2 with signatures of each version."""
    made = _bucket(server, request.param, f"vendor-{abs(hash(request.node.nodeid)):x}")
    made.create_bucket()
    return made


def _bucket(server: OSSEndpoint, version: str, name: str, **options: Any) -> oss2.Bucket:
    keys = (server.access_key_id, server.access_key_secret)
    auth = oss2.AuthV4(*keys) if version == "v4" else oss2.Auth(*keys)
    return oss2.Bucket(auth, server.url, name, region=server.region, **options)


def code_of(caught: pytest.ExceptionInfo[oss2.exceptions.OssError]) -> tuple[int, str]:
    return caught.value.status, caught.value.code


class TestOss2:
    """The older SDK."""

    @covers(
        "ListBuckets", "PutBucket", "GetBucketInfo", "GetBucketLocation", "GetBucketAcl", "PutBucketAcl", "DeleteBucket"
    )
    def test_buckets(self, server: OSSEndpoint, bucket: oss2.Bucket) -> None:
        service = oss2.Service(bucket.auth, server.url, region=server.region)
        assert bucket.bucket_name in {one.name for one in oss2.BucketIterator(service, max_keys=1)}
        info = bucket.get_bucket_info()
        assert (info.name, info.location, info.acl.grant) == (bucket.bucket_name, "oss-cn-hangzhou", "private")
        assert bucket.get_bucket_location().location == "oss-cn-hangzhou"
        bucket.put_bucket_acl("public-read")
        assert bucket.get_bucket_acl().acl == "public-read"
        bucket.put_object("key", b"open")
        assert requests.get(f"{server.url}/{bucket.bucket_name}/key", timeout=10).content == b"open"
        with pytest.raises(oss2.exceptions.BucketNotEmpty):
            bucket.delete_bucket()
        bucket.delete_object("key")
        bucket.delete_bucket()
        with pytest.raises(oss2.exceptions.NoSuchBucket):
            bucket.get_bucket_info()

    @covers("PutObject", "GetObject", "HeadObject", "GetObjectMeta", "DeleteObject")
    def test_objects(self, bucket: oss2.Bucket) -> None:
        md5 = base64.b64encode(hashlib.md5(b"0123456789").digest()).decode()
        headers = {"x-oss-meta-color": "blue", "Cache-Control": "no-store", "Content-MD5": md5}
        result = bucket.put_object("a b/ü+%", b"0123456789", headers=headers)
        assert result.etag == hashlib.md5(b"0123456789").hexdigest().upper()
        found = bucket.get_object("a b/ü+%")
        assert (found.read(), found.headers["x-oss-meta-color"]) == (b"0123456789", "blue")
        assert bucket.get_object("a b/ü+%", byte_range=(2, 4)).read() == b"234"
        assert bucket.get_object("a b/ü+%", byte_range=(None, 3)).read() == b"789"
        assert bucket.get_object("a b/ü+%", byte_range=(8, 90)).read() == b"0123456789"
        standard = {"x-oss-range-behavior": "standard"}
        assert bucket.get_object("a b/ü+%", byte_range=(8, 90), headers=standard).read() == b"89"
        with pytest.raises(oss2.exceptions.ServerError) as beyond:
            bucket.get_object("a b/ü+%", byte_range=(10, 12), headers=standard)
        assert code_of(beyond) == (416, "InvalidRange")
        head = bucket.head_object("a b/ü+%")
        assert (head.content_length, head.object_type, head.headers["Cache-Control"]) == (10, "Normal", "no-store")
        assert head.server_crc == result.crc
        assert bucket.get_object_meta("a b/ü+%").content_length == 10
        with pytest.raises(oss2.exceptions.NotModified):
            bucket.get_object("a b/ü+%", headers={"If-None-Match": result.etag})
        with pytest.raises(oss2.exceptions.PreconditionFailed):
            bucket.get_object("a b/ü+%", headers={"If-Match": "other"})
        bucket.delete_object("a b/ü+%")
        bucket.delete_object("a b/ü+%")
        with pytest.raises(oss2.exceptions.NoSuchKey):
            bucket.get_object("a b/ü+%")
        assert not bucket.object_exists("a b/ü+%")

    def test_refusals(self, bucket: oss2.Bucket) -> None:
        forbid = {"x-oss-forbid-overwrite": "true"}
        bucket.put_object("key", b"1", headers=forbid)
        with pytest.raises(oss2.exceptions.ServerError) as again:
            bucket.put_object("key", b"2", headers=forbid)
        assert code_of(again) == (409, "FileAlreadyExists")
        with pytest.raises(oss2.exceptions.ServerError) as wrong:
            bucket.put_object("key", b"3", headers={"Content-MD5": base64.b64encode(bytes(16)).decode()})
        assert code_of(wrong) == (400, "InvalidDigest")
        with pytest.raises(oss2.exceptions.ServerError) as many:
            bucket.put_object("key", b"3", headers={"x-oss-tagging": "&".join(f"a{i}=b" for i in range(11))})
        assert code_of(many) == (400, "InvalidTag")

    @covers("CopyObject")
    def test_copies(self, bucket: oss2.Bucket) -> None:
        bucket.put_object("from ü", b"data", headers={"x-oss-meta-a": "1", "x-oss-tagging": "k=v"})
        bucket.copy_object(bucket.bucket_name, "from ü", "to")
        assert bucket.head_object("to").headers["x-oss-meta-a"] == "1"
        assert bucket.get_object_tagging("to").tag_set.tagging_rule == {"k": "v"}
        replace = {"x-oss-metadata-directive": "REPLACE", "x-oss-meta-b": "2"}
        bucket.copy_object(bucket.bucket_name, "from ü", "to", headers=replace)
        assert "x-oss-meta-a" not in bucket.head_object("to").headers
        bucket.update_object_meta("to", {"x-oss-meta-c": "3"})
        assert bucket.head_object("to").headers["x-oss-meta-c"] == "3"
        with pytest.raises(oss2.exceptions.PreconditionFailed):
            bucket.copy_object(bucket.bucket_name, "to", "x", headers={"x-oss-copy-source-if-match": "other"})
        with pytest.raises(oss2.exceptions.ServerError) as invalid:
            bucket.copy_object(bucket.bucket_name, "/leading", "x")
        assert code_of(invalid) == (400, "InvalidObjectName")

    @covers("AppendObject")
    def test_appends(self, bucket: oss2.Bucket) -> None:
        first = bucket.append_object("log", 0, b"one", init_crc=0)
        assert first.next_position == 3
        bucket.append_object("log", 3, b"two", init_crc=first.crc)
        assert bucket.get_object("log").read() == b"onetwo"
        with pytest.raises(oss2.exceptions.PositionNotEqualToLength) as late:
            bucket.append_object("log", 3, b"two")
        assert late.value.next_position == 6
        bucket.put_object("plain", b"x")
        with pytest.raises(oss2.exceptions.ObjectNotAppendable):
            bucket.append_object("plain", 1, b"y")

    @covers(
        *("InitiateMultipartUpload", "UploadPart", "UploadPartCopy", "ListParts", "ListMultipartUploads"),
        *("CompleteMultipartUpload", "AbortMultipartUpload"),
    )
    def test_multipart_uploads(self, bucket: oss2.Bucket) -> None:
        data = bytes(range(256)) * 4 * 200
        bucket.put_object("source", data)
        upload = bucket.init_multipart_upload("big ü", headers={"x-oss-meta-a": "1"}).upload_id
        one = bucket.upload_part("big ü", upload, 1, data)
        copied = bucket.upload_part_copy(bucket.bucket_name, "source", (1, 1000), "big ü", upload, 2)
        assert [part.part_number for part in oss2.PartIterator(bucket, "big ü", upload, max_parts=1)] == [1, 2]
        assert [one.key for one in oss2.MultipartUploadIterator(bucket, max_uploads=1)] == ["big ü"]
        parts = [PartInfo(1, one.etag, size=len(data), part_crc=one.crc), PartInfo(2, copied.etag)]
        with pytest.raises(oss2.exceptions.ServerError) as wrong:
            bucket.complete_multipart_upload("big ü", upload, [PartInfo(1, "0" * 32)])
        assert code_of(wrong) == (400, "InvalidPart")
        done = bucket.complete_multipart_upload("big ü", upload, parts)
        assert done.etag.endswith("-2")
        assert bucket.get_object("big ü").read() == data + data[1:1001]
        with pytest.raises(oss2.exceptions.NoSuchUpload):
            bucket.complete_multipart_upload("big ü", upload, parts)
        other = bucket.init_multipart_upload("other").upload_id
        bucket.abort_multipart_upload("other", other)
        with pytest.raises(oss2.exceptions.NoSuchUpload):
            bucket.list_parts("other", other)
        forbidden = bucket.init_multipart_upload("new").upload_id
        part = bucket.upload_part("new", forbidden, 1, b"x")
        bucket.put_object("new", b"rival")
        with pytest.raises(oss2.exceptions.ServerError) as rival:
            parts = [PartInfo(1, part.etag)]
            bucket.complete_multipart_upload("new", forbidden, parts, headers={"x-oss-forbid-overwrite": "true"})
        assert code_of(rival) == (409, "FileAlreadyExists")

    @covers("ListObjects", "ListObjectsV2", "DeleteMultipleObjects")
    def test_listings(self, bucket: oss2.Bucket) -> None:
        keys = ["a/1", "a/2 +%", "b", "c/d/e", "ü", "\x01"]
        for key in keys:
            bucket.put_object(key, b"x")
        assert [one.key for one in oss2.ObjectIterator(bucket, max_keys=2)] == sorted(keys)
        assert [one.key for one in oss2.ObjectIteratorV2(bucket, max_keys=2)] == sorted(keys)
        found = bucket.list_objects_v2(delimiter="/", start_after="a/2 +%")
        assert [one.key for one in found.object_list] == ["b", "ü"]
        assert found.prefix_list == ["c/"]
        assert bucket.list_objects(delimiter="/").prefix_list == ["a/", "c/"]
        assert [one.key for one in oss2.ObjectIterator(bucket, prefix="a/", marker="a/1")] == ["a/2 +%"]
        assert sorted(bucket.batch_delete_objects(keys[:5]).deleted_keys) == sorted(keys[:5])
        assert [one.key for one in oss2.ObjectIteratorV2(bucket)] == ["\x01"]

    @covers("PutBucketVersioning", "GetBucketVersioning", "ListObjectVersions")
    def test_versions(self, bucket: oss2.Bucket) -> None:
        bucket.put_bucket_versioning(BucketVersioningConfig("Enabled"))
        assert bucket.get_bucket_versioning().status == "Enabled"
        first = bucket.put_object("key", b"1").versionid
        second = bucket.put_object("key", b"2", headers={"x-oss-forbid-overwrite": "true"}).versionid
        assert bucket.get_object("key", params={"versionId": first}).read() == b"1"
        marker = bucket.delete_object("key").versionid
        with pytest.raises(oss2.exceptions.NoSuchKey):
            bucket.get_object("key")
        page = bucket.list_object_versions(max_keys=2)
        assert [one.versionid for one in page.delete_marker] == [marker]
        assert [(one.versionid, one.is_latest) for one in page.versions] == [(second, False)]
        rest = bucket.list_object_versions(key_marker=page.next_key_marker, versionid_marker=page.next_versionid_marker)
        assert [one.versionid for one in rest.versions] == [first]
        doomed = BatchDeleteObjectVersionList([BatchDeleteObjectVersion("key", marker)])
        bucket.delete_object_versions(doomed)
        assert bucket.get_object("key").read() == b"2"

    @covers(
        "GetObjectAcl", "PutObjectAcl", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "RestoreObject"
    )
    def test_attributes(self, bucket: oss2.Bucket) -> None:
        bucket.put_object("key", b"x", headers={"x-oss-storage-class": "ColdArchive", "x-oss-tagging": "a=b%20c"})
        assert bucket.get_object_tagging("key").tag_set.tagging_rule == {"a": "b c"}
        rule = TaggingRule()
        rule.add("d", "e")
        bucket.put_object_tagging("key", Tagging(rule))
        assert bucket.get_object_tagging("key").tag_set.tagging_rule == {"d": "e"}
        bucket.delete_object_tagging("key")
        assert bucket.get_object_tagging("key").tag_set.tagging_rule == {}
        bucket.put_object_acl("key", oss2.OBJECT_ACL_PUBLIC_READ)
        assert bucket.get_object_acl("key").acl == "public-read"
        with pytest.raises(oss2.exceptions.ServerError) as frozen:
            bucket.get_object("key")
        assert code_of(frozen) == (403, "InvalidObjectState")
        wanted = RestoreConfiguration(days=2, job_parameters=RestoreJobParameters("Expedited"))
        assert bucket.restore_object("key", input=wanted).status == 202
        with pytest.raises(oss2.exceptions.RestoreAlreadyInProgress):
            bucket.restore_object("key", input=wanted)
        assert bucket.head_object("key").headers["x-oss-restore"] == 'ongoing-request="true"'
        assert 'ongoing-request="false"' in bucket.head_object("key").headers["x-oss-restore"]
        assert bucket.get_object("key").read() == b"x"

    @covers("PutSymlink", "GetSymlink")
    def test_symbolic_links(self, bucket: oss2.Bucket) -> None:
        written = bucket.put_object("a/target ü", b"0123456789", headers={"x-oss-meta-of": "target"})
        bucket.put_symlink("a/target ü", "link", headers={"x-oss-meta-of": "link"})
        assert bucket.get_symlink("link").target_key == "a/target ü"
        found = bucket.get_object("link")
        assert (found.read(), found.headers["x-oss-meta-of"], found.object_type) == (b"0123456789", "link", "Symlink")
        assert (found.etag, found.server_crc) == (written.etag, written.crc)
        assert bucket.head_object("link").content_length == 10
        bucket.delete_object("a/target ü")
        with pytest.raises(oss2.exceptions.ServerError) as dangling:
            bucket.get_object("link")
        assert code_of(dangling) == (404, "SymlinkTargetNotExist")
        with pytest.raises(oss2.exceptions.ServerError) as plain:
            bucket.put_object("plain", b"x")
            bucket.get_symlink("plain")
        assert code_of(plain) == (400, "NotSymlink")

    def test_signed_urls(self, bucket: oss2.Bucket) -> None:
        url = bucket.sign_url("PUT", "a/ü b", 60, headers={"Content-Type": "text/plain"}, slash_safe=True)
        assert requests.put(url, b"signed", headers={"Content-Type": "text/plain"}, timeout=10).status_code == 200
        assert requests.put(url, b"signed", headers={"Content-Type": "text/html"}, timeout=10).status_code == 403
        params = {"response-content-type": "text/css"}
        answer = requests.get(bucket.sign_url("GET", "a/ü b", 60, params=params, slash_safe=True), timeout=10)
        assert (answer.content, answer.headers["Content-Type"]) == (b"signed", "text/css")

    @pytest.mark.parametrize("version", ["v1", "v4"])
    def test_security_tokens(self, server: OSSEndpoint, version: str) -> None:
        def client(token: str) -> oss2.Bucket:
            keys = (server.temporary_key_id, server.temporary_key_secret, token)
            auth = oss2.StsAuth(*keys, auth_version=version)
            return oss2.Bucket(auth, server.url, f"sts-{version}", region=server.region)

        bucket = client(server.security_token)
        bucket.create_bucket()
        bucket.put_object("key", b"x")
        assert requests.get(bucket.sign_url("GET", "key", 60), timeout=10).content == b"x"
        with pytest.raises(oss2.exceptions.ServerError) as refused:
            client("another").get_object("key")
        assert refused.value.status == 403

    @pytest.mark.parametrize("version", ["v1", "v4"])
    def test_wrong_keys(self, server: OSSEndpoint, version: str) -> None:
        make = oss2.AuthV4 if version == "v4" else oss2.Auth
        wrong = oss2.Bucket(make(server.access_key_id, "wrong"), server.url, "any", region=server.region)
        with pytest.raises(oss2.exceptions.ServerError) as secret:
            wrong.get_object("key")
        assert code_of(secret) == (403, "SignatureDoesNotMatch")
        unknown = oss2.Bucket(make("unknown", "wrong"), server.url, "any", region=server.region)
        with pytest.raises(oss2.exceptions.ServerError) as key:
            unknown.get_object("key")
        assert code_of(key) == (403, "InvalidAccessKeyId")

    @pytest.mark.parametrize("host", ["oss-cn-hangzhou", "oss-cn-hangzhou-internal", "oss-accelerate"])
    def test_buckets_in_host_names(self, server: OSSEndpoint, host: str) -> None:
        auth = oss2.AuthV4(server.access_key_id, server.access_key_secret)
        endpoint = f"http://{host}.aliyuncs.com"
        bucket = oss2.Bucket(auth, endpoint, "vhosted", region=server.region, proxies={"http": server.url})
        bucket.create_bucket()
        bucket.put_object("a/b", host.encode())
        assert _bucket(server, "v1", "vhosted").get_object("a/b").read() == host.encode()

    def test_a_bucket_is_asked_for_where_it_is(self, server: OSSEndpoint) -> None:
        auth = oss2.AuthV4(server.access_key_id, server.access_key_secret)
        _bucket(server, "v4", "at-home").create_bucket()
        endpoint, region = "http://oss-cn-beijing.aliyuncs.com", "cn-beijing"
        abroad = oss2.Bucket(auth, endpoint, "at-home", region=region, proxies={"http": server.url})
        for ask in (abroad.list_objects, lambda: abroad.head_object("key")):
            with pytest.raises(oss2.exceptions.AccessDenied) as refused:
                ask()
            assert refused.value.details["Endpoint"] == "oss-cn-hangzhou.aliyuncs.com"


@covers("PostObject")
@pytest.mark.parametrize("version", ["v1", "v4"])
def test_forms_are_signed_as_documented(server: OSSEndpoint, version: str) -> None:
    """No SDK makes forms: this follows the document, step by step."""
    bucket = _bucket(server, "v4", f"forms-{version}")
    bucket.create_bucket()
    now = datetime.now(UTC)
    fields: dict[str, str] = {}
    if version == "v4":
        day = now.strftime("%Y%m%d")
        fields = {
            "x-oss-signature-version": "OSS4-HMAC-SHA256",
            "x-oss-credential": f"{server.access_key_id}/{day}/{server.region}/oss/aliyun_v4_request",
            "x-oss-date": now.strftime("%Y%m%dT%H%M%SZ"),
        }
    expiration = (now + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    conditions: list[Any] = [{"bucket": bucket.bucket_name}, ["starts-with", "$key", "up/"]]
    conditions += [["content-length-range", 1, 10], *({name: value} for name, value in fields.items())]
    policy = base64.b64encode(json.dumps({"expiration": expiration, "conditions": conditions}).encode()).decode()
    if version == "v4":
        key = f"aliyun_v4{server.access_key_secret}".encode()
        for step in (now.strftime("%Y%m%d"), server.region, "oss", "aliyun_v4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        fields["x-oss-signature"] = hmac.digest(key, policy.encode(), "sha256").hex()
    else:
        digest = hmac.digest(server.access_key_secret.encode(), policy.encode(), "sha1")
        fields |= {"OSSAccessKeyId": server.access_key_id, "Signature": base64.b64encode(digest).decode()}
    url, form = f"{server.url}/{bucket.bucket_name}", {"policy": policy, **fields}

    def post(key: str, data: bytes) -> int:
        return requests.post(url, {**form, "key": key}, files={"file": ("x.txt", data)}, timeout=10).status_code

    assert post("up/${filename}", b"hello") == 204
    assert bucket.get_object("up/x.txt").read() == b"hello"
    assert post("elsewhere", b"hello") == 403
    assert post("up/b", b"x" * 11) == 400


class TestOssV2:
    """The newer SDK, by its asynchronous client."""

    @covers("PutBucket", "PutObject", "GetObject", "ListObjectsV2", "DeleteMultipleObjects", "DeleteBucket")
    async def test_the_asynchronous_client(self, server: OSSEndpoint) -> None:
        provider = oss_v2.credentials.StaticCredentialsProvider(server.access_key_id, server.access_key_secret)
        config = oss_v2.config.load_default()
        config.credentials_provider = provider
        config.region, config.endpoint = server.region, server.url
        name = f"newer-{time.time_ns()}"
        async with oss_aio.AsyncClient(config) as client:
            await client.put_bucket(oss_v2.PutBucketRequest(bucket=name))
            body = b"0123456789" * 20 * KIB
            put = await client.put_object(
                oss_v2.PutObjectRequest(bucket=name, key="a/ü", body=body, metadata={"color": "blue"})
            )
            got = await client.get_object(oss_v2.GetObjectRequest(bucket=name, key="a/ü"))
            async with got.body as stream:
                assert await stream.read() == body
            assert (got.metadata["color"], got.hash_crc64) == ("blue", put.hash_crc64)
            upload = await client.initiate_multipart_upload(
                oss_v2.InitiateMultipartUploadRequest(bucket=name, key="big")
            )
            part = await client.upload_part(
                oss_v2.UploadPartRequest(bucket=name, key="big", part_number=1, upload_id=upload.upload_id, body=body)
            )
            parts = oss_v2.CompleteMultipartUpload(parts=[oss_v2.UploadPart(part_number=1, etag=part.etag)])
            await client.complete_multipart_upload(
                oss_v2.CompleteMultipartUploadRequest(
                    bucket=name, key="big", upload_id=upload.upload_id, complete_multipart_upload=parts
                )
            )
            listed = await client.list_objects_v2(oss_v2.ListObjectsV2Request(bucket=name, max_keys=10))
            assert [one.key for one in listed.contents] == ["a/ü", "big"]
            doomed = [oss_v2.DeleteObject(key=one.key) for one in listed.contents]
            gone = await client.delete_multiple_objects(
                oss_v2.DeleteMultipleObjectsRequest(bucket=name, objects=doomed)
            )
            assert [one.key for one in gone.deleted_objects] == ["a/ü", "big"]
            with pytest.raises(oss_v2.exceptions.OperationError, match="NoSuchKey"):
                await client.get_object(oss_v2.GetObjectRequest(bucket=name, key="big"))
            await client.delete_bucket(oss_v2.DeleteBucketRequest(bucket=name))
