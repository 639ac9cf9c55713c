"""Keep the current views of deliveries as the catalog has them: no reprocess by halves."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from functools import partial

import anyio
import anyio.to_thread
from sqlalchemy import select
from sqlalchemy.orm import Session

from casparian_flow.errors import CasparianError
from engine.database import Catalog
from engine.models import Round, TopicConfig
from engine.sinks.opening import open_delivery
from engine.views import held_jobs

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
_TRY_AGAIN_S = 5.0


@dataclass
class Deliveries:
    """Tells each delivery which jobs it holds back; what it was told last is remembered."""

    catalog: Catalog
    _told: dict[str, _State] = field(default_factory=dict[str, "_State"])
    _failing: set[str] = field(default_factory=set[str])
    _one: threading.Lock = field(default_factory=threading.Lock)

    def settle(self) -> bool:
        """Have every delivery show what the catalog shows; whether each one does now.

        The same jobs are told again at each start: a crash between the catalog and a delivery
        leaves the view of before, and no mixture.
        """
        with self._one:
            with self.catalog.reading() as session:
                uris = {
                    uri for sinks in session.scalars(select(TopicConfig.sinks)) for uri in sinks
                }
                state = _state(session) if uris else _State()
            late = sorted(uri for uri in uris if self._told.get(uri) != state)
            told = [self._tell(uri) for uri in late]
            return all(told)

    def _tell(self, uri: str) -> bool:
        """Read what the delivery holds, then the catalog, then tell: in this order.

        So only what was held before the catalog was read is let go, and never a job that a worker
        delivers as held in the meantime, for a reprocess the reading did not see begin.
        """
        try:
            delivery = open_delivery(uri)
            installation = self.catalog.installation_id
            known = delivery.held(installation)
            with self.catalog.reading() as session:
                state = _state(session)
            delivery.hold(installation, state.held, release=known - state.held)
        except CasparianError as error:
            if uri not in self._failing:
                logger.warning("a delivery lags behind", extra={"uri": uri, "why": str(error)})
            self._failing.add(uri)
            return False
        self._failing.discard(uri)
        self._told[uri] = state
        return True


@dataclass(frozen=True, slots=True)
class _State:
    """What decides a delivery's view beyond its own ledger."""

    held: frozenset[int] = frozenset()
    rounds: tuple[tuple[object, ...], ...] = ()
    """Each reprocess with its end and whether it was taken back: a worker holds jobs back itself,
    so one that begins and ends between two looks has to be told too."""


def _state(session: Session) -> _State:
    rounds = session.execute(select(Round.id, Round.ended, Round.undone).order_by(Round.id))
    return _State(frozenset(session.scalars(held_jobs())), tuple(tuple(row) for row in rounds))


async def follow(deliveries: Deliveries) -> None:
    """Settle the deliveries after each change of the catalog, until cancelled."""
    seen = -1
    while True:
        changes = deliveries.catalog.changes
        if changes != seen:
            is_settled = await anyio.to_thread.run_sync(partial(deliveries.settle))
            seen = changes if is_settled else seen
            await anyio.sleep(0 if is_settled else _TRY_AGAIN_S)
        await anyio.sleep(_LOOK_S)
