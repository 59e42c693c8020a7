"""What operators and their tools ask: alive, ready, metrics. Says nothing about any person, and needs no login."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST


@dataclass(frozen=True, kw_only=True)
class Check:
    """One dependency that /readyz looks at."""

    name: str
    probe: Callable[[], Awaitable[object]]
    """Raises when the dependency does not work."""
    needed: bool = True
    """Without it this process cannot do its job. The web needs its inbox, not the record server."""
    within: timedelta = timedelta(seconds=2)


Details = Mapping[str, Callable[[], Awaitable[Mapping[str, object]]]]
"""Further things that `/readyz` tells, by name; none of them makes a process less ready."""
DETAILS_WITHIN = timedelta(seconds=2)


def operation_routes(
    registry: CollectorRegistry, checks: Sequence[Check], details: Details | None = None
) -> APIRouter:
    """`/livez`, `/readyz` and `/metrics`."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez", summary="Is this process alive?")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Can this process do its job? Each dependency with its state")
    async def readyz() -> JSONResponse:
        states = await asyncio.gather(*(_state(check) for check in checks))
        ready = all(state == "ok" for check, state in zip(checks, states, strict=True) if check.needed)
        found = {check.name: state for check, state in zip(checks, states, strict=True)}
        content: dict[str, object] = {"status": "ready" if ready else "not ready", "checks": found}
        for name, tell in (details or {}).items():
            content[name] = await _told(tell)
        return JSONResponse(content, 200 if ready else 503)

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


async def _told(tell: Callable[[], Awaitable[Mapping[str, object]]]) -> Mapping[str, object]:
    try:
        async with asyncio.timeout(DETAILS_WITHIN.total_seconds()):
            return await tell()
    except TimeoutError:
        return {"state": "no answer in time"}
    except Exception as failure:  # as below: only its kind is told, and a detail makes nothing unready
        return {"state": f"failed ({type(failure).__name__})"}


async def _state(check: Check) -> str:
    try:
        async with asyncio.timeout(check.within.total_seconds()):
            await check.probe()
    except TimeoutError:
        return "no answer in time"
    except Exception as failure:  # the answer is public to the network: the kind of failure, never its text
        return f"failed ({type(failure).__name__})"
    return "ok"
