"""Random histories of imports, strategies, words of people and definitions, with controllers that die in between."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcp.compat import lcd
from kcp.negotiation.kinds import DEFINITIONS, IMPORTS, NEGOTIATED, PARTIES, annotation
from tests.unit.negotiation.world import FAMILY, World, imported, manual, schema

if TYPE_CHECKING:
    from tests.unit.negotiation.world import Object

LOCATIONS = ("east", "west", "north")
FIELDS: dict[str, tuple[Any, ...]] = {
    "a": ("string", "integer", {"type": "string", "enum": ["x", "y"]}, {"type": "string", "enum": ["y", "z"]}),
    "b": ({"type": "integer", "minimum": 1}, {"type": "integer", "maximum": 5}, "integer", "number"),
    "c": ("boolean",),
}
schemas = st.fixed_dictionaries({}, optional={n: st.sampled_from(said) for n, said in FIELDS.items()}).map(
    lambda fields: schema(**fields)
)
strategies = st.sampled_from(["UpdateNever", "UpdateUnpublished", "UpdatePublished"])


class Act(NamedTuple):
    """Something that somebody does, and how many steps a controller gets done then before it dies; None: all."""

    what: str
    location: str
    schema: Object
    strategy: str
    steps: int | None


acts = st.builds(
    Act,
    st.sampled_from(["import", "import", "import", "remove", "publish", "define", "undefine", "forget"]),
    st.sampled_from(LOCATIONS),
    schemas,
    strategies,
    st.sampled_from([None, None, 0, 1, 2, 3]),
)


def do(world: World, act: Act) -> None:
    name = f"{FAMILY.plural}.{act.location}.v1.{FAMILY.group}"
    if act.what == "import":
        world.write(IMPORTS, imported(act.location, act.schema, act.strategy))
    elif act.what == "remove":
        world.objects.pop((IMPORTS, name), None)
    elif act.what == "publish" and (found := world.negotiated()) is not None:
        found["spec"]["publish"] = True
    elif act.what == "define" and world.definition is None:
        world.write(DEFINITIONS, manual(act.schema))
    elif act.what == "undefine":
        world.objects.pop((DEFINITIONS, FAMILY.definition), None)
    elif act.what == "forget":
        world.objects.pop((NEGOTIATED, f"{FAMILY.plural}.v1.{FAMILY.group}"), None)


def takes_all(one: Object, other: Object) -> bool:
    """Whether every object of one schema is one of another."""
    return lcd(one, other, narrow=False).lcd is not None


def served(world: World) -> Object | None:
    rows = world.definition["spec"]["versions"] if world.definition else []
    found: Object | None = next((row["schema"]["openAPIV3Schema"] for row in rows if row["served"]), None)
    return found


def check(world: World) -> None:
    """Hold what is there against what was promised; nothing is left to do."""
    imports = [thing for (kind, _), thing in world.objects.items() if kind == IMPORTS]
    negotiated, definition = world.negotiated(), world.definition
    assert (negotiated is not None) or not imports
    if negotiated is None:
        assert definition is None or not definition["metadata"].get("ownerReferences")
        return
    said = negotiated["spec"]["openAPIV3Schema"]
    conditions = world.conditions()
    for thing in imports:
        told = {c["type"]: c["status"] for c in thing["status"]["conditions"]}
        assert (told["Compatible"] == "True") == takes_all(said, thing["spec"]["openAPIV3Schema"])
        assert told.get("Available") == conditions.get("Published")
    assert (definition is not None) or not negotiated["spec"]["publish"]
    if definition is not None:
        assert served(world) == said
        assert conditions["Published"] == "True"
        by_hand = not definition["metadata"].get("ownerReferences")
        assert conditions["Enforced"] == str(by_hand)
    if annotation(negotiated, PARTIES) is not None:
        assert imports, "the last import leaves nothing behind"


# KCP_PROPERTY_EXAMPLES runs more.
EXAMPLES = int(os.environ.get("KCP_PROPERTY_EXAMPLES", "100"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(st.lists(acts, min_size=1, max_size=12), st.booleans())
def test_it_always_comes_to_an_end_that_keeps_what_was_promised(history: list[Act], publish: bool) -> None:
    world = World(publish=publish)
    for act in history:
        do(world, act)
        if act.steps is None:
            world.settle()
            check(world)
        else:
            for step in world.steps()[: act.steps]:
                world.do(step)
    world.settle()
    check(world)


@many
@given(st.lists(acts, min_size=1, max_size=8), st.sampled_from(LOCATIONS), schemas)
def test_what_is_served_only_grows_while_everybody_stays_and_nobody_says_otherwise(
    history: list[Act], location: str, said: Object
) -> None:
    world = World(publish=True)
    for act in history:
        if act.what in {"import", "remove", "publish"}:
            do(world, act._replace(strategy="UpdateUnpublished"))
            world.settle()
    before = copy.deepcopy(served(world))
    world.put(imported(location, said))
    if before is not None:
        after = served(world)
        assert after is not None
        assert takes_all(before, after)
