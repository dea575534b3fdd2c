"""Heads that the parser accepts: what is checked besides."""

import pytest

from order_api.http.problems.problem import Problem
from order_api.http.problems.rejections import ExpectationFailed, HeadTooLarge, MalformedRequest
from order_api.http.request_head import MAX_FIELDS, MAX_HEAD_BYTES, Field, RequestHead, read_head

HOST: Field = (b"host", b"api")


def read(
    target: bytes = b"/", *fields: Field, version: str = "1.1", method: bytes = b"GET", upgrade: bool = False
) -> RequestHead:
    return read_head(version, method, target, list(fields), upgrade=upgrade)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a/b?c=d?e", b"/a/b", b"c=d?e"),
        (b"//a/b", b"//a/b", b""),
        (b"/a:b@c", b"/a:b@c", b""),
        (b"http://other:81/a?b", b"/a", b"b"),
        (b"HTTPS://other", b"/", b""),
        (b"http://[::1]:80/a", b"/a", b""),
    ],
)
def test_targets(target: bytes, path: bytes, query: bytes) -> None:
    assert read(target, HOST)[:2] == (path, query)


@pytest.mark.parametrize(
    "target",
    [b"", b"a", b"*", b"/a#b", b"http://a/#b", b"http://user@a/", b"http://u:p@a/", b"ftp://a/b", b"a:80", b"http://"],
)
def test_targets_that_are_refused(target: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read(target, HOST)


def test_an_asterisk_is_for_options() -> None:
    assert read(b"*", HOST, method=b"OPTIONS").path == b"*"


@pytest.mark.parametrize(
    ("target", "host"),
    [(b"http://other/", b"other"), (b"http://other:81/", b"other:81"), (b"http://[::1]:81/", b"[::1]:81")],
)
def test_the_host_of_the_target_comes_before_that_of_the_header(target: bytes, host: bytes) -> None:
    fields = [(b"accept", b"*/*"), HOST]
    read_head("1.1", b"GET", target, fields, upgrade=False)
    assert sorted(fields) == [(b"accept", b"*/*"), (b"host", host)]


@pytest.mark.parametrize("host", [b"api", b"api:8000", b"127.0.0.1:80", b"[::1]:80", b"", b"api:", b"a_b-c.d~e"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_valid_hosts_are_accepted(host: bytes, version: str) -> None:
    assert read(b"/", (b"host", host), version=version).path == b"/"


@pytest.mark.parametrize("host", [b"a b", b"a, b", b"a/b", b"a@b", b"a?b", b"a:b", b"a:123456", b"[a", b"\xe9"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_hosts_that_are_none(host: bytes, version: str) -> None:
    with pytest.raises(MalformedRequest, match="is not a host"):
        read(b"/", (b"host", host), version=version)


def test_a_host_is_sent_once() -> None:
    with pytest.raises(MalformedRequest, match="missing"):
        read(b"/")
    assert read(b"/", version="1.0").path == b"/"
    for version in ("1.0", "1.1"):
        with pytest.raises(MalformedRequest, match="more than once"):
            read(b"/", HOST, HOST, version=version)


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2"])
def test_other_versions(version: str) -> None:
    with pytest.raises(MalformedRequest, match=version):
        read(b"/", HOST, version=version)


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity", b"chunked, chunked", b"", b"xchunked", b"gzip"])
def test_codings_that_are_not_known(coding: bytes) -> None:
    with pytest.raises(MalformedRequest, match="only chunked"):
        read(b"/", HOST, (b"transfer-encoding", coding))


def test_codings() -> None:
    assert read(b"/", HOST, (b"transfer-encoding", b"Chunked")).path == b"/"
    with pytest.raises(MalformedRequest, match=r"HTTP/1\.0"):
        read(b"/", (b"transfer-encoding", b"chunked"), version="1.0")


def test_expectations() -> None:
    assert read(b"/", HOST, (b"expect", b"100-Continue")).expects_continue
    assert not read(b"/", HOST).expects_continue
    assert not read(b"/", (b"expect", b"200-maybe"), version="1.0").expects_continue
    with pytest.raises(ExpectationFailed, match="200-maybe"):
        read(b"/", HOST, (b"expect", b"200-maybe"))


@pytest.mark.parametrize("framing", [(b"content-length", b"5"), (b"transfer-encoding", b"chunked")])
def test_an_upgrade_has_no_body(framing: Field) -> None:
    with pytest.raises(MalformedRequest, match="upgrade"):
        read(b"/", HOST, framing, upgrade=True)
    assert read(b"/", HOST, (b"content-length", b"0"), upgrade=True).path == b"/"


@pytest.mark.parametrize(
    "fields",
    [
        [(b"a", b"x" * MAX_HEAD_BYTES)],
        [(b"a" * 600, b"")] * 60,
        [(b"a", b"")] * MAX_FIELDS,
        [(b"", b"")] * MAX_FIELDS,
    ],
    ids=["one", "names", "tiny", "empty"],
)
def test_heads_beyond_the_limit_are_rejected(fields: list[Field]) -> None:
    with pytest.raises(HeadTooLarge):
        read(b"/", HOST, *fields)


def test_every_refusal_says_what_to_do_within_a_line() -> None:
    for fields in ([], [HOST, HOST], [(b"host", b"a b" * 9999)], [HOST, (b"transfer-encoding", b"x" * 9999)]):
        with pytest.raises(Problem) as refused:
            read(b"/", *fields)
        assert len(refused.value.detail) < 200
