"""Write inputs/*.json from the suite's XML examples: `python convert_inputs.py <folder of the suite>`.

Run once per version of the suite; the results are committed. Text that people read (Narrative.div) is left empty.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from service.fhir.paths.elements import PRIMITIVE_KINDS, element_type

NAMESPACE = "{http://hl7.org/fhir}"
INPUTS = Path(__file__).parent / "inputs"


def resource_json(node: ET.Element) -> dict[str, Any]:
    name = node.tag.removeprefix(NAMESPACE)
    return {"resourceType": name, **object_json(node, name)}


def object_json(node: ET.Element, type_name: str) -> dict[str, Any]:
    found: dict[str, Any] = {key: node.attrib[key] for key in ("id", "url") if key in node.attrib}
    for child in node:
        name = child.tag.removeprefix(NAMESPACE)
        if name.endswith("}div"):
            continue
        element, many = declared(type_name, name)
        if element in PRIMITIVE_KINDS:
            add_primitive(found, name, child, element, many)
        else:
            value = resource_json(child[0]) if element == "Resource" else object_json(child, element)
            found.setdefault(name, []).append(value) if many else found.update({name: value})
    return found


def add_primitive(found: dict[str, Any], name: str, child: ET.Element, element: str, many: bool) -> None:
    value = primitive_json(child.attrib.get("value"), PRIMITIVE_KINDS[element])
    extensions = object_json(child, element)
    if many:
        found.setdefault(name, []).append(value)
        return
    if value is not None:
        found[name] = value
    if extensions:
        found["_" + name] = extensions


def primitive_json(text: str | None, kind: str) -> Any:
    if text is None or kind not in ("Boolean", "Integer", "Decimal"):
        return text
    return json.loads(text)


def declared(type_name: str, name: str) -> tuple[str, bool]:
    fields = element_type(type_name).fields
    if name in fields:
        return fields[name].types[0], fields[name].many
    for field in fields.values():
        for chosen in field.types:
            if field.is_choice and name == field.name + chosen[0].upper() + chosen[1:]:
                return chosen, False
    raise KeyError(f"{type_name}.{name}")


def main(folder: Path) -> None:
    for source in sorted(folder.glob("*.xml")):
        if source.name.startswith("tests-"):
            continue
        resource = resource_json(ET.parse(source).getroot())
        text = json.dumps(resource, indent=2, ensure_ascii=False) + "\n"
        (INPUTS / source.with_suffix(".json").name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
