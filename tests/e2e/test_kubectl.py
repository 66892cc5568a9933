"""kubectl, day by day: apply on the server, diff, explain of deep fields, get all, and waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Client, Json, LogicalCluster

COWBOY = """
apiVersion: wildwest.dev/v1alpha1
kind: Cowboy
metadata: {{name: lucky}}
spec:
  intent: {intent}
  tags: [fast]
  gear:
  - {{name: rope}}
"""
HERS = """
apiVersion: wildwest.dev/v1alpha1
kind: Cowboy
metadata: {name: lucky}
spec:
  tags: [kind]
  gear:
  - {name: hat, count: 2}
"""
PRICES = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: prices}}\ndata: {{apple: '{apple}'}}\n"


def apply(kubectl: Client, manager: str, text: str, *options: str) -> str:
    """Apply a document on the server in a manager's name."""
    return kubectl("apply", "--server-side", f"--field-manager={manager}", *options, "-f", "-", stdin=text)


def managers(item: Json) -> set[tuple[str, str]]:
    """Return who owns fields of an object, and by which operation."""
    return {(entry["manager"], entry["operation"]) for entry in item["metadata"]["managedFields"]}


def test_two_managers_apply_their_own_fields_and_quarrel_over_one(cowboys: LogicalCluster) -> None:
    kubectl = cowboys.kubectl
    assert apply(kubectl, "his", COWBOY.format(intent="gold")) == "cowboy.wildwest.dev/lucky serverside-applied\n"
    apply(kubectl, "hers", HERS)

    lucky = kubectl.json("get", "cowboy", "lucky", "--show-managed-fields")
    assert sorted(lucky["spec"]["tags"]) == ["fast", "kind"]
    assert lucky["spec"]["gear"] == [{"name": "rope", "count": 1}, {"name": "hat", "count": 2}]
    assert managers(lucky) == {("his", "Apply"), ("hers", "Apply")}

    theirs = HERS.replace("spec:", "spec:\n  intent: love")
    refused = kubectl.fails("apply", "--server-side", "--field-manager=hers", "-f", "-", stdin=theirs)
    assert 'Apply failed with 1 conflict: conflict with "his": .spec.intent' in refused
    apply(kubectl, "hers", theirs, "--force-conflicts")
    apply(kubectl, "his", "\n".join(line for line in COWBOY.format(intent="").splitlines() if "intent" not in line))
    after = kubectl.json("get", "cowboy", "lucky")
    assert after["spec"]["intent"] == "love", "what another manager took stays when the first lets go"

    apply(kubectl, "hers", HERS.partition("spec:")[0] + "spec: {}\n")
    alone = kubectl.json("get", "cowboy", "lucky", "--show-managed-fields")
    assert (alone["spec"]["tags"], [gear["name"] for gear in alone["spec"]["gear"]]) == (["fast"], ["rope"])
    assert "intent" not in alone["spec"]


def test_apply_moves_from_the_client_to_the_server_and_prunes_what_is_gone(cluster: LogicalCluster) -> None:
    kubectl = cluster.kubectl
    kubectl("apply", "-f", "-", stdin=PRICES.format(apple=3) + "  \n")
    kubectl("apply", "--server-side", "-f", "-", stdin=PRICES.format(apple=4))
    kubectl("apply", "--server-side", "-f", "-", stdin=PRICES.replace("apple", "pear").format(pear=5))

    prices = kubectl.json("get", "cm", "prices", "--show-managed-fields")
    assert prices["data"] == {"pear": "5"}
    # kubectl keeps its own annotation of the last applied document up to date in a name of its own.
    assert managers(prices) == {("kubectl", "Apply"), ("kubectl-last-applied", "Apply")}


def test_a_diff_shows_what_an_apply_would_do_and_does_nothing(cowboys: LogicalCluster) -> None:
    kubectl = cowboys.kubectl
    apply(kubectl, "kubectl", COWBOY.format(intent="gold"))
    before = kubectl.json("get", "cowboy", "lucky")

    same = kubectl.run("diff", "--server-side", "-f", "-", stdin=COWBOY.format(intent="gold"))
    other = kubectl.run("diff", "--server-side", "-f", "-", stdin=COWBOY.format(intent="love"))
    by_the_client = kubectl.run("diff", "-f", "-", stdin=PRICES.format(apple=3))

    assert (same.returncode, same.stdout) == (0, "")
    assert other.returncode == 1
    changed = [line for line in other.stdout.splitlines() if line[:1] in "+-" and "intent" in line]
    assert changed == ["-  intent: gold", "+  intent: love"]
    assert by_the_client.returncode == 1
    assert '+  apple: "3"' in by_the_client.stdout
    assert kubectl.json("get", "cowboy", "lucky") == before
    assert "NotFound" in kubectl.fails("get", "cm", "prices")


def test_explain_goes_as_deep_as_the_schema(cowboys: LogicalCluster) -> None:
    kubectl = cowboys.kubectl

    field = kubectl("explain", "cowboy.spec.home.ranch.brand.sign")
    tree = kubectl("explain", "cowboy.spec", "--recursive")
    listed = kubectl("explain", "cowboys.spec.gear")
    moods = kubectl("explain", "cb.spec.mood")

    assert "FIELD: sign <string>" in field
    assert "The sign burned into the cattle." in field
    shape = [line.rstrip() for line in tree.splitlines() if line.startswith("  ")]
    start = next(number for number, line in enumerate(shape) if line.startswith("  home"))
    assert shape[start : start + 4] == [
        "  home\t<Object>",
        "    ranch\t<Object>",
        "      brand\t<Object>",
        "        sign\t<string>",
    ]
    assert "FIELD: gear <[]Object>" in listed
    assert "name\t<string> -required-" in listed
    assert moods.split()[moods.split().index("ENUM:") :][:3] == ["ENUM:", "calm", "angry"]
    assert 'field "nothing" does not exist' in kubectl.fails("explain", "cowboy.spec.nothing")


def test_get_all_shows_every_kind_of_the_category(cowboys: LogicalCluster) -> None:
    kubectl = cowboys.kubectl
    kubectl("api-resources")  # which brings kubectl's memory of categories up to date
    assert "No resources found" in kubectl.run("get", "all").stderr
    kubectl("create", "-f", "-", stdin=COWBOY.format(intent="gold"))

    assert kubectl("get", "all", "-o", "name").split() == ["cowboy.wildwest.dev/lucky"]
    table = [line.split() for line in kubectl("get", "all").splitlines()]
    assert table[0] == ["NAME", "INTENT", "RESULT", "AGE"]
    assert table[1][:2] == ["lucky", "gold"]
    assert kubectl("get", "riders", "-o", "name") == "cowboy.wildwest.dev/lucky\n"


def test_wait_ends_with_the_event_it_waits_for(cowboys: LogicalCluster) -> None:
    kubectl = cowboys.kubectl
    kubectl("wait", "crd/cowboys.wildwest.dev", "--for=condition=Established", "--timeout=20s")
    kubectl("create", "-f", "-", stdin=COWBOY.format(intent="gold"))

    for condition, step in (
        (
            "jsonpath={.status.result}=done",
            ("patch", "cowboy", "lucky", "--subresource=status", "--type=merge", "-p", DONE),
        ),
        ("delete", ("delete", "cowboy", "lucky")),
        ("create", ("create", "configmap", "late")),
    ):
        target = "configmap/late" if condition == "create" else "cowboy/lucky"
        waiting = kubectl.start("wait", target, f"--for={condition}", "--timeout=60s")
        kubectl(*step)
        output, _ = waiting.communicate(timeout=60)
        assert waiting.returncode == 0, output

    assert "timed out waiting for the condition" in kubectl.fails(
        "wait", "configmap/late", "--for=jsonpath={.data.never}=true", "--timeout=1s"
    )


DONE = '{"status":{"result":"done"}}'


def test_dry_runs_scale_and_replace_do_what_they_say(cowboys: LogicalCluster) -> None:
    kubectl = cowboys.kubectl
    kubectl("create", "-f", "-", "--dry-run=server", stdin=COWBOY.format(intent="gold"))
    assert "NotFound" in kubectl.fails("get", "cowboy", "lucky")
    kubectl("create", "-f", "-", stdin=COWBOY.format(intent="gold"))
    kubectl("scale", "cowboy", "lucky", "--replicas=3", "--current-replicas=1")
    assert kubectl.json("get", "cowboy", "lucky")["spec"]["horses"] == 3
    kubectl("replace", "-f", "-", stdin=COWBOY.format(intent="love"))
    replaced = kubectl.json("get", "cowboy", "lucky")
    assert (replaced["spec"]["intent"], replaced["spec"]["horses"], replaced["metadata"]["generation"]) == (
        "love",
        1,
        3,
    )
    wrong = kubectl.fails("create", "-f", "-", stdin=COWBOY.format(intent="gold").replace("tags", "tag"))
    assert 'strict decoding error: unknown field "spec.tag"' in wrong
    kubectl("label", "cowboy", "lucky", "town=tombstone")
    assert kubectl("get", "cowboys", "-l", "town in (tombstone)", "-o", "name") == "cowboy.wildwest.dev/lucky\n"
    kubectl("delete", "cowboys", "--all")
    assert kubectl("get", "cowboys", "-o", "name") == ""
