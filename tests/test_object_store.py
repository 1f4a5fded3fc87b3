"""Outputs under a URL, in the bucket of a real S3 server: whole or absent, all or none."""

from __future__ import annotations

# ruff: noqa: PT012 - a failure within the context is what is tested
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from badpix_selfcal import SelfcalWarning
from badpix_selfcal.files import requests
from badpix_selfcal.files.location import RemoteFile, locate, output_directory
from badpix_selfcal.files.outputs import MOVES, Outputs, existing

fsspec = pytest.importorskip("fsspec", reason="needs the extra cloud")
s3fs = pytest.importorskip("s3fs", reason="needs the extra cloud")

COPIES = r"\.part$"

pytestmark = pytest.mark.usefixtures("scratch")


def write(outputs, name, text="new"):
    final = outputs.claim(name)
    outputs.part(final).write_text(text)
    return final


def publish(directory, names="abc", *, overwrite=False, inputs=()):
    with Outputs(directory, inputs, overwrite=overwrite) as outputs:
        for final in outputs.claim_all([*names]):
            outputs.part(final).write_text("new")
        outputs.publish()


def there(bucket):
    return RemoteFile(bucket.url)


def paths(bucket, method):
    """Return the keys of the requests of a method."""
    return [path.partition("?")[0] for each, path in bucket.proxy.requests if each == method]


# What is written


@pytest.mark.parametrize(
    ("given", "prefix"),
    [("", ""), ("/", ""), ("/x", "x/"), ("/x/", "x/"), ("/x/../y", "y/"), ("/x.1/y.", "x.1/y./")],
)
def test_objects_lie_under_the_url_alone(bucket, given, prefix):
    with Outputs(output_directory(bucket.url + given)) as outputs:
        assert str(write(outputs, "a.fits", "1")) == f"{bucket.url}/{prefix}a.fits"
        write(outputs, "b.json", "2")
        outputs.publish()
    assert bucket.contents() == {f"{prefix}a.fits": "1", f"{prefix}b.json": "2"}


def test_nothing_arrives_before_publishing(bucket, scratch):
    with Outputs(there(bucket)) as outputs:
        final = write(outputs, "a")
        assert outputs.part(final).is_relative_to(scratch)
        assert not paths(bucket, "PUT")
    assert bucket.contents() == {}


def test_overwriting_replaces_objects_and_leaves_no_copies(bucket):
    bucket.write(a="old", b="old", other="other")
    publish(there(bucket), overwrite=True)
    assert bucket.contents() == {"a": "new", "b": "new", "c": "new", "other": "other"}


def test_a_single_object_is_replaced_by_a_single_upload(bucket):
    bucket.write(a="old")
    bucket.proxy.requests.clear()
    publish(there(bucket), "a", overwrite=True)
    assert paths(bucket, "PUT") == [f"/{bucket.name}/a"]
    assert bucket.contents() == {"a": "new"}


def test_uploads_run_in_parallel_but_not_without_bound(bucket):
    with Outputs(there(bucket)) as outputs:
        for final in outputs.claim_all("abcdefghij"):
            outputs.part(final).write_text("new")
        bucket.proxy.delay = 0.2
        outputs.publish()
        bucket.proxy.delay = 0.0
    assert 1 < bucket.proxy.most_at_once <= MOVES
    assert len(bucket.contents()) == 10


def test_several_threads_write_parts(bucket):
    names = [f"{number}" for number in range(40)]
    with Outputs(there(bucket)) as outputs:
        finals = outputs.claim_all(names)
        with ThreadPoolExecutor(8) as threads:
            parts = [*threads.map(outputs.part, finals * 3)]
        assert len({*parts}) == 40
        for part, name in zip(parts, names * 3, strict=True):
            part.write_text(name)
        outputs.publish()
    assert bucket.contents() == {name: name for name in names}


# What is refused


def test_an_existing_object_is_refused_without_overwrite(bucket):
    bucket.write(a="old")
    with Outputs(there(bucket)) as outputs:
        for claim in (lambda: outputs.claim("a"), lambda: outputs.claim_all(["b", "a"])):
            with pytest.raises(FileExistsError, match=f"^{bucket.url}/a exists already"):
                claim()
    assert bucket.contents() == {"a": "old"}


@pytest.mark.parametrize("names", ["a", "abc"])
def test_an_object_that_another_client_wrote_is_seen_though_fsspec_listed_before(bucket, names):
    bucket.write(x="x")
    assert bucket.system.ls(bucket.name)  # fsspec would answer from this listing
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file(f"{bucket.name}/a", b"theirs")
    with Outputs(there(bucket)) as outputs, pytest.raises(FileExistsError, match="exists already"):
        outputs.claim_all([*names])


def test_an_object_that_appeared_during_the_run_is_kept(bucket):
    with (
        pytest.raises(FileExistsError, match=f"{bucket.url}/b exists already"),
        Outputs(there(bucket)) as outputs,
    ):
        for name in "abc":
            write(outputs, name)
        bucket.write(b="theirs")
        outputs.publish()
    assert bucket.contents() == {"b": "theirs"}


def test_an_object_that_appeared_just_before_its_upload_is_kept(bucket):
    """The store itself refuses to replace it; moto knows conditional writes."""
    theirs = s3fs.S3FileSystem(skip_instance_cache=True, endpoint_url=bucket.proxy.url)
    bucket.proxy.before("PUT", "/b$", lambda: theirs.pipe_file(f"{bucket.name}/b", b"theirs"))
    with pytest.raises(FileExistsError, match=f"{bucket.url}/b appeared during the run"):
        publish(there(bucket))
    assert bucket.contents() == {"b": "theirs"}


def test_an_upload_whose_answer_is_lost_is_our_own(bucket, monkeypatch):
    """The second try is refused, because the first one has written the object."""
    monkeypatch.setattr(requests, "PAUSES", (0.01,) * 3)
    bucket.proxy.lose_answer("PUT", "/b$")
    publish(there(bucket))
    assert bucket.contents() == dict.fromkeys("abc", "new")
    assert paths(bucket, "PUT").count(f"/{bucket.name}/b") == 2


def test_a_store_without_conditional_writes_is_asked_before(bucket):
    bucket.proxy.refuse("PUT", "", "501 NotImplemented", header="If-None-Match")
    publish(there(bucket))
    assert bucket.contents() == dict.fromkeys("abc", "new")
    with pytest.raises(FileExistsError, match="exists already"):
        publish(there(bucket), "b")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("protocol", ["s3", "s3a", "S3"])
def test_an_input_is_never_replaced(bucket, protocol, overwrite):
    bucket.write(a="input")
    given = RemoteFile(f"{protocol}://{bucket.name}/a")
    with pytest.raises(FileExistsError, match=f"{bucket.url}/a: would replace the input {given}"):
        publish(there(bucket), "ba", overwrite=overwrite, inputs=[given])
    assert bucket.contents() == {"a": "input"}


def test_objects_beside_an_input_may_be_written(bucket, tmp_path):
    bucket.write(a="input", ab="old")
    inputs = [there(bucket) / "a", tmp_path / "b", RemoteFile("https://127.0.0.1/b")]
    publish(there(bucket), ["ab", "b"], overwrite=True, inputs=inputs)
    assert bucket.contents() == {"a": "input", "ab": "new", "b": "new"}


@pytest.mark.parametrize("url", ["http://127.0.0.1/x", "https://127.0.0.1/x", "HTTPS://h/x"])
def test_a_web_server_is_refused_at_once(url):
    with pytest.raises(ValueError, match=rf"^{url}: outputs cannot be written to https?:// URLs"):
        output_directory(url)


@pytest.mark.parametrize("protocol", ["http", "https", "memory", "data"])
def test_a_protocol_that_is_no_object_store_is_refused_at_once(protocol):
    with pytest.raises(ValueError, match=f"^{protocol}://x: outputs cannot be written to"):
        publish(RemoteFile(f"{protocol}://x"))


def test_an_unknown_protocol_is_named():
    with pytest.raises(OSError, match=r"^xyz://x: cannot be opened: .*xyz"):
        publish(RemoteFile("xyz://x"))


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(OSError, match=r'^s3://x: .* pip install "\.\[cloud\]"'):
        publish(RemoteFile("s3://x"))


@pytest.mark.parametrize("mark", "?#")
def test_an_ambiguous_url_is_refused(mark):
    with pytest.raises(ValueError, match=r"must not contain \? or #"):
        output_directory(f"s3://b/x{mark}y")


@pytest.mark.parametrize("names", ["a", "abc"])
def test_a_missing_bucket_is_named_before_anything_is_done(bucket, names):
    with (
        Outputs(RemoteFile(f"{bucket.url}-absent/x")) as outputs,
        pytest.raises(OSError, match=f"^{bucket.url}-absent/x.*: .*bucket does not exist"),
    ):
        outputs.claim_all([*names])


def test_a_store_that_may_not_be_listed_is_named(bucket):
    bucket.proxy.refuse("HEAD", "/a$")
    with (
        Outputs(there(bucket)) as outputs,
        pytest.raises(OSError, match=f"^{bucket.url}/a: cannot be looked up: "),
    ):
        outputs.claim("a")


# What a failure leaves


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_before_publishing_leaves_nothing(bucket, error):
    with pytest.raises(error), Outputs(there(bucket)) as outputs:
        write(outputs, "a")
        raise error
    assert bucket.contents() == {}


@pytest.mark.parametrize(
    ("old", "overwrite"), [("", False), ("", True), ("ac", True), ("abc", True), ("b", True)]
)
def test_a_refused_upload_undoes_the_others(bucket, old, overwrite):
    bucket.write(**dict.fromkeys(old, "old"))
    bucket.proxy.refuse("PUT", "/b$")
    with pytest.raises(OSError, match=f"^{bucket.url}/b: cannot be written: AccessDenied"):
        publish(there(bucket), overwrite=overwrite)
    assert bucket.contents() == dict.fromkeys(old, "old")


@pytest.mark.parametrize("old", ["", "ab"])
def test_an_upload_cut_half_way_leaves_no_object(bucket, old):
    bucket.write(**dict.fromkeys(old, "old"))
    bucket.proxy.refuse("PUT", "/b$", "cut")
    with pytest.raises(OSError, match=f"^{bucket.url}/b: cannot be written: "):
        publish(there(bucket), "ab", overwrite=True)
    assert bucket.contents() == dict.fromkeys(old, "old")


def test_an_upload_in_parts_that_fails_leaves_neither_object_nor_parts(bucket):
    bucket.proxy.refuse("PUT", "partNumber=2")
    with (
        pytest.raises(OSError, match=f"^{bucket.url}/a: cannot be written: "),
        Outputs(there(bucket)) as outputs,
    ):
        with outputs.part(outputs.claim("a")).open("wb") as file:
            file.truncate(101 << 20)  # s3fs uploads 100 MiB and more in parts
        outputs.publish()
    assert ("POST", f"/{bucket.name}/a?uploads") in bucket.proxy.requests
    assert bucket.contents() == {}
    assert not bucket.system.list_multipart_uploads(bucket.name)


def test_an_output_that_was_not_written_is_named(bucket):
    with (
        pytest.raises(FileNotFoundError, match=f"{bucket.url}/b: .*was not written"),
        Outputs(there(bucket)) as outputs,
    ):
        write(outputs, "a")
        outputs.part(outputs.claim("b"))
        outputs.publish()
    assert bucket.contents() == {}


@pytest.mark.parametrize("old", ["", "abc"])
def test_an_interrupt_ends_the_uploads_and_undoes_them(bucket, old):
    bucket.write(**dict.fromkeys(old, "old"))

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)  # the upload ends after the interrupt

    bucket.proxy.before("PUT", "/b$", interrupt)
    with pytest.raises(KeyboardInterrupt):
        publish(there(bucket), overwrite=True)
    assert bucket.contents() == dict.fromkeys(old, "old")


def test_what_cannot_be_undone_is_listed(bucket):
    bucket.proxy.refuse("PUT", "/b$")
    bucket.proxy.refuse("DELETE", "/a$")
    with pytest.raises(OSError, match=f"{bucket.url}/b: cannot be written") as caught:
        publish(there(bucket), "ab")
    (note,) = caught.value.__notes__
    assert note.startswith(f"could not be undone: {bucket.url}/a: cannot be removed: ")
    assert bucket.contents() == {"a": "new"}


def test_a_copy_that_cannot_be_removed_is_a_warning(bucket):
    bucket.write(a="old", b="old")
    bucket.proxy.refuse("DELETE", COPIES)
    with pytest.warns(SelfcalWarning, match=rf"removed: {bucket.url}/\.[ab]\..*part: cannot be"):
        publish(there(bucket), "ab", overwrite=True)
    found = bucket.contents()
    assert (found.pop("a"), found.pop("b"), [*found.values()]) == ("new", "new", ["old"] * 2)


def test_two_runs_that_publish_one_name_have_one_winner(bucket):
    bucket.proxy.delay = 0.05
    won = []

    def run(text):
        with Outputs(there(bucket)) as outputs:
            write(outputs, "a", text)
            barrier.wait()
            try:
                outputs.publish()
            except FileExistsError:
                return
            won.append(text)

    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(run, "1234"):
            pass
    (text,) = won
    assert bucket.contents() == {"a": text}


# What is there


def test_what_exists(bucket, tmp_path):
    bucket.system.pipe_file(f"{bucket.name}/x/a", b"1")
    bucket.system.pipe_file(f"{bucket.name}/x/deep/b", b"1")
    (tmp_path / "a").write_text("1")
    (tmp_path / "deep").symlink_to("gone")
    for directory, expected in ((there(bucket) / "x", {"a"}), (tmp_path, {"a", "deep"})):
        assert existing(directory, ["a", "b", "deep"]) == expected
        assert existing(directory / "absent", ["a", "b"]) == set()
        assert existing(directory, []) == set()


def test_many_names_are_looked_up_by_one_listing(bucket):
    for number in range(20):
        bucket.system.pipe_file(f"{bucket.name}/x/{number}", b"1")
    bucket.proxy.requests.clear()
    names = [f"{number}" for number in range(10, 30)]
    assert existing(there(bucket) / "x", names) == {*names[:10]}
    assert len(bucket.proxy.requests) == 1


def test_a_url_of_this_machine_is_a_path(tmp_path):
    assert locate((tmp_path / "a b").as_uri()) == tmp_path / "a b"
    assert output_directory(tmp_path.as_uri()) == tmp_path
