"""The minimum dataset of a pathway as a Questionnaire: one item for each required field, under the field's own id."""

from __future__ import annotations

from service.domain.needs import Needs, OnField, flat
from service.domain.pathway import Pathway, RequiredField, needs_of_pathway
from service.domain.vocabulary import FieldId
from service.fhir import systems
from service.fhir.definitions.shapes import canonical, computable_name, head, id_of
from service.fhir.definitions.wording import Wording
from service.fhir.render.elements import Json, coding

DESIGN_NOTE = "http://hl7.org/fhir/StructureDefinition/designNote"
FIELDS = "required-fields"


def questionnaire_url(pathway: Pathway) -> str | None:
    """Canonical of the Questionnaire; None for a pathway that requires nothing."""
    if not pathway.required:
        return None
    return canonical("Questionnaire", id_of(pathway.id, FIELDS), pathway.version)


def questionnaire(pathway: Pathway, wording: Wording) -> Json:
    """What must be known, who is asked for it, and where it is found."""
    title = f"{pathway.title}: what must be known"
    says = _answers(pathway)
    return {
        **head(
            "Questionnaire",
            id_of(pathway.id, FIELDS),
            pathway,
            name=computable_name(pathway.id, FIELDS),
            title=title,
            said=[_line(one, pathway) for one in pathway.required],
        ),
        "subjectType": ["Patient"],
        "description": "An answer is recorded on a follow-up as Task.output, coded with the linkId of the item.",
        "item": [_item(one, says.get(one.id, ()), pathway, wording) for one in pathway.required],
    }


def _answers(pathway: Pathway) -> dict[FieldId, tuple[str, ...]]:
    """The values of each field that the pathway tells apart."""
    every: Needs = tuple(need for needs in needs_of_pathway(pathway) for need in flat(needs))
    found: dict[FieldId, dict[str, None]] = {}
    for need in every:
        if isinstance(need, OnField):
            found.setdefault(need.field, {}).update(dict.fromkeys(need.says))
    return {field: tuple(says) for field, says in found.items()}


def _item(one: RequiredField, says: tuple[str, ...], pathway: Pathway, wording: Wording) -> Json:
    found = f" Found in the record when {wording.any_of(one.needs)}." if one.needs else ""
    why = pathway.sources.get(one.why, one.why)
    note = f"Asked of: {_asked(one, pathway)}.{found} Why: {why}"
    # Other answers than those that the pathway tells apart are answers too.
    kind = {"type": "open-choice", "answerOption": [{"valueString": word} for word in says]}
    return {
        "extension": [{"url": DESIGN_NOTE, "valueMarkdown": note}],
        "linkId": one.id,
        "code": [coding(systems.REQUIRED_FIELD, one.id, one.title)],
        "text": one.title,
        **(kind if says else {"type": "string"}),
        "required": not one.where_available,
    }


def _line(one: RequiredField, pathway: Pathway) -> str:
    where = ", where available" if one.where_available else ""
    return f"{one.title}{where}: asked of {_asked(one, pathway)}"


def _asked(one: RequiredField, pathway: Pathway) -> str:
    return pathway.role_titles.get(one.ask, one.ask)
