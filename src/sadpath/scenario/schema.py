"""JSON Schemas of the file formats, for editors and other tools.

A schema accepts what the reader accepts and refuses what it refuses, as far as JSON Schema can say it; the faults in it
come from the vocabulary, each with its scalar form, its bare form and its aliases.
"""

from __future__ import annotations

import itertools
from typing import Any

from pydantic import BaseModel, ValidationError

from sadpath.scenario.calls import CALL_OPTIONS, RESERVED, STEP_WORDS
from sadpath.scenario.model import OUTCOMES, Scenario
from sadpath.scenario.roles import Roles
from sadpath.scenario.rules import OPERATION_ID
from sadpath.scenario.vocabulary import FAULTS, FaultSettings, Vocabulary

__all__ = ["model_schema", "roles_schema", "scenario_schema"]

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_OPERATION: Schema = {"type": "string", "pattern": f"^(?:{OPERATION_ID})$"}
_CALLABLE: Schema = {**_OPERATION, "not": {"enum": list(RESERVED)}}
_ARGUMENTS: Schema = {"type": ["object", "null"]}


def model_schema(model: type[BaseModel], title: str) -> Schema:
    """Return the schema of the files that a model is read from: a key that may be left out is not null either."""
    schema = model.model_json_schema(by_alias=True)
    _tighten(schema)
    return {"$schema": _DIALECT, **schema, "title": title}


def roles_schema() -> Schema:
    """Return the schema of ``contracts/api/roles.yaml``."""
    return model_schema(Roles, "The roles of an API's operations, for sadpath")


def scenario_schema(vocabulary: Vocabulary = FAULTS) -> Schema:
    """Return the schema of scenario files, with the faults that ``vocabulary`` holds."""
    schema = model_schema(Scenario, "A sadpath scenario")
    parts: dict[str, Schema] = schema["$defs"]
    parts["Match"] = _match(parts["Match"])
    parts["Call"] = _call(parts["Call"])
    parts["Fault"], settings = _fault(vocabulary)
    parts |= settings
    parts["Step"] = {
        "description": "What one exchange meets: `pass`, one fault, or several that act together.",
        "anyOf": [{"const": "pass"}, {"$ref": "#/$defs/Fault"}, {"type": "array", "items": {"$ref": "#/$defs/Fault"}}],
    }
    rule = parts["Rule"]
    rule["properties"]["plan"]["items"] = {"$ref": "#/$defs/Step"}
    rule["properties"]["fault"] = {"$ref": "#/$defs/Step"}
    rule["oneOf"] = [{"required": ["plan"]}, {"required": ["fault"]}]
    rule["anyOf"] = [{"required": ["plan"]}, {"properties": {"then": {"const": "pass"}}}]
    one = {"enum": list(OUTCOMES)}
    parts["Expect"]["properties"]["outcome"] = {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
    parts["Expect"]["properties"]["attempts"]["additionalProperties"] = {
        "anyOf": [{"type": "integer", "minimum": 0}, {"const": "max"}]
    }
    parts["Expect"]["properties"]["attempts"]["propertyNames"] = _OPERATION
    return schema


def _tighten(schema: Any) -> None:
    """Refuse null where it only means that a key is left out, and keys that are not of the form a mapping wants."""
    if isinstance(schema, list):
        for item in schema:
            _tighten(item)
    elif isinstance(schema, dict):
        choices = schema.get("anyOf")
        if isinstance(choices, list) and {"type": "null"} in choices and schema.get("default", 0) is None:
            rest = [choice for choice in choices if choice != {"type": "null"}]
            del schema["anyOf"], schema["default"]
            schema |= rest[0] if len(rest) == 1 else {"anyOf": rest}
        keyed = schema.get("patternProperties")
        if isinstance(keyed, dict) and len(keyed) == 1 and "additionalProperties" not in schema:
            ((pattern, values),) = schema.pop("patternProperties").items()
            schema |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        for item in schema.values():
            _tighten(item)


def _match(fields: Schema) -> Schema:
    fields["properties"].pop("connection")
    return {
        "description": fields["description"],
        "anyOf": [
            {**_OPERATION, "examples": ["*", "connection"]},
            {key: item for key, item in fields.items() if key != "description"} | {"minProperties": 1},
        ],
    }


def _call(fields: Schema) -> Schema:
    """Return the schema of a call: one operation with its arguments, and options beside it."""
    one_operation = [
        {
            "required": list(chosen),
            "properties": {option: False for option in CALL_OPTIONS if option not in chosen},
            "minProperties": len(chosen) + 1,
            "maxProperties": len(chosen) + 1,
        }
        for count in range(len(CALL_OPTIONS) + 1)
        for chosen in itertools.combinations(CALL_OPTIONS, count)
    ]
    pages = {
        "type": "object",
        "propertyNames": _CALLABLE,
        "additionalProperties": _ARGUMENTS,
        "minProperties": 1,
        "maxProperties": 1,
    }
    options = {name: fields["properties"][name] for name in CALL_OPTIONS}
    written = {
        "type": "object",
        "properties": {**options, "pages": {"anyOf": [_CALLABLE, pages]}},
        "propertyNames": {**_OPERATION, "not": {"enum": [*STEP_WORDS, "op"]}},
        "additionalProperties": _ARGUMENTS,
        "anyOf": one_operation,
    }
    return {"description": fields["description"], "anyOf": [_CALLABLE, written]}


def _fault(vocabulary: Vocabulary) -> tuple[Schema, dict[str, Schema]]:
    """Return the schema of a fault, and the definitions that it refers to."""
    parts: dict[str, Schema] = {}
    bare: list[str] = []
    with_settings: dict[str, Schema] = {}
    names: list[tuple[str, type[FaultSettings], dict[str, Any]]] = [(kind.name, kind, {}) for kind in vocabulary]
    names += [(alias.name, vocabulary.get(alias.name)[0], alias.implied) for alias in vocabulary.aliases()]
    for name, kind, implied in names:
        forms = _forms(kind, implied, parts)
        if _may_be_bare(kind, implied):
            bare.append(name)
            forms.append({"type": "null"})
        with_settings[name] = {"description": kind.summary, "anyOf": forms}
    written = {
        "type": "object",
        "properties": with_settings,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"description": "One fault: `name` or `name: settings`.", "anyOf": [{"enum": bare}, written]}, parts


def _may_be_bare(kind: type[FaultSettings], implied: dict[str, Any]) -> bool:
    try:
        kind.from_file(None, implied)
    except ValidationError:
        return False
    return True


def _forms(kind: type[FaultSettings], implied: dict[str, Any], parts: dict[str, Schema]) -> list[Schema]:
    """Return the forms that the settings of one fault may have; puts what they refer to into ``parts``."""
    schema = kind.model_json_schema(by_alias=True, ref_template=f"#/$defs/{kind.name}.{{model}}")
    _tighten(schema)
    for name, part in schema.pop("$defs", {}).items():
        parts[f"{kind.name}.{name}"] = part
    needed = [name for name in schema.get("required", []) if name not in implied]
    schema.pop("title", None)
    schema["required"] = needed
    forms = [schema]
    if kind.scalar is not None:
        key = kind.model_fields[kind.scalar].alias or kind.scalar
        if set(needed) <= {key}:
            forms.insert(0, schema["properties"][key])
    return forms
