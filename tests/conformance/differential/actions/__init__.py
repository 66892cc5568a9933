"""What the generator may do next: each action makes a step out of the world, or nothing when it does not apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.differential.actions import deletes, documents, patches, reads, reviews, writes

if TYPE_CHECKING:
    from tests.conformance.differential.actions.make import Action
    from tests.conformance.differential.model import World
    from tests.conformance.differential.step import Step

# Action and how often it is drawn, relative to the others.
ACTIONS: tuple[tuple[Action, float], ...] = (
    (writes.create, 15),
    (writes.create_broken, 9),
    (writes.create_unknown_fields, 2),
    (writes.create_again, 1.5),
    (writes.create_text, 2.5),
    (reads.get, 6),
    (reads.get_missing, 2),
    (reads.list_objects, 9),
    (reads.list_page, 3),
    (reads.list_broken, 3),
    (reads.watch, 1.6),
    (reads.watch_broken, 1),
    (writes.update, 8),
    (writes.update_broken, 7),
    (writes.update_conflict, 2),
    (writes.update_missing, 1.5),
    (patches.merge, 6),
    (patches.json_patch, 5),
    (patches.strategic, 4),
    (patches.broken, 5),
    (patches.apply, 6),
    (deletes.delete, 5),
    (deletes.delete_broken, 3),
    (deletes.delete_collection, 2),
    (writes.status, 4),
    (writes.scale, 3),
    (writes.token, 1.5),
    (writes.finalize, 0.7),
    (writes.wrong_endpoint, 2),
    (reviews.review, 4),
    (reviews.review_broken, 2),
    (documents.discovery, 3),
    (documents.openapi, 1),
    (documents.other, 1),
)


def next_step(world: World) -> Step:
    """Draw actions until one applies, and return its step."""
    actions, weights = zip(*ACTIONS, strict=True)
    while True:
        action: Action = world.rng.choices(actions, weights)[0]
        step = action(world)
        if step is not None:
            return step
