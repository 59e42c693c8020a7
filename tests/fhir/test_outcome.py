"""An OperationOutcome is valid R4 and says what to do."""

from __future__ import annotations

import pytest

from service.fhir.outcome import Issue, IssueCode, Severity, all_ok, operation_outcome, refusal
from tests.fhir.r4 import check_r4


@pytest.mark.parametrize("code", IssueCode)
@pytest.mark.parametrize("severity", Severity)
def test_every_code_and_severity_is_in_its_required_value_set(code, severity):
    check_r4(operation_outcome([Issue(code=code, says="Send it again", severity=severity)]))


def test_a_refusal_is_one_error_with_the_sentence_and_the_place():
    assert refusal(IssueCode.REQUIRED, "Give Bundle.type", expression="Bundle.type") == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "required",
                "details": {"text": "Give Bundle.type"},
                "diagnostics": "Give Bundle.type",
                "expression": ["Bundle.type"],
            }
        ],
    }


def test_success_is_information():
    assert all_ok("Taken in")["issue"][0]["severity"] == "information"


def test_an_outcome_without_anything_to_tell_is_refused():
    with pytest.raises(ValueError, match="at least one issue"):
        operation_outcome([])
