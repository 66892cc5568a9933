"""What the syncer decides about one object, from what both clusters have of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kcp.syncer.names import CONTENT_ANNOTATION, LEAVE_ALONE_ANNOTATION, BadNameError, Site
from kcp.syncer.plan import Apply, Delete, Hold, Kind, Refuse, Release, WriteStatus, decide
from kcp.syncer.transform import Reference, desired, references, status_up

Object = dict[str, Any]
SITE = Site("one", "east")
KIND = Kind("apps/v1", "Deployment", True, True)
SECRET = Kind("v1", "Secret", False, False)


def above(**metadata: object) -> Object:
    base = {
        "name": "web",
        "namespace": "demo",
        "uid": "u1",
        "resourceVersion": "7",
        "generation": 4,
        "labels": {"workload.kcp.io/cluster": "east", "app": "web"},
        "finalizers": [SITE.finalizer, "other.io/kept"],
        "ownerReferences": [{"uid": "x"}],
        "managedFields": [{"manager": "kubectl"}],
        "creationTimestamp": "2020-01-01T00:00:00Z",
    }
    return {
        "metadata": {**base, **metadata},
        "spec": {"replicas": 2, "minReadySeconds": 1, "paused": None},
        "status": {},
    }


def below(thing: Object | None = None, **metadata: object) -> Object:
    """Return what stands downstream after `thing` was applied."""
    made = copy.deepcopy(desired(SITE, thing or above(), "apps/v1", "Deployment"))
    names = made["metadata"]
    fields = {
        "f:metadata": {part: {f"f:{name}": {} for name in names[part[2:]]} for part in ("f:labels", "f:annotations")},
        "f:spec": {"f:replicas": {}, "f:minReadySeconds": {}},
    }
    entry = {"manager": SITE.manager, "operation": "Apply", "fieldsV1": fields}
    names.update({"uid": "d1", "generation": 9, "managedFields": [entry], **metadata})
    return made


def test_what_goes_down_has_no_life_of_its_own() -> None:
    made = desired(SITE, above(), "apps/v1", "Deployment")
    assert made["spec"] == {"replicas": 2, "minReadySeconds": 1}
    assert made.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert made["metadata"].keys() == {"name", "namespace", "labels", "annotations"}
    assert made["metadata"]["labels"] == {"app": "web", **SITE.labels}


@pytest.mark.parametrize(
    ("cluster", "namespace", "hashed"),
    [
        ("root:default", "default", "kcp108003f5edbdf7721127404a10b7b389c730f447e1451dd09305d508"),
        ("default:workspace1", "demo", "kcp3b8a81ddd018b9d9a3634b3be7f34f8a774fd44b7f2cddc82cbd78c3"),
    ],
)
def test_namespaces_are_named_by_their_locators_digest(cluster: str, namespace: str, hashed: str) -> None:
    assert Site(cluster, "east").namespace(namespace) == hashed


def test_what_is_new_is_held_before_it_is_made() -> None:
    steps = decide(SITE, KIND, above(finalizers=[]), None)
    assert [type(step) for step in steps] == [Hold, Apply]


def test_what_is_as_it_should_be_needs_nothing() -> None:
    assert decide(SITE, KIND, above(), below()) == []


def test_what_changed_upstream_is_applied_to_that_very_object() -> None:
    changed = above()
    changed["spec"]["replicas"] = 5
    [step] = decide(SITE, KIND, changed, below())
    assert isinstance(step, Apply)
    assert (step.uid, step.body["spec"]["replicas"]) == ("d1", 5)


@pytest.mark.parametrize("lost", ["f:replicas", "f:app", None])
def test_what_lost_a_field_downstream_is_applied_again(lost: str | None) -> None:
    edited = below()
    fields = edited["metadata"]["managedFields"][0]["fieldsV1"]
    if lost is None:
        edited["metadata"]["managedFields"] = []
    else:
        fields["f:spec"].pop(lost, None)
        fields["f:metadata"]["f:labels"].pop(lost, None)
    [step] = decide(SITE, KIND, above(), edited)
    assert isinstance(step, Apply)
    edited["metadata"]["annotations"][LEAVE_ALONE_ANNOTATION] = ""
    assert decide(SITE, KIND, above(), edited) == []


def test_status_comes_up_although_a_field_is_never_kept() -> None:
    pruned = {**below(), "status": {"replicas": 2}}
    del pruned["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:minReadySeconds"]
    steps = decide(SITE, KIND, above(), pruned)
    assert [type(step) for step in steps] == [Apply, WriteStatus]


def test_a_copy_goes_before_what_it_is_a_copy_of_is_let_go() -> None:
    going = above(deletionTimestamp="now")
    assert decide(SITE, KIND, going, below()) == [Delete("d1", "it is being deleted upstream")]
    assert decide(SITE, KIND, going, below(deletionTimestamp="now")) == []
    assert decide(SITE, KIND, going, None) == [Release()]


def test_what_is_placed_elsewhere_is_let_go() -> None:
    moved = above(labels={"workload.kcp.io/cluster": "west"})
    assert decide(SITE, KIND, moved, below()) == [Delete("d1", "it is not for this cluster")]
    assert decide(SITE, KIND, moved, None) == [Release()]
    assert decide(SITE, KIND, above(labels={}, finalizers=[]), None) == []


def test_what_is_gone_upstream_goes_downstream() -> None:
    assert decide(SITE, KIND, None, below()) == [Delete("d1", "it is gone upstream")]
    assert decide(SITE, KIND, None, None) == []


def foreign() -> Object:
    return {"metadata": {"name": "web", "namespace": SITE.namespace("demo"), "uid": "f1"}, "status": {"replicas": 1}}


def of_another_site() -> Object:
    thing = foreign()
    thing["metadata"]["labels"] = Site("two", "east").labels
    return thing


@pytest.mark.parametrize("stranger", [foreign(), of_another_site()])
def test_what_no_syncer_of_this_site_made_is_never_touched(stranger: Object) -> None:
    [step] = decide(SITE, KIND, above(), stranger)
    assert isinstance(step, Refuse)
    assert decide(SITE, KIND, above(deletionTimestamp="now"), stranger) == [Release()]
    assert decide(SITE, KIND, None, stranger) == []


def test_status_goes_to_the_uid_that_was_copied_and_to_no_other() -> None:
    rolled = {**below(), "status": {"replicas": 2}}
    assert decide(SITE, KIND, above(), rolled) == [WriteStatus({"replicas": 2})]
    [step] = decide(SITE, KIND, above(uid="u2"), rolled)
    assert isinstance(step, Delete)
    assert decide(SITE, Kind("apps/v1", "Deployment", False, True), above(), rolled) == []


def test_a_copy_that_claims_another_place_is_none() -> None:
    """Whoever may write downstream may forge the annotation."""
    forged = below()
    forged["metadata"]["name"] = "elsewhere"
    assert SITE.copy_of(forged) is None
    for said in ("", "{}", "[]", "null", '{"namespace":"demo","name":"web","uid":"u","generation":"x"}'):
        forged["metadata"]["annotations"]["workload.kcp.io/copy-of"] = said
        assert SITE.copy_of(forged) is None


@pytest.mark.parametrize(
    ("observed", "latest", "before", "told"), [(9, 9, 3, 4), (8, 9, 3, 3), (8, 9, 4, 3), (8, 9, None, 3), (10, 9, 1, 4)]
)
def test_a_generation_observed_downstream_is_told_as_the_one_that_was_copied(
    observed: int, latest: int, before: int | None, told: int
) -> None:
    thing = {**above(), "status": {} if before is None else {"observedGeneration": before}}
    copied = below(generation=latest)
    copied["status"] = {"observedGeneration": observed, "conditions": [{"type": "A", "observedGeneration": observed}]}
    found = SITE.copy_of(copied)
    assert found is not None
    status = status_up(thing, copied, found)
    assert (status["observedGeneration"], status["conditions"][0]["observedGeneration"]) == (told, told)


def test_what_goes_along_has_no_finalizer_and_goes_when_nobody_needs_it() -> None:
    secret: Object = {"metadata": {"name": "s", "namespace": "demo", "uid": "u9"}, "data": {}}
    [step] = decide(SITE, SECRET, secret, None, referred=True)
    assert isinstance(step, Apply)
    made = {**step.body, "metadata": {**step.body["metadata"], "uid": "d9"}}
    assert decide(SITE, SECRET, secret, made) == [Delete("d9", "it is not for this cluster")]
    assert decide(SITE, SECRET, None, made, referred=True) == [Delete("d9", "it is gone upstream")]
    token = {**secret, "type": "kubernetes.io/service-account-token"}
    assert isinstance(decide(SITE, SECRET, token, None, referred=True)[0], Refuse)


def test_a_digest_tells_every_change_and_no_order() -> None:
    def digest(thing: Object) -> str:
        found: str = desired(SITE, thing, "apps/v1", "Deployment")["metadata"]["annotations"][CONTENT_ANNOTATION]
        return found

    assert digest(above()) == digest(dict(reversed(above().items())))
    assert digest(above()) == digest(above(resourceVersion="8", finalizers=[], managedFields=[]))
    assert len({digest(above()), digest(above(labels={})), digest(above(generation=5)), digest(above(uid="u2"))}) == 4


def test_everything_that_pods_read_is_found() -> None:
    pod = {
        "imagePullSecrets": [{"name": "pull"}],
        "initContainers": [{"envFrom": [{"secretRef": {"name": "init"}}]}],
        "containers": [
            {
                "envFrom": [{"configMapRef": {"name": "all"}}],
                "env": [
                    {"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "a"}}},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "value", "key": "b"}}},
                    {"name": "C", "value": "c"},
                ],
            }
        ],
        "volumes": [
            {"secret": {"secretName": "mounted"}},
            {"configMap": {"name": "files"}},
            {"configMap": {"name": "kube-root-ca.crt"}},
            {"projected": {"sources": [{"secret": {"name": "part"}}, {"configMap": {"name": "piece"}}]}},
            {"emptyDir": {}},
        ],
    }
    expected = {Reference("secrets", "demo", name) for name in ("pull", "init", "key", "mounted", "part")}
    expected |= {Reference("configmaps", "demo", name) for name in ("all", "value", "files", "piece")}
    head = {"name": "web", "namespace": "demo"}
    for way in ({"template": {"spec": pod}}, {"jobTemplate": {"spec": {"template": {"spec": pod}}}}, pod):
        assert references({"metadata": head, "spec": way}) == expected
    odd: tuple[object, ...] = ({}, None, [], {"template": "x"}, {"containers": "x"})
    for spec in odd:
        assert references({"metadata": head, "spec": spec}) == frozenset()


@pytest.mark.parametrize("cluster", ["", "a:b", "-a", "x" * 56, "ä"])
def test_an_identifier_that_fits_nowhere_is_refused(cluster: str) -> None:
    with pytest.raises(BadNameError):
        Site("one", cluster)
