"""What the imports of one API have in common. Pure: values in, values out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kcp.negotiation.comparisons import Verdict, fits, narrowed, readable
from kcp.negotiation.kinds import PUBLISHED, UNPUBLISHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kcp.negotiation.kinds import Object


class Offer(NamedTuple):
    """An import, as far as it is negotiated."""

    party: str
    """Name and uid."""
    strategy: str
    spec: Object
    """What `kinds.common` keeps."""

    def may_narrow(self, *, is_published: bool) -> bool:
        """Whether the schema may take fewer objects for the sake of this import."""
        return self.strategy == PUBLISHED or (self.strategy == UNPUBLISHED and not is_published)


class Standing(NamedTuple):
    """What was negotiated so far."""

    spec: Object
    is_published: bool
    parties: tuple[str, ...] | None
    """Imports it fits, by name and uid; None: somebody made it by hand."""


@dataclass(slots=True)
class Agreement:
    """What was negotiated: an API (None while there is no import that can be read), and a verdict on each import."""

    spec: Object | None
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By party."""

    @property
    def parties(self) -> tuple[str, ...]:
        """The imports it fits."""
        return tuple(sorted(party for party, verdict in self.verdicts.items() if verdict.is_compatible))


def enforce(spec: Object, offers: Sequence[Offer]) -> Agreement:
    """Hold imports against an API that somebody dictates."""
    return Agreement(spec, {offer.party: _join(spec, offer, narrow=False)[1] for offer in offers})


def negotiate(offers: Sequence[Offer], standing: Standing | None) -> Agreement:
    """Return what imports have in common.

    While nothing is served, this is negotiated from the beginning each time, in the order of `offers`. What is served
    only ever takes more objects than before, unless an import's strategy says otherwise, or nobody that is left
    has the API that was served.
    """
    if standing is None or (standing.parties is not None and not standing.is_published):
        return _from_scratch(offers)
    holders = [offer for offer in offers if _join(standing.spec, offer, narrow=False)[1].is_compatible]
    if standing.parties is not None:
        if not holders and set(standing.parties) - {offer.party for offer in offers}:
            return _from_scratch(offers)
        agreement = Agreement(_widened(standing.spec, holders))
    else:
        agreement = Agreement(standing.spec)
    held = {holder.party for holder in holders}
    for offer in offers:
        narrow = offer.party not in held and offer.may_narrow(is_published=standing.is_published)
        _take(agreement, offer, narrow=narrow)
    return _settled(agreement, offers)


def _from_scratch(offers: Sequence[Offer]) -> Agreement:
    agreement = Agreement(None)
    for offer in offers:
        _take(agreement, offer, narrow=offer.may_narrow(is_published=False))
    return _settled(agreement, offers)


def _take(agreement: Agreement, offer: Offer, *, narrow: bool) -> None:
    if agreement.spec is None:
        verdict = readable(offer.spec["openAPIV3Schema"])
        spec = offer.spec if verdict.is_compatible else None
    else:
        spec, verdict = _join(agreement.spec, offer, narrow=narrow)
    agreement.spec = spec if spec is not None else agreement.spec
    agreement.verdicts[offer.party] = verdict


def _settled(agreement: Agreement, offers: Sequence[Offer]) -> Agreement:
    """Judge all once more by the end: what did not fit at first may fit what others made of it."""
    return agreement if agreement.spec is None else enforce(agreement.spec, offers)


def _widened(spec: Object, holders: Sequence[Offer]) -> Object:
    """Return the API with a schema of all that its holders have in common, which may be more than it has."""
    if not holders:
        return spec
    found: Object = holders[0].spec
    for holder in holders[1:]:
        joined, _ = _join(found, holder, narrow=True)
        if joined is None:
            return spec
        found = joined
    wider = {**spec, "openAPIV3Schema": found["openAPIV3Schema"]}
    # What is narrowed is now and then a little less than what both have. Nothing served may get lost by that.
    takes_all = _join(spec, Offer("", "", wider), narrow=False)[1].is_compatible
    fits_all = all(_join(wider, holder, narrow=False)[1].is_compatible for holder in holders)
    return wider if takes_all and fits_all else spec


def _join(spec: Object, offer: Offer, *, narrow: bool) -> tuple[Object | None, Verdict]:
    """Return an API that the offer's objects fit as well, None where there is none."""
    lines = [
        f"{what} is {offer.spec.get(what)}, and {spec.get(what)} was negotiated"
        for what in ("scope", "kind")
        if offer.spec.get(what) != spec.get(what)
    ]
    if lines:
        return None, Verdict(False, "IncompatibleNames", "; ".join(lines))
    existing, new = spec["openAPIV3Schema"], offer.spec["openAPIV3Schema"]
    if not narrow:
        verdict = fits(existing, new)
        return (spec if verdict.is_compatible else None), verdict
    joined, verdict = narrowed(existing, new)
    return (None if joined is None else {**spec, "openAPIV3Schema": joined}), verdict
