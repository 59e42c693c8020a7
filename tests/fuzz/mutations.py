"""Messages that went wrong on the way: published and small ones, with what senders, networks and enemies do to them."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from hypothesis import strategies as st

from tests.messages import DATA, HL7V2, a_message, an_adt, davinci

CONFORMANCE = Path(__file__).parents[1] / "conformance"

NASTY_TEXT = st.one_of(
    st.sampled_from(
        [
            "", " ", '""', "\\", "\\F\\", "\\X\\", "\\X0D0A\\", "\\.sp99999999\\", "^~\\&", "|", "||||", "~~", "&&", "^^^^", "\x00", "\x0b",
            "\x1c", "\r", "\n", "\t", "é", "\ufffe", "\U0001d54f", "\u202e", "<script>", "${jndi:ldap://x}", "'; DROP TABLE", "../..", "A" * 300,
            "0", "-1", "9" * 40, "1e999", "NaN", "20261301", "20260231", "00000000", "99991231235959+1400", "20260306+9999", "2026", "P", "I",
            "MSH|", "PV1", "urn:uuid:ada", "Patient/1", "#x", "https://elsewhere.example/fhir/Patient/1", "a,b|c$d",
        ]
    ),
    st.text(max_size=12),
)  # fmt: skip
NUMBER = st.integers(0, 5000)

# --- HL7 v2

BASES = [path.read_bytes() for path in sorted(HL7V2.glob("*.hl7"))]
SMALL = [an_adt(event) for event in ("A01", "A03", "A08", "A13", "A28")]
SMALL += [
    an_adt("A40", more=("MRG|815^^^GHH^MR",)),
    an_adt(more=("PV2|||F32.9^^I10C", "DG1|1||F33.2^^I10C", "ARV|1|A|ALL")),
]


def _segments(data: bytes) -> list[bytes]:
    return data.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r")


def _field(data: bytes, one: int, two: int, text: str) -> bytes:
    lines = _segments(data)
    at = one % len(lines)
    fields = lines[at].split(b"|")
    fields[two % len(fields)] = text.encode("utf-8", "surrogatepass")
    lines[at] = b"|".join(fields)
    return b"\r".join(lines)


def _component(data: bytes, one: int, two: int, text: str) -> bytes:
    lines = _segments(data)
    at = one % len(lines)
    parts = lines[at].split(b"^")
    parts[two % len(parts)] = text.encode("utf-8", "surrogatepass")
    lines[at] = b"^".join(parts)
    return b"\r".join(lines)


def _without(data: bytes, one: int, _two: int, _text: str) -> bytes:
    lines = _segments(data)
    del lines[one % len(lines)]
    return b"\r".join(lines)


def _twice(data: bytes, one: int, two: int, _text: str) -> bytes:
    lines = _segments(data)
    lines.insert(two % len(lines), lines[one % len(lines)])
    return b"\r".join(lines)


def _inserted(data: bytes, one: int, _two: int, text: str) -> bytes:
    at = one % (len(data) + 1)
    return data[:at] + text.encode("utf-8", "surrogatepass") + data[at:]


def _cut(data: bytes, one: int, two: int, _text: str) -> bytes:
    a, b = sorted((one % (len(data) + 1), two % (len(data) + 1)))
    return data[:a] + data[b:]


def _byte(data: bytes, one: int, two: int, _text: str) -> bytes:
    changed = bytearray(data or b"x")
    changed[one % len(changed)] = two % 256
    return bytes(changed)


def _signs(data: bytes, one: int, two: int, _text: str) -> bytes:
    """Other delimiters, throughout or only in MSH."""
    old, new = b"|^~\\&"[one % 5], b"!#$%*@;:"[two % 8]
    return (
        data.replace(bytes([old]), bytes([new]))
        if two % 2
        else data[:9].replace(bytes([old]), bytes([new])) + data[9:]
    )


CHANGES = [_field, _field, _field, _component, _component, _without, _twice, _inserted, _cut, _byte, _signs]


@st.composite
def hl7v2(draw: st.DrawFn) -> bytes:
    data = draw(st.sampled_from([*SMALL, *SMALL, *BASES]))
    for change, one, two, text in draw(
        st.lists(st.tuples(st.sampled_from(CHANGES), NUMBER, NUMBER, NASTY_TEXT), max_size=6)
    ):
        data = change(data, one, two, text)
    return data


# --- FHIR messages

NASTY_VALUE: st.SearchStrategy[Any] = st.one_of(
    NASTY_TEXT,
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            -1,
            1.5,
            [],
            {},
            [None],
            [[]],
            {"": ""},
            {"reference": 1},
            {"coding": "x"},
            {"resourceType": 7},
        ]
    ),
)
EXAMPLES = [
    a_message(),
    a_message(event="admit"),
    *(davinci(event) for event in ("admit", "transfer", "discharge")),
]


STEPS = st.tuples(
    st.sampled_from(["set", "set", "drop", "copy", "add"]),
    st.lists(NUMBER, min_size=1, max_size=9),
    NASTY_VALUE,
)


@st.composite
def bundles(draw: st.DrawFn) -> bytes:
    bundle: Any = copy.deepcopy(draw(st.sampled_from(EXAMPLES)))
    for what, path, value in draw(st.lists(STEPS, max_size=6)):
        _bend(bundle, what, path, copy.deepcopy(value))
    body = json.dumps(bundle, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for one, two in draw(st.lists(st.tuples(NUMBER, NUMBER), max_size=1)):
        body = _byte(body, one * 3, two, "") if one % 4 == 0 else body
    return body


def _bend(value: Any, what: str, path: list[int], new: Any) -> None:
    """Follow the numbers into the JSON and change what is there."""
    for step in path[:-1]:
        keys = (
            list(value)
            if isinstance(value, dict)
            else list(range(len(value)))
            if isinstance(value, list)
            else []
        )
        inner = value[keys[step % len(keys)]] if keys else None
        if not isinstance(inner, dict | list) or not inner:
            break
        value = inner
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = keys[path[-1] % len(keys)]
    if what == "drop":
        del value[key]
    elif what == "copy" and isinstance(value, list):
        value.append(copy.deepcopy(value[key]))
    elif what == "add" and isinstance(value, dict):
        value["modifierExtension" if path[-1] % 5 == 0 else f"x{path[-1]}"] = new
    else:
        value[key] = new


# --- notifications


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request to the address of a subscription; `path` is what stands behind it."""

    method: str
    path: str
    media_type: str
    body: bytes


TOLD = [path.read_bytes() for path in sorted((DATA / "notifications").glob("*/*.json"))]
"""Published examples of every flavour: R4 backport, R4B, R5."""
AS_SENT = [
    case
    for path in sorted((CONFORMANCE / "payloads").glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
]
"""What servers send, with their deviations."""
MEDIA = ["application/fhir+json", "application/json; charset=utf-8", "text/plain", "application/fhir+xml", "image/png", ""]  # fmt: skip
BEHIND = ["", "/", "/Encounter/e1", "/Encounter/e1/_history/2", "/Patient/p1", "/..", "/Encounter/%2e%2e", "/a/b/c", "/Encounter/e1%00"]  # fmt: skip


@st.composite
def notifications(draw: st.DrawFn) -> Sent:
    case = draw(st.sampled_from(AS_SENT))
    body: Any = case.get("body") if draw(st.booleans()) else json.loads(draw(st.sampled_from(TOLD)))
    body = copy.deepcopy(body)
    for what, path, value in draw(st.lists(STEPS, max_size=6)):
        if isinstance(body, dict | list):
            _bend(body, what, path, copy.deepcopy(value))
    raw = b"" if body is None else _written(body, in_xml=draw(st.integers(0, 3)) == 0)
    for change, one, two, text in draw(
        st.lists(st.tuples(st.sampled_from([_byte, _cut, _inserted]), NUMBER, NUMBER, NASTY_TEXT), max_size=1)
    ):
        raw = change(raw, one, two, text)
    return Sent(
        method=draw(st.sampled_from([case["method"], "POST", "PUT", "DELETE"])),
        path=draw(st.sampled_from([case.get("path", ""), "", *BEHIND])),
        media_type=draw(st.sampled_from(MEDIA)),
        body=raw,
    )


def _written(body: Any, *, in_xml: bool) -> bytes:
    if in_xml and isinstance(body, dict):
        return _element(str(body.get("resourceType") or "x"), body, root=True).encode(
            "utf-8", "surrogatepass"
        )
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _element(name: str, value: Any, *, root: bool = False) -> str:
    """FHIR's XML as far as it follows from JSON alone; what does not fit is written all the same."""
    about = ' xmlns="http://hl7.org/fhir"' if root else ""
    if isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    if not isinstance(value, dict):
        return f"<{name}{about} value={quoteattr(str(value))}/>"
    inside = "".join(_element(key, each) for key, each in value.items() if key != "resourceType")
    own = value.get("resourceType")
    if own and not root:
        inside = f"<{own}>{inside}</{own}>"
    return f"<{name}{about}>{inside}</{name}>"
