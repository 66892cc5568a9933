"""What to do about all versions of one resource: the state of its objects in, steps out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from kcp.client.conditions import Condition, merge
from kcp.negotiation.agree import Agreement, Offer, Standing, enforce, negotiate
from kcp.negotiation.definitions import Claim, is_manual, is_served, owners, spec_of, wanted
from kcp.negotiation.kinds import (
    API_VERSION,
    DEFINITIONS,
    ENFORCED,
    IMPORTS,
    KINDS,
    NEGOTIATED,
    NEVER,
    PARTIES,
    SHOWN,
    Api,
    annotation,
    api_of,
    common,
    condition,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.client.places import Resource
    from kcp.negotiation.kinds import Family, Object


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is there of one resource, at all versions."""

    family: Family
    imports: Sequence[Object]
    negotiated: Sequence[Object]
    definition: Object | None


class Create(NamedTuple):
    """Create an object."""

    resource: Resource
    body: Object


class Replace(NamedTuple):
    """Replace an object, whose resourceVersion must still hold."""

    resource: Resource
    body: Object
    takes_away: bool = False
    """Whether something is served no more after it."""


class Delete(NamedTuple):
    """Delete an object of that uid."""

    resource: Resource
    name: str
    uid: str


class WriteStatus(NamedTuple):
    """Write the status of an object, after all other steps about it."""

    resource: Resource
    body: Object


Step: TypeAlias = Create | Replace | Delete | WriteStatus


@dataclass(slots=True)
class _Plan:
    state: State
    publish: bool
    refusal: str
    time: str
    steps: list[Step] = field(default_factory=list)
    statuses: list[WriteStatus] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)


def decide(state: State, *, publish: bool, time: str, refusal: str = "") -> list[Step]:
    """Return what to do, in this order.

    Args:
        state: what is there.
        publish: whether what is negotiated anew is served at once.
        time: of a condition that changes, as Kubernetes writes it.
        refusal: why the server would not take the definition; empty when nothing is known against it.
    """
    plan = _Plan(state, publish, refusal, time)
    negotiated = {api_of(thing).version: thing for thing in state.negotiated}
    for version in sorted({*negotiated, *(api_of(thing).version for thing in state.imports)}):
        _decide_version(plan, version, negotiated.get(version))
    _decide_definition(plan)
    return [*plan.steps, *plan.statuses]


def takes_away(steps: Sequence[Step]) -> bool:
    """Whether a step takes something away, which is not to be done on old news."""
    return any(isinstance(step, Delete) or (isinstance(step, Replace) and step.takes_away) for step in steps)


def _decide_version(plan: _Plan, version: str, found: Object | None) -> None:
    if found is not None and found["metadata"].get("deletionTimestamp"):
        return  # once it is gone, it is negotiated anew
    imports = sorted((thing for thing in plan.state.imports if api_of(thing).version == version), key=_age)
    dictated = _dictated(plan.state, version)
    by_hand = found is not None and annotation(found, PARTIES) is None and annotation(found, ENFORCED) is None
    if found is None and not imports:
        return
    if found is not None and dictated is None and (annotation(found, ENFORCED) or not (imports or by_hand)):
        plan.steps.append(Delete(NEGOTIATED, found["metadata"]["name"], found["metadata"]["uid"]))
        _judge(plan, imports, None, None)
        return
    agreement = _agreed(plan.state, version, imports, found, dictated)
    if agreement.spec is None:
        _judge(plan, imports, agreement, None)
        return
    notes = {ENFORCED: "true"} if dictated else {} if by_hand else {PARTIES: ",".join(agreement.parties)}
    body = _negotiated(plan, agreement.spec, notes, found, enforced=dictated is not None)
    if found is None:
        plan.steps.append(Create(NEGOTIATED, body))
    else:
        if body != found:
            plan.steps.append(Replace(NEGOTIATED, body))
        served = plan.state.definition is not None and found["metadata"]["uid"] in owners(plan.state.definition)
        if body["spec"]["publish"] or served:
            plan.claims.append(Claim(found, agreement.spec))
    status = _status(plan, NEGOTIATED, body, _of_negotiated(plan, version, body, enforced=dictated is not None), ())
    _judge(plan, imports, agreement, condition(status, "Published"))


def _dictated(state: State, version: str) -> Object | None:
    definition = state.definition
    return None if definition is None or not is_manual(definition) else spec_of(definition, version)


def _agreed(
    state: State, version: str, imports: Sequence[Object], found: Object | None, dictated: Object | None
) -> Agreement:
    offers = [
        Offer(_party(thing), thing["spec"].get("schemaUpdateStrategy") or NEVER, common(thing["spec"]))
        for thing in imports
    ]
    if dictated is not None:
        return enforce(dictated, offers)
    if found is None:
        return negotiate(offers, None)
    parties = annotation(found, PARTIES)
    known = None if parties is None else tuple(filter(None, parties.split(",")))
    is_published = condition(found, "Published") is True or is_served(state.definition, version) is True
    agreement = negotiate(offers, Standing(common(found["spec"]), is_published, known))
    if agreement.spec is None:
        # Nobody's schema can be read: what was negotiated stays.
        agreement.spec = common(found["spec"])
    return agreement


def _negotiated(plan: _Plan, spec: Object, notes: dict[str, str], found: Object | None, *, enforced: bool) -> Object:
    """Return the object as it is to be; whether it is served is for people to say, unless a definition does."""
    said = found["spec"].get("publish", False) if found else plan.publish
    body: Object = {"spec": {**spec, "publish": enforced or said}}
    api = api_of(body)
    before: Object = found["metadata"] if found else {"name": api.name}
    kept = {k: v for k, v in (before.get("annotations") or {}).items() if k not in {PARTIES, ENFORCED}}
    metadata = {**before, "annotations": {**kept, SHOWN: api.api_version, **notes}}
    return {**(found or _head(NEGOTIATED)), "metadata": metadata, **body}


def _of_negotiated(plan: _Plan, version: str, thing: Object, *, enforced: bool) -> list[Condition]:
    definition = plan.state.definition
    found = []
    served = is_served(definition, version)
    is_there = definition is not None and spec_of(definition, version) is not None
    if not enforced and thing["spec"]["publish"]:
        owned = definition is not None and thing["metadata"].get("uid") in owners(definition)
        if definition is not None and is_manual(definition):
            message = f"definition {plan.state.family.definition} was made by hand and has no version {version}"
            found.append(Condition("Submitted", False, "DefinedByHand", message))
        elif plan.refusal:
            found.append(Condition("Submitted", False, "Refused", plan.refusal))
        elif owned and is_there:
            found.append(Condition("Submitted", True, "", ""))
    if served is None and not is_there and condition(thing, "Published") is not None:
        served = False
    if served is not None:
        found.append(Condition("Published", served, "" if served else "NotServed", ""))
    if definition is not None or condition(thing, "Enforced") is not None:
        found.append(Condition("Enforced", enforced, "", ""))
    return found


def _judge(plan: _Plan, imports: Sequence[Object], agreement: Agreement | None, published: bool | None) -> None:
    """Tell each import what became of it."""
    for thing in imports:
        verdict = agreement.verdicts[_party(thing)] if agreement else None
        said = [] if verdict is None else [Condition("Compatible", *verdict)]
        if published is not None:
            said.append(Condition("Available", published, "", ""))
        known = {one.type for one in said}
        _status(plan, IMPORTS, thing, said, [kind for kind in ("Compatible", "Available") if kind not in known])


def _status(plan: _Plan, resource: Resource, thing: Object, said: Sequence[Condition], gone: Sequence[str]) -> Object:
    """Plan a status, where it differs; return the object with it."""
    status = thing.get("status") or {}
    before = status.get("conditions") or []
    after = merge([one for one in before if one["type"] not in gone], said, plan.time)
    body = {**thing, "status": {**status, "conditions": after}}
    if after != before:
        plan.statuses.append(WriteStatus(resource, {**_head(resource), **body}))
    return body


def _decide_definition(plan: _Plan) -> None:
    definition = plan.state.definition
    if definition is not None and (is_manual(definition) or definition["metadata"].get("deletionTimestamp")):
        return
    body = wanted(plan.state.family, definition, plan.claims)
    if body is None:
        waits = any(thing["metadata"].get("deletionTimestamp") for thing in plan.state.negotiated)
        if definition is not None and not waits and not _is_pending(plan):
            metadata = definition["metadata"]
            plan.steps.append(Delete(DEFINITIONS, metadata["name"], metadata["uid"]))
    elif definition is None:
        plan.steps.append(Create(DEFINITIONS, body))
    elif body["spec"] != definition["spec"] or body["metadata"] != definition["metadata"]:
        names = [{v["name"] for v in d["spec"]["versions"] if v.get("served")} for d in (definition, body)]
        plan.steps.append(Replace(DEFINITIONS, body, takes_away=bool(names[0] - names[1])))


def _is_pending(plan: _Plan) -> bool:
    """Whether what was negotiated is on its way in or out; its definition is looked at after that."""
    return any(isinstance(step, Create | Delete) for step in plan.steps)


def _age(thing: Object) -> tuple[str, str]:
    return thing["metadata"].get("creationTimestamp") or "", thing["metadata"]["name"]


def _party(thing: Object) -> str:
    """Return an import as parties are written; one of the same name that came later is another."""
    return f"{thing['metadata']['name']}/{thing['metadata']['uid']}"


def _head(resource: Resource) -> Object:
    return {"apiVersion": API_VERSION, "kind": KINDS[resource]}


__all__ = ["Api", "Create", "Delete", "Replace", "State", "Step", "WriteStatus", "decide", "takes_away"]
