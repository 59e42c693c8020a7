"""What a caller is told when no route answers: an OperationOutcome on the FHIR addresses, plain JSON elsewhere."""

from __future__ import annotations

import json
import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from service.fhir.notification_answers import FHIR_JSON
from service.fhir.outcome import IssueCode, refusal

log = logging.getLogger(__name__)

FHIR_PATHS = ("/notifications", "/fhir")

_TOLD = {
    404: (IssueCode.NOT_FOUND, "There is nothing at this address."),
    405: (
        IssueCode.NOT_SUPPORTED,
        "This address does not take this HTTP method; Allow names those it takes.",
    ),
    422: (IssueCode.INVALID, "The request is not what this address expects; see /openapi.json."),
    500: (
        IssueCode.EXCEPTION,
        "Throughline failed on this request. Try again, and report it if it stays so.",
    ),
}
_OTHER = (IssueCode.INVALID, "The request was refused.")


def tell_errors_as_fhir(app: FastAPI) -> None:
    """Install the handlers; none of them repeats anything of the request."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, problem: HTTPException) -> Response:
        return _told(request, problem.status_code, dict(problem.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, _problem: RequestValidationError) -> Response:
        return _told(request, 422, {})

    @app.exception_handler(Exception)
    async def failed(request: Request, fault: Exception) -> Response:
        log.error("a request failed: %s", type(fault).__name__)
        return _told(request, 500, {})


def _told(request: Request, status: int, headers: dict[str, str]) -> Response:
    code, says = _TOLD.get(status, _OTHER)
    if request.url.path.startswith(FHIR_PATHS):
        return Response(json.dumps(refusal(code, says)), status, headers, FHIR_JSON)
    return JSONResponse({"detail": says}, status, headers)
