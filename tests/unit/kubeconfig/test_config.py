"""Kubeconfig files survive whatever is done to them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kcp.kubeconfig import Entry, KubeconfigError, Locations, edit, enter, files, load, locate, swap, text

SIMPLE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "preferences": {"colors": True},
    "current-context": "mine",
    "clusters": [
        {
            "name": "c",
            "cluster": {"server": "https://h/clusters/root", "certificate-authority": "ca.crt", "new": [1, 2]},
        }
    ],
    "contexts": [
        {"name": "mine", "context": {"cluster": "c", "user": "u", "namespace": "n", "extensions": [{"a": 1}]}}
    ],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "unheard-of": {"deep": ["x", None, 1.5]},
}


def write(path: Path, document: object) -> Path:
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def one(path: Path) -> Locations:
    return Locations((str(path),), explicit=False)


def test_the_flag_comes_before_the_variable_and_the_variable_before_the_home_directory(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "KUBECONFIG": f"{tmp_path}/a:{tmp_path}/b::{tmp_path}/a"}
    assert locate("/x/y", environment) == Locations(("/x/y",), explicit=True)
    assert locate("", environment).paths == (f"{tmp_path}/a", f"{tmp_path}/b")
    assert locate("", {"HOME": str(tmp_path)}).paths == (f"{tmp_path}/.kube/config",)


def test_the_first_file_that_has_an_entry_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "a", {**SIMPLE, "current-context": ""})
    second = write(tmp_path / "b", {**SIMPLE, "contexts": [{"name": "mine", "context": {"cluster": "other"}}]})
    config = load(Locations((str(tmp_path / "missing"), str(first), str(second)), explicit=False))
    assert config.current_context == "mine"
    assert config.contexts["mine"].body["cluster"] == "c"
    assert config.clusters["c"].file == str(first)


def test_a_file_named_by_a_flag_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r'error loading config file ".*missing": No such file or directory'):
        load(Locations((str(tmp_path / "missing"),), explicit=True))


def test_what_nobody_here_knows_survives_a_switch(tmp_path: Path) -> None:
    path = write(tmp_path / "config", SIMPLE)
    with edit(one(path)) as config:
        enter(config, "https://h/clusters/root:org")
    after = yaml.safe_load(path.read_text())
    assert list(after) == list(SIMPLE)  # in the same order
    assert after["unheard-of"] == SIMPLE["unheard-of"]
    assert after["clusters"][0] == SIMPLE["clusters"][0]
    assert after["contexts"][0] == SIMPLE["contexts"][0]
    current = {entry["name"]: entry["cluster"] for entry in after["clusters"]}["workspace.kcp.io/current"]
    assert current == {**SIMPLE["clusters"][0]["cluster"], "server": "https://h/clusters/root:org"}


def test_a_copy_goes_where_its_original_is_so_that_relative_paths_stay_true(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    main = write(tmp_path / "main", {"apiVersion": "v1", "kind": "Config", "current-context": "mine"})
    other = write(tmp_path / "sub" / "other", {**SIMPLE, "current-context": ""})
    locations = Locations((str(main), str(other)), explicit=False)
    with edit(locations) as config:
        enter(config, "https://h/clusters/root:org")
    assert yaml.safe_load(main.read_text()) == {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "workspace.kcp.io/current",
    }
    assert load(locations).clusters["workspace.kcp.io/current"].path("certificate-authority") == str(
        tmp_path / "sub" / "ca.crt"
    )


def test_an_entry_written_into_another_directory_keeps_its_paths_by_making_them_absolute(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    shadowing = {**SIMPLE, "clusters": [{"name": "workspace.kcp.io/current", "cluster": {"server": "https://old"}}]}
    main = write(tmp_path / "main", {**shadowing, "contexts": [], "users": []})
    other = write(tmp_path / "sub" / "other", SIMPLE)
    locations = Locations((str(main), str(other)), explicit=False)
    with edit(locations) as config:
        enter(config, "https://h/clusters/root:org")
    entry = load(locations).clusters["workspace.kcp.io/current"]
    assert entry.file == str(main)
    assert entry.body["server"] == "https://h/clusters/root:org"
    assert entry.path("certificate-authority") == str(tmp_path / "sub" / "ca.crt")


def test_new_entries_go_to_the_first_file_that_exists_else_to_the_last(tmp_path: Path) -> None:
    locations = Locations((str(tmp_path / "a"), str(tmp_path / "b")), explicit=False)
    assert locations.default == str(tmp_path / "b")
    with edit(locations) as config:
        config.set_cluster("new", Entry({"server": "https://h"}, locations.default))
        config.set_current_context("x")
    assert not (tmp_path / "a").exists()
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600
    assert load(locations).current_context == "x"


def test_mode_and_link_are_kept(tmp_path: Path) -> None:
    target = write(tmp_path / "real", SIMPLE)
    target.chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    with edit(one(tmp_path / "link")) as config:
        config.set_current_context("other")
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert yaml.safe_load(target.read_text())["current-context"] == "other"


def test_nothing_is_written_when_nothing_changed_or_something_failed(tmp_path: Path) -> None:
    path = write(tmp_path / "config", SIMPLE)
    before = path.read_bytes(), path.stat().st_ino
    with edit(one(path)) as config:
        config.set_current_context("mine")
    with pytest.raises(RuntimeError, match="thought better"):
        change_and_fail(one(path))
    assert (path.read_bytes(), path.stat().st_ino) == before
    assert sorted(os.listdir(tmp_path)) == ["config"]


def change_and_fail(locations: Locations) -> None:
    with edit(locations) as config:
        enter(config, "https://h/clusters/x")
        raise RuntimeError("thought better of it")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "config", SIMPLE)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KubeconfigError, match="cannot be written: No space left on device"), edit(one(path)) as config:
        config.set_current_context("other")
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["config"]


def test_a_lock_of_somebody_else_is_waited_for_and_then_told(tmp_path: Path) -> None:
    path, now = str(tmp_path / "config"), [0.0]
    Path(f"{path}.lock").touch()

    def sleep(seconds: float) -> None:
        now[0] += seconds

    locked = files.locked([path], lambda: now[0], sleep)
    with pytest.raises(KubeconfigError, match=r"is locked by another program; remove .*config\.lock if none"), locked:
        pass
    assert now[0] >= files.LOCK_SECONDS
    assert Path(f"{path}.lock").exists()  # not ours to remove

    def released(seconds: float) -> None:
        Path(f"{path}.lock").unlink()

    with files.locked([path], lambda: 0.0, released):
        assert Path(f"{path}.lock").exists()
    assert not Path(f"{path}.lock").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"a: [", "line 2: did not find expected node content"),
        (b"a: b: c", "line 1: "),
        (b"- a", "it is not a mapping"),
        (b"just words", "it is not a mapping"),
        (b"kind: Pod", "its kind is not Config"),
        (b"apiVersion: v2", "its apiVersion is not v1"),
        (b"clusters: {}", "clusters is not a list"),
        (b"clusters: [1]", r"clusters\[0\] has no name"),
        (b"users: [{user: {}}]", r"users\[0\] has no name"),
        (b"clusters: [{name: a, cluster: []}]", r"clusters\[0\]\.cluster is not a mapping"),
        (b"clusters: [{name: a, cluster: {server: []}}]", r"cluster\.server is not a string"),
        (b"users: [{name: a, user: {token: {}}}]", r"user\.token is not a string"),
        (b"current-context: []", "current-context is not a string"),
        (b"a: &a [*a]\nkind: *a", "its kind is not Config"),
        (b"[" * 100_000, "it is not YAML"),
        (b"- " * 100_000, "it is not YAML"),
        (b"a: \n" + b"\n".join(b" " * n + b"a:" for n in range(2_000)), "it is not YAML"),
        (b'{"kind": ' + b"[" * 100_000, "line |it is not YAML"),
        (b"!!python/object/apply:os.system [echo]", "line 1: "),
        (b"a: 2024-99-99\nkind: Pod", "its kind is not Config"),
        (b"? [a]\n: b", "line 1: found unhashable key"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_one_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    with pytest.raises(KubeconfigError, match=complaint) as raised:
        load(one(path))
    assert str(raised.value).startswith(f'error loading config file "{path}": ')
    assert "\n" not in str(raised.value)


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r'error loading config file ".*": Is a directory'):
        load(one(tmp_path))


@pytest.mark.parametrize(
    "line",
    ["token: 0123", "token: 1e3", "token: 12e45678", "token: 1_000", "token: 2024-01-01", "token: 0x1F", "token: y"],
)
def test_an_unquoted_token_is_its_text_and_is_written_back_as_it_was(line: str) -> None:
    document = text.parse(line.encode())
    assert document["token"] == line.removeprefix("token: ")
    assert text.render(document) == f"{line}\n"


@pytest.mark.parametrize(
    "token", ["n", "Y", "no", "1e3", "0123", "12:30", "null", "~", "true", "12e45", "", " a", "0o17", "+1"]
)
def test_a_quoted_token_that_a_reader_could_take_for_something_else_stays_quoted(token: str) -> None:
    document = text.parse(f'token: "{token}"'.encode())
    assert text.render(document) == f'token: "{token}"\n'


def test_a_document_of_json_with_tabs_is_read() -> None:
    assert text.parse(b'{\n\t"kind":\t"Config"}') == {"kind": "Config"}


scalars = st.none() | st.booleans() | st.text("yn01e.:-#'\"\\ \n\té\u2028\U0001f40e~{[&*!|>%@`", max_size=8)
keys = st.text("abc-é0n~", max_size=3)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2), max_leaves=6
)


@given(st.dictionaries(st.text("abcy0-", min_size=1, max_size=5), documents, max_size=4))
def test_any_document_is_written_so_that_it_reads_the_same(document: dict[str, Any]) -> None:
    written = text.render(document)
    assert text.parse(written.encode()) == document
    assert yaml.safe_load(written) == document


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_one_line(content: bytes) -> None:
    try:
        text.parse(content)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most inputs raise nothing


names = st.text("abc.:/é -n1", min_size=1, max_size=8)
entries = st.dictionaries(names, st.dictionaries(st.sampled_from(["x", "y", "namespace"]), st.text("a1n", max_size=3)))


@given(clusters=entries, contexts=entries, paths=st.lists(st.sampled_from(["a", "b:c", "d"]), min_size=1, max_size=5))
def test_any_walk_leaves_every_entry_of_a_person_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    clusters: dict[str, dict[str, str]],
    contexts: dict[str, dict[str, str]],
    paths: list[str],
) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "mine",
        "clusters": [
            {"name": "c", "cluster": {"server": "https://h/clusters/root"}},
            *({"name": f"p-{name}", "cluster": body} for name, body in clusters.items()),
        ],
        "contexts": [
            {"name": "mine", "context": {"cluster": "c", "user": "u"}},
            *({"name": f"p-{name}", "context": body} for name, body in contexts.items()),
        ],
    }
    path = write(tmp_path_factory.mktemp("walk") / "config", document)
    urls = ["https://h/clusters/root", *(f"https://h/clusters/{place}" for place in paths)]
    for url in urls[1:]:
        with edit(one(path)) as config:
            enter(config, url)
    with edit(one(path)) as config:
        swap(config)
    after = yaml.safe_load(path.read_text())
    for kind in ("clusters", "contexts"):
        kept = [entry for entry in after[kind] if not entry["name"].startswith("workspace.kcp.io/")]
        assert kept == document[kind]
    config = load(one(path))
    assert config.clusters[config.contexts["workspace.kcp.io/current"].body["cluster"]].body["server"] == urls[-2]
    assert config.clusters[config.contexts["workspace.kcp.io/previous"].body["cluster"]].body["server"] == urls[-1]
