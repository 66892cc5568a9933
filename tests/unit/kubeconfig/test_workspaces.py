"""Targets, paths and URLs of workspaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcp.kubeconfig import NotAWorkspaceError, PathError, Place, parse_type, place_of, resolve


def go(target: str, current: str = "root:org:team") -> str:
    return resolve(target, current, find_home=lambda: "homecluster", home_directory="/home/me")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("", "homecluster"),
        ("~", "homecluster"),
        ("~:a:b", "homecluster:a:b"),
        ("/home/me", "homecluster"),
        ("/home/me/a", "homecluster:a"),
        ("/home/meadow", "home:meadow"),
        (".", "root:org:team"),
        (".:x", "root:org:team:x"),
        ("..", "root:org"),
        ("../..", "root"),
        ("..:other", "root:org:other"),
        ("a:..:b", "root:org:team:b"),
        (":", "root"),
        ("/", "root"),
        (":root:org", "root:org"),
        ("/root/org", "root:org"),
        ("root", "root"),
        ("root:zoo", "root:zoo"),
        ("org", "root:org:team:org"),
        ("org:team", "root:org:team:org:team"),
        ("rooted", "root:org:team:rooted"),
        (":system:admin", "system:admin"),
    ],
)
def test_a_target_leads_to_a_path(target: str, path: str) -> None:
    assert go(target) == path


@pytest.mark.parametrize(
    "target", ["a::b", "::", "UPPER", "a_b", "*", ":*", "-x", "x-", ":root:", "a" * 64, "é", "a b"]
)
def test_what_is_no_path_is_told_as_it_was_typed(target: str) -> None:
    with pytest.raises(PathError, match=r"^invalid workspace path: "):
        go(target)


@pytest.mark.parametrize("target", ["..:..:..", ":root:..", "~:..", ":system:admin:.."])
def test_nobody_goes_above_the_root(target: str) -> None:
    with pytest.raises(PathError, match=r"^(cannot go up from root|invalid workspace path: .*)$"):
        go(target)


def test_a_relative_target_in_a_system_cluster_goes_nowhere_above_it() -> None:
    with pytest.raises(PathError, match="cannot go up from root"):
        go("..", "system:admin")
    assert go(":", "system:admin") == "system:admin"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://h/clusters/root", Place("https://h", "root")),
        ("https://h:1/clusters/root:org/api/v1?x", Place("https://h:1", "root:org")),
        ("https://h/some/where/clusters/a:b/", Place("https://h/some/where", "a:b")),
        ("https://[::1]:6443/clusters/system:admin", Place("https://[::1]:6443", "system:admin")),
        ("https://h/clusters/root%3Aorg", Place("https://h", "root:org")),
    ],
)
def test_a_url_leads_to_a_workspace(url: str, place: Place) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize(
    "url",
    ["", "https://h", "https://h/clusters/", "https://h/clusters/*", "/clusters/root", "https://[/clusters/a", "x"],
)
def test_a_url_that_leads_to_none_is_named(url: str) -> None:
    with pytest.raises(NotAWorkspaceError) as raised:
        place_of(url)
    assert str(raised.value) == f'current URL "{url}" does not point to a workspace'


def test_parents() -> None:
    assert Place("b", "root:org").parent == Place("b", "root")
    assert Place("b", "root").parent is None
    assert Place("b", "system:admin").parent is None


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("Universal", {"name": "universal"}),
        ("root:Team", {"name": "team", "path": "root"}),
        (":root:org:t", {"name": "t", "path": "root:org"}),
    ],
)
def test_types_are_names_with_or_without_a_path(text: str, reference: dict[str, str]) -> None:
    assert parse_type(text) == reference


words = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True).filter(lambda word: word != "root")


@given(st.lists(words, max_size=4), st.lists(words, min_size=1, max_size=4))
def test_going_down_and_up_again_ends_where_it_began(above: list[str], below: list[str]) -> None:
    current = ":".join(["root", *above])
    down = go(":".join(below), current)
    assert down == ":".join([current, *below])
    assert go(":".join([".."] * len(below)), down) == current
    assert go(f":{down}", "elsewhere") == down
    assert go(f"/{down.replace(':', '/')}", "elsewhere") == down
    assert place_of(Place("https://h", down).url) == Place("https://h", down)


@given(st.text(max_size=30))
def test_any_target_is_a_path_or_one_line(target: str) -> None:
    try:
        path = go(target)
    except PathError:
        return
    assert place_of(Place("https://h", path).url).path == path
