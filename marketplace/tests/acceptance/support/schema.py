# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""A validator of the part of JSON Schema (2020-12) that an OpenAPI document here may use.

A keyword that it does not know is an error: a schema must not be laxer than it looks.
"""

import re

ANNOTATIONS = {
    "description", "title", "example", "examples", "default", "format", "deprecated", "readOnly",
    "writeOnly", "contentMediaType", "$comment",
}  # fmt: skip
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def has_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


class Validator:
    def __init__(self, document):
        self.document = document

    def resolve(self, reference):
        """What "#/components/..." leads to; None if nothing is there."""
        at = self.document
        if not reference.startswith("#/"):
            return None
        for part in reference[2:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(at, dict) or part not in at:
                return None
            at = at[part]
        return at

    def resolved(self, value):
        return self.resolve(value["$ref"]) if "$ref" in value else value

    def errors(self, value, schema, where="$"):
        """What of the value is not as the schema has it."""
        if schema is True:
            return []
        if schema is False:
            return [f"{where}: must not be there"]
        found = []
        for keyword, operand in schema.items():
            if keyword in ANNOTATIONS:
                continue
            check = getattr(self, "_" + keyword.lstrip("$"), None)
            if check is None:
                found.append(f"{where}: this validator does not know {keyword!r}")
            else:
                found += check(value, operand, where, schema)
        return found

    def _ref(self, value, operand, where, schema):
        return self.errors(value, self.resolve(operand), where)

    def _type(self, value, operand, where, schema):
        names = operand if isinstance(operand, list) else [operand]
        if any(has_type(value, name) for name in names):
            return []
        return [f"{where}: {value!r} is not of type {' or '.join(names)}"]

    def _enum(self, value, operand, where, schema):
        return [] if value in operand else [f"{where}: {value!r} is not one of {operand}"]

    def _const(self, value, operand, where, schema):
        return [] if value == operand else [f"{where}: {value!r} is not {operand!r}"]

    def _properties(self, value, operand, where, schema):
        if not isinstance(value, dict):
            return []
        return [
            error
            for name, each in operand.items()
            if name in value
            for error in self.errors(value[name], each, f"{where}.{name}")
        ]

    def _required(self, value, operand, where, schema):
        if not isinstance(value, dict):
            return []
        return [f"{where}: no {name}" for name in operand if name not in value]

    def _additionalProperties(self, value, operand, where, schema):
        if not isinstance(value, dict):
            return []
        return [
            error
            for name, each in value.items()
            if name not in schema.get("properties", {})
            for error in self.errors(each, operand, f"{where}.{name}")
        ]

    def _items(self, value, operand, where, schema):
        if not isinstance(value, list):
            return []
        return [
            error
            for n, each in enumerate(value)
            for error in self.errors(each, operand, f"{where}[{n}]")
        ]

    def _minItems(self, value, operand, where, schema):
        short = isinstance(value, list) and len(value) < operand
        return [f"{where}: fewer than {operand}"] if short else []

    def _maxItems(self, value, operand, where, schema):
        long = isinstance(value, list) and len(value) > operand
        return [f"{where}: more than {operand}"] if long else []

    def _uniqueItems(self, value, operand, where, schema):
        twice = operand and isinstance(value, list) and len({repr(v) for v in value}) < len(value)
        return [f"{where}: something is there twice"] if twice else []

    def _minLength(self, value, operand, where, schema):
        short = isinstance(value, str) and len(value) < operand
        return [f"{where}: shorter than {operand}"] if short else []

    def _maxLength(self, value, operand, where, schema):
        long = isinstance(value, str) and len(value) > operand
        return [f"{where}: longer than {operand}"] if long else []

    def _pattern(self, value, operand, where, schema):
        wrong = isinstance(value, str) and not re.search(operand, value)
        return [f"{where}: {value!r} does not match {operand}"] if wrong else []

    def _minimum(self, value, operand, where, schema):
        small = has_type(value, "number") and value < operand
        return [f"{where}: {value} is less than {operand}"] if small else []

    def _maximum(self, value, operand, where, schema):
        large = has_type(value, "number") and value > operand
        return [f"{where}: {value} is more than {operand}"] if large else []

    def _allOf(self, value, operand, where, schema):
        return [error for each in operand for error in self.errors(value, each, where)]

    def _anyOf(self, value, operand, where, schema):
        if any(not self.errors(value, each, where) for each in operand):
            return []
        return [f"{where}: {value!r} is none of what it may be"]

    def _oneOf(self, value, operand, where, schema):
        fitting = sum(not self.errors(value, each, where) for each in operand)
        return [] if fitting == 1 else [f"{where}: is {fitting} of what it must be one of"]
