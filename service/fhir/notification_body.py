"""The body of a notification as JSON: how deep, whether it is a FHIR resource, and what kind of one.

Looks at shape only; must not decide what a notification means, and never repeats content in a message.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any

import msgspec

# A whole string literal; one without its closing quote runs to the end. Possessive, so that no body can make the
# scan slower than linear.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS = bytes({0x5B: 1, 0x7B: 1, 0x5D: 255, 0x7D: 255}.get(byte, 0) for byte in range(256))
_NOT_BRACKETS = bytes(byte for byte in range(256) if not _STEPS[byte])
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

NOT_JSON = "The body is not well-formed JSON. Send the notification as FHIR JSON in UTF-8."
NOT_AN_OBJECT = "The body is JSON but not a FHIR resource: it has to be one JSON object with a resourceType."
NOT_UTF8 = "The body is not UTF-8. FHIR JSON is always UTF-8."


class NotificationProblem(Exception):
    """Use this when a notification can never be understood, however often it is tried. Says no content."""


def depth(body: bytes) -> int:
    """How deeply objects and arrays are nested, counted on the raw bytes; brackets inside strings do not count."""
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    return max(accumulate(memoryview(brackets.translate(_STEPS)).cast("b")), default=0)


def is_blank(body: bytes) -> bool:
    """Nothing but white space: the empty notification of R4's rest-hook without payload."""
    return not body.removeprefix(_BYTE_ORDER_MARK).strip()


def resource_of(body: bytes) -> dict[str, Any]:
    """The body as one FHIR resource, or `{}` for an empty object; NotificationProblem for everything else.

    FHIR JSON is UTF-8 (R4, 2.1.5 JSON representation); a byte order mark in front is forgiven.
    """
    try:
        value = msgspec.json.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except UnicodeDecodeError as problem:
        raise NotificationProblem(NOT_UTF8) from problem
    except (msgspec.DecodeError, RecursionError) as problem:
        raise NotificationProblem(NOT_JSON) from problem
    if not isinstance(value, dict) or (value and not _names_a_type(value)):
        raise NotificationProblem(NOT_AN_OBJECT)
    return value


def _names_a_type(value: dict[str, Any]) -> bool:
    kind = value.get("resourceType")
    return isinstance(kind, str) and bool(kind)
