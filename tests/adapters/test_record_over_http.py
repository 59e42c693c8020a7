"""The record over HTTP against scripts of what servers really answer; no sleeps, no sockets."""

import json
from decimal import Decimal

import httpx
import pytest

from service.adapters.fhir.auth import BearerToken
from service.adapters.fhir.client import FhirClient, Limits
from service.adapters.fhir.pacing import Pace
from service.adapters.fhir.retry import Backoff
from service.adapters.fhir_http import HttpFhirRecord
from service.domain.vocabulary import Reference
from service.ports import (
    Capabilities,
    NotInRecord,
    RecordFailure,
    RecordRefused,
    RecordUnavailable,
    Search,
    VersionConflict,
    Write,
    Written,
)
from tests.plans import new

BASE = "https://record.example/fhir"
TASK = new("follow-up", "Task", "a", status="requested", description="Ana asked to be called")
TASKS = Search(kind="Task", params=(("patient", "Patient/ana"),))
OTHERS = Search(kind="Task", params=(("patient", "Patient/ben"),))
CREATED = httpx.Response(201, headers={"Location": f"{BASE}/Task/1/_history/1", "ETag": 'W/"1"'})
LEAK = {"severity": "error", "code": "required", "diagnostics": "Ana", "expression": ["Task.owner"]}


class Script:
    """Answers in order (the last one for ever), keeps what was asked, and lets time pass without waiting."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.time = 0.0
        self.slept = []

    def __call__(self, request):
        request.read()
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else httpx.Response(
            answer.status_code, headers=answer.headers, content=answer.content
        )  # fmt: skip

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds

    def client(self, **options):
        return FhirClient(
            options.pop("base", BASE),
            transport=httpx.MockTransport(self),
            chance=options.pop("chance", lambda: 0.5),
            sleep=self.sleep,
            monotonic=lambda: self.time,
            **options,
        )

    def record(self, capabilities=None, **options):
        return HttpFhirRecord(self.client(**options), capabilities or Capabilities())


def outcome(status, *issues, **headers):
    body = {"resourceType": "OperationOutcome", "issue": list(issues or [LEAK])}
    return httpx.Response(status, json=body, headers=headers)


def written(reference, version, *, created):
    return Written(reference=Reference(reference), version=version, created=created)


def page(*resources, next_link=None):
    link = [{"relation": "next", "url": next_link}] if next_link else []
    entries = [{"resource": each} for each in resources]
    return httpx.Response(200, json={"resourceType": "Bundle", "link": link, "entry": entries})


def task(logical_id, version="1"):
    return {"resourceType": "Task", "id": logical_id, "meta": {"versionId": version}}


# --- staying inside


@pytest.mark.parametrize(
    "base",
    ["", "record.example/fhir", "ftp://record.example", "https://u:p@record.example/fhir", f"{BASE}?x=1"],
)
def test_a_base_url_that_is_none_is_refused_at_once(base):
    with pytest.raises(ValueError) as refused:
        FhirClient(base)
    assert str(refused.value) == (
        "The FHIR base URL must look like https://host/path, without user, query or fragment: correct"
        " THROUGHLINE_FHIR_BASE_URL."
    )


def test_a_redirect_is_never_followed():
    script = Script(httpx.Response(302, headers={"Location": "https://elsewhere.example/fhir/Task/1"}))
    with pytest.raises(RecordRefused) as refused:
        script.record().read("Task/1")
    assert len(script.asked) == 1
    assert str(refused.value) == (
        "GET Task: the FHIR server redirects elsewhere (302), which is never followed. Set"
        " THROUGHLINE_FHIR_BASE_URL to the address itself."
    )


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/other/Task?page=2",
        "/other/Task?page=2",
        f"{BASE}/../admin?page=2",
        f"{BASE}/%2e%2e/admin?page=2",
        f"{BASE}/%252e%252e/admin",
        "https://record.example/fhirevil/Task",
        "file:///fhir/Task",
        "javascript:alert(1)//fhir",
    ],
)
def test_a_next_page_outside_the_base_is_refused(link):
    script = Script(page(task("1"), next_link=link))
    with pytest.raises(RecordRefused) as refused:
        list(script.record().search(TASKS))
    assert len(script.asked) == 1
    assert str(refused.value) == (
        "The FHIR server's next page lies outside its base URL, so it was not followed: correct the server's own"
        " base URL, or THROUGHLINE_FHIR_BASE_URL."
    )


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        (f"{BASE}/Task?page=2", f"{BASE}/Task?page=2"),
        ("http://localhost:8090/fhir/Task?page=2", f"{BASE}/Task?page=2"),
        ("https://user:secret@elsewhere.example/fhir?_getpages=x", f"{BASE}?_getpages=x"),
        ("/fhir/Task?page=2", f"{BASE}/Task?page=2"),
        ("Task?page=2", f"{BASE}/Task?page=2"),
        ("?page=2", f"{BASE}?page=2"),
    ],
)
def test_a_next_page_is_always_asked_of_our_own_base(link, asked):
    script = Script(page(task("1"), next_link=link), page(task("2")))
    found = list(script.record(auth=BearerToken(lambda: "secret")).search(TASKS))
    assert [each["id"] for each in found] == ["1", "2"]
    assert str(script.asked[1].url) == asked


def test_pages_that_go_round_in_circles_end_with_an_error():
    script = Script(page(task("1"), next_link=f"{BASE}/Task?page=2"))
    with pytest.raises(RecordRefused, match="pages never end"):
        list(script.record().search(TASKS))


def test_a_resource_that_stands_on_two_pages_is_found_once():
    script = Script(page(task("1"), task("2"), next_link=f"{BASE}/Task?page=2"), page(task("2"), task("3")))
    assert [each["id"] for each in script.record().search(TASKS)] == ["1", "2", "3"]


def test_the_token_goes_with_every_request_and_shows_nowhere():
    script = Script(page())
    auth = BearerToken(lambda: "s3cret")
    list(script.record(auth=auth).search(TASKS))
    assert script.asked[0].headers["authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(auth)


def test_a_huge_answer_is_refused_before_it_is_read_whole():
    script = Script(httpx.Response(200, content=b"x" * 2000))
    with pytest.raises(RecordRefused) as refused:
        script.record(limits=Limits(largest_answer=1000)).read("Task/1")
    assert str(refused.value) == (
        "GET Task: the answer is larger than 1000 bytes and was not read. Ask for less at once, or raise the limit."
    )


def test_an_answer_that_is_not_fhir_is_no_answer():
    with pytest.raises(RecordUnavailable, match="the answer is not JSON"):
        Script(httpx.Response(200, text="<html>Please log in</html>")).record().read("Task/1")
    with pytest.raises(RecordUnavailable, match="not a FHIR resource"):
        Script(httpx.Response(200, json=[1])).record().read("Task/1")


# --- exactness


def test_decimals_and_what_is_not_understood_come_and_go_unchanged():
    raw = b'{"resourceType":"Observation","id":"1","meta":{"versionId":"1"},"valueQuantity":{"value":12.50},"_x":{"y":[null]}}'
    script = Script(httpx.Response(200, content=raw))
    record = script.record()
    read = record.read("Observation/1")
    assert str(read["valueQuantity"]["value"]) == "12.50"
    record.update(Write(resource=read, full_url="Observation/1", if_match="1"))
    assert script.asked[1].content == raw


def test_searches_are_encoded_so_that_no_value_can_become_a_parameter():
    script = Script(page())
    list(script.record().search(Search(kind="Task", params=(("identifier", "s|a&status=x #+é"),))))
    assert script.asked[0].url.query == b"identifier=s%7Ca%26status%3Dx%20%23%2B%C3%A9&_count=200"


def test_a_condition_is_escaped_as_fhir_wants_it():
    script = Script(CREATED)
    script.record().create(new("follow-up", "Task", "a,b|c$d"))
    assert script.asked[0].headers["if-none-exist"] == (
        "identifier=https%3A%2F%2Fthroughline.example%2Ffhir%2Fidentifier%2Ffollow-up%7Ca%5C%2Cb%5C%7Cc%5C%24d"
    )


# --- which failure it is


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            outcome(404),
            NotInRecord,
            "GET Task: the FHIR server does not have this (404, required at Task.owner).",
        ),
        (
            outcome(410),
            NotInRecord,
            "GET Task: the FHIR server does not have this (410, required at Task.owner).",
        ),
        (
            outcome(401, {"code": "login"}),
            RecordRefused,
            "GET Task: the FHIR server does not let us (401, login). Check the THROUGHLINE_FHIR_AUTH_… settings and the scopes granted.",
        ),
        (
            outcome(422, LEAK, {"code": "Ana is at home", "expression": ["Task.note.where(text = 'Ana')"]}),
            RecordRefused,
            (
                "GET Task: the FHIR server will not accept this request as it is (422, required at Task.owner). Run"
                " `throughline doctor` to see what the server supports."
            ),
        ),
        (
            httpx.Response(503, text="<html>"),
            RecordUnavailable,
            "GET Task: the FHIR server could not do it now (503). Try again later.",
        ),
        (
            httpx.Response(507),
            RecordUnavailable,
            "GET Task: the FHIR server failed (507). Try again later.",
        ),
    ],
)
def test_each_status_is_one_kind_of_failure_and_its_message_holds_no_content(answer, kind, message):
    with pytest.raises(kind) as failed:
        Script(answer).record().read("Task/1")
    assert type(failed.value) is kind
    assert str(failed.value) == message
    assert failed.value.status == answer.status_code


def test_deleted_is_told_from_never_there():
    for status, deleted in ((410, True), (404, False)):
        with pytest.raises(NotInRecord) as absent:
            Script(outcome(status)).record().read("Task/1")
        assert absent.value.deleted is deleted


def test_a_type_that_the_server_does_not_know_is_refused_and_not_absent():
    with pytest.raises(RecordRefused, match="Is Task supported there"):
        list(Script(outcome(404)).record().search(TASKS))
    with pytest.raises(RecordRefused, match="Is Task supported there"):
        Script(outcome(404)).record().create(TASK)


IGNORED = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "warning", "code": "not-supported", "diagnostics": "Unknown 'colour'"}],
}


def test_a_search_parameter_that_was_ignored_is_an_error_not_an_answer():
    unknown = Search(kind="Task", params=(("colour", "blue"),))
    with pytest.raises(RecordRefused) as refused:
        list(Script(page(task("1"), IGNORED)).record().search(unknown))
    assert str(refused.value) == ("GET Task?: the search parameter colour is not known for Task (400).")


def about(logical_id, person):
    return {**task(logical_id), "for": {"reference": person}, "owner": {"reference": "Practitioner/lee"}}


OWNED = Search(kind="Task", params=(("patient", "Patient/ana"), ("_include", "Task:owner")))


def cannot_search_by_patient(request):
    if "Practitioner" in request.url.path:
        return httpx.Response(200, json={"resourceType": "Practitioner", "id": "lee"})
    if request.method == "POST":
        each = {"response": {"status": "400"}}
        return entries(*[each] * len(json.loads(request.content)["entry"]))
    if request.headers["prefer"] == "handling=strict":
        return outcome(400, {"code": "not-supported"})
    return page(about("1", "Patient/ben"), about("2", "Patient/ana"), IGNORED)


def test_what_a_server_cannot_choose_is_chosen_here_and_remembered():
    script = Script(cannot_search_by_patient)
    record = script.record()
    wanted = ["2", "lee"]
    assert [each["id"] for each in record.search(OWNED)] == wanted
    assert record.narrowed == {"Task by patient, _include"}
    before = len(script.asked)
    assert [[each["id"] for each in some] for some in record.search_all([OWNED, OWNED])] == [wanted, wanted]
    asked = [
        (r.method, r.headers.get("prefer")) for r in script.asked[before:] if "Practitioner" not in r.url.path
    ]
    assert asked == [("GET", "handling=lenient")] * 2


def test_in_a_batch_too():
    script = Script(cannot_search_by_patient)
    found = script.record().search_all([OWNED, TASKS])
    assert [[each["id"] for each in some] for some in found] == [["2", "lee"], ["2"]]


def test_a_search_that_is_refused_either_way_stays_refused():
    script = Script(outcome(400, {"code": "invalid"}))
    with pytest.raises(RecordRefused, match=r"GET Task\? by patient: .* \(400, invalid\)"):
        list(script.record().search(TASKS))
    assert len(script.asked) == 2


def test_too_much_to_choose_from_is_refused():
    many = page(*(about(str(n), "Patient/ben") for n in range(5001)), IGNORED)
    with pytest.raises(RecordRefused, match="does not support one of the search parameters patient"):
        list(Script(many).record().search(TASKS))


# --- trying again


def test_a_storm_of_conflicts_is_ridden_out_with_growing_jittered_waits():
    script = Script(*[outcome(409)] * 6, CREATED)
    pace = Pace(start=8)
    answered = script.record(pace=pace).create(TASK)
    assert answered == written("Task/1", "1", created=True)
    assert script.slept == [0.025, 0.05, 0.1, 0.2, 0.4, 0.8]
    numbers = pace.numbers()
    assert (numbers.limit, numbers.conflicts, numbers.retries, numbers.in_flight) == (1, 6, 6, 0)


def test_conflicts_without_end_become_unavailable_in_bounded_time():
    script = Script(outcome(409))
    with pytest.raises(RecordUnavailable) as gave_up:
        script.record(backoff=Backoff(patience=10.0, tries=100)).create(TASK)
    assert gave_up.value.status == 409
    assert script.time <= 10.0
    assert len(script.asked) > 5


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 7.025),
        ({"Retry-After": "Fri, 06 Mar 2026 23:30:09 GMT", "Date": "Fri, 06 Mar 2026 23:30:00 GMT"}, 9.025),
        ({"RateLimit": '"fhirInteractions";r=0;t=12'}, 12.025),
        ({"Retry-After": "soon"}, 0.025),
    ],
)
def test_the_server_says_how_long_to_stay_away(headers, waited):
    script = Script(outcome(429, **headers), CREATED)
    script.record().create(TASK)
    assert script.slept == [pytest.approx(waited)]


def test_a_server_that_wants_more_time_than_we_have_is_left_for_later():
    script = Script(outcome(429, RateLimit='"fhirInteractions";r=0;t=60'))
    with pytest.raises(RecordUnavailable):
        script.record(backoff=Backoff(patience=30.0)).create(TASK)
    assert (len(script.asked), script.slept) == (1, [])


def test_a_lost_answer_is_asked_for_again_because_creates_are_conditional():
    script = Script(httpx.ReadTimeout("lost"), httpx.RemoteProtocolError("cut"), CREATED)
    assert script.record().create(TASK).reference == "Task/1"
    assert len({request.headers["if-none-exist"] for request in script.asked}) == 1


def test_a_create_without_condition_is_not_repeated_when_its_answer_is_lost():
    script = Script(httpx.ReadTimeout("lost"), CREATED)
    with pytest.raises(RecordUnavailable) as lost:
        script.record().create(Write(resource=TASK.resource, full_url=TASK.full_url))
    assert len(script.asked) == 1
    assert str(lost.value) == (
        "POST Task: no answer from the FHIR server after 1 tries (ReadTimeout). Check that it runs and that"
        " THROUGHLINE_FHIR_BASE_URL is right; try again later."
    )


def test_a_create_without_condition_is_repeated_when_it_never_left():
    script = Script(httpx.ConnectError("refused"), CREATED)
    assert script.record().create(Write(resource=TASK.resource, full_url=TASK.full_url)).created


def test_what_is_refused_is_not_tried_again():
    script = Script(outcome(422))
    with pytest.raises(RecordRefused):
        script.record().create(TASK)
    assert len(script.asked) == 1


def test_duplicates_in_the_record_are_named_after_a_few_tries():
    script = Script(outcome(412, {"code": "multiple-matches"}))
    with pytest.raises(RecordRefused) as refused:
        script.record().create(TASK)
    assert len(script.asked) == 3
    assert str(refused.value) == (
        "POST Task: more than one resource already carries this identifier (412, multiple-matches). Remove the"
        " duplicates."
    )


def test_where_transactions_are_atomic_even_a_single_create_is_one():
    script = Script(
        lambda _request: entries({"response": {"status": "201", "location": "Task/1/_history/1"}})
    )
    assert script.record(Capabilities(atomic_transactions=True)).create(TASK).created
    assert str(script.asked[0].url) == BASE


# --- updates


def update(version="1"):
    return Write(resource=task("1"), full_url="Task/1", if_match=version)


def test_a_stale_version_is_a_conflict_at_once():
    script = Script(outcome(412))
    with pytest.raises(VersionConflict) as conflict:
        script.record().update(update())
    assert script.asked[0].headers["if-match"] == 'W/"1"'
    assert len(script.asked) == 1
    assert str(conflict.value) == (
        "PUT Task: somebody else wrote this resource meanwhile (412, required at Task.owner). Read again and decide"
        " again."
    )


def test_a_409_on_an_update_is_a_conflict_when_the_version_has_moved_on():
    moved = Script(outcome(409), httpx.Response(200, json=task("1", "2")))
    with pytest.raises(VersionConflict):
        moved.record().update(update())
    busy = Script(
        outcome(409), httpx.Response(200, json=task("1", "1")), httpx.Response(200, json=task("1", "2"))
    )
    assert busy.record().update(update()).version == "2"


def test_where_if_match_is_ignored_the_version_is_compared_by_reading_first():
    script = Script(httpx.Response(200, json=task("1", "2")))
    with pytest.raises(VersionConflict):
        script.record(Capabilities(if_match=False)).update(update())
    assert [request.method for request in script.asked] == ["GET"]


# --- servers that say little


def test_a_server_that_answers_with_location_only_is_asked_for_the_version():
    bare = httpx.Response(201, headers={"Location": "http://localhost:8090/fhir/Task/1"})
    script = Script(bare, httpx.Response(200, json=task("1", "uuid-7")))
    assert script.record().create(TASK) == written("Task/1", "uuid-7", created=True)


@pytest.mark.parametrize("status", [200, 304])
def test_a_server_that_says_nothing_of_what_it_found_is_searched(status):
    script = Script(httpx.Response(status), page(task("9", "3")))
    assert script.record().create(TASK) == written("Task/9", "3", created=False)


def test_where_conditional_create_is_ignored_a_search_comes_before_every_try():
    script = Script(page(), httpx.ReadTimeout("lost"), page(task("9", "1")))
    answered = script.record(Capabilities(conditional_create=False)).create(TASK)
    assert [request.method for request in script.asked] == ["GET", "POST", "GET"]
    assert answered == written("Task/9", "1", created=False)


def test_a_server_without_versions_is_refused_because_nothing_could_be_fenced():
    script = Script(httpx.Response(200, json={"resourceType": "Task", "id": "1"}))
    with pytest.raises(RecordRefused, match="keeps no versionId"):
        script.record().create(TASK)


# --- bundles


def entries(*answers):
    return httpx.Response(
        200, json={"resourceType": "Bundle", "type": "transaction-response", "entry": list(answers)}
    )


def test_every_entry_of_a_transaction_is_checked_by_itself():
    script = Script(
        entries(
            {"response": {"status": "201 Created", "location": "Task/1"}, "resource": task("1", "v")},
            {"response": {"status": "400", "outcome": {"resourceType": "OperationOutcome", "issue": [LEAK]}}},
            {"response": {"status": "409"}},
            {"response": {}},
            {"response": {"status": "412"}},
        )
    )
    writes = [*(new("follow-up", "Task", str(n)) for n in range(4)), update()]
    good, refused, busy, mute, stale = script.record().transact(writes)
    assert good == written("Task/1", "v", created=True)
    assert [type(each) for each in (refused, busy, mute, stale)] == [
        RecordRefused, RecordUnavailable, RecordUnavailable, VersionConflict,
    ]  # fmt: skip
    assert str(refused).startswith("POST Task in a transaction: ")
    assert "Ana" not in str(refused)


def test_a_transaction_is_sent_as_fhir_wants_it():
    script = Script(entries({"response": {"status": "201", "location": "Task/1/_history/1"}}, {"response": {"status": "200", "etag": 'W/"2"'}}))  # fmt: skip
    results = script.record().transact([TASK, update("1")])
    assert results == [
        written("Task/1", "1", created=True),
        written("Task/1", "2", created=False),
    ]
    first, second = json.loads(script.asked[0].content)["entry"]
    assert str(script.asked[0].url) == BASE
    assert script.asked[0].headers["content-type"] == "application/fhir+json"
    assert first["fullUrl"] == TASK.full_url
    assert first["request"]["ifNoneExist"].startswith("identifier=https%3A%2F%2F")
    assert second["request"] == {"method": "PUT", "url": "Task/1", "ifMatch": 'W/"1"'}


def test_a_transaction_answer_of_another_length_is_unknown_not_success():
    with pytest.raises(RecordUnavailable, match="answered 0 of 1 entries"):
        Script(httpx.Response(200)).record().transact([TASK])


def test_a_search_of_a_batch_that_failed_for_now_is_asked_alone():
    both = entries(
        {
            "response": {"status": "200"},
            "resource": {"resourceType": "Bundle", "entry": [{"resource": task("1")}]},
        },
        {"response": {"status": "429"}},
    )
    script = Script(both, page(task("2")))
    found = script.record().search_all([TASKS, OTHERS])
    assert [[each["id"] for each in some] for some in found] == [["1"], ["2"]]


def test_a_search_of_a_batch_that_was_refused_fails_all():
    both = entries({"response": {"status": "200"}, "resource": {"resourceType": "Bundle"}}, {"response": {"status": "403"}})  # fmt: skip
    with pytest.raises(
        RecordFailure, match=r"GET Task\? by patient: the FHIR server does not let us \(403\)"
    ):
        Script(both).record().search_all([TASKS, OTHERS])


def test_many_searches_go_out_in_bundles_of_bounded_size():
    def answer(request):
        asked = json.loads(request.content)["entry"]
        each = {"response": {"status": "200"}, "resource": {"resourceType": "Bundle"}}
        return entries(*[each] * len(asked))

    script = Script(answer)
    many = [Search(kind="Task", params=(("patient", f"Patient/{n}"),)) for n in range(45)]
    assert script.record().search_all(many) == [[]] * 45
    assert [len(json.loads(r.content)["entry"]) for r in script.asked] == [20, 20, 5]


def test_the_same_search_twice_is_asked_once():
    both = entries(*[{"response": {"status": "200"}, "resource": {"resourceType": "Bundle"}}] * 2)
    script = Script(both)
    assert script.record().search_all([TASKS, OTHERS, TASKS]) == [[]] * 3
    assert len(json.loads(script.asked[0].content)["entry"]) == 2


def test_without_batches_searches_go_one_by_one():
    script = Script(page(task("1")), page(task("2")))
    found = script.record(Capabilities(batch=False)).search_all([TASKS, OTHERS])
    assert [some[0]["id"] for some in found] == ["1", "2"]


def test_numbers_that_are_no_floats_survive_a_search():
    body = (
        b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","id":"1","x":1.10}}]}'
    )
    (found,) = Script(httpx.Response(200, content=body)).record().search(TASKS)
    assert found["x"] == Decimal("1.10")
    assert str(found["x"]) == "1.10"


# --- history


def a_page(*numbers, link=None):
    entries = [
        {"resource": {"resourceType": "Task", "id": "1", "meta": {"versionId": str(n)}}} for n in numbers
    ]
    links = [{"relation": "next", "url": link}] if link else []
    return httpx.Response(
        200, json={"resourceType": "Bundle", "type": "history", "entry": entries, "link": links}
    )


def test_a_history_is_read_page_by_page_on_this_server_alone():
    script = Script(a_page(3, 2, link="https://elsewhere.example/fhir/Task/1/_history?page=2"), a_page(1))
    record = HttpFhirRecord(script.client(), Capabilities())
    pages = list(record.history(Reference("Task/1")))

    assert [e["resource"]["meta"]["versionId"] for page in pages for e in page["entry"]] == ["3", "2", "1"]
    assert [str(request.url) for request in script.asked] == [
        f"{BASE}/Task/1/_history?_count=200", f"{BASE}/Task/1/_history?page=2",
    ]  # fmt: skip


def test_history_pages_that_never_end_are_refused():
    script = Script(a_page(1, link=f"{BASE}/Task/1/_history?page=2"))
    with pytest.raises(RecordRefused, match="GET Task _history: the FHIR server's pages never end"):
        list(HttpFhirRecord(script.client(), Capabilities()).history(Reference("Task/1")))


@pytest.mark.parametrize(
    ("status", "failure"), [(404, NotInRecord), (501, RecordRefused), (405, RecordRefused)]
)
def test_a_server_without_history_says_so(status, failure):
    script = Script(httpx.Response(status))
    with pytest.raises(failure):
        list(HttpFhirRecord(script.client(), Capabilities()).history(Reference("Task/1")))
