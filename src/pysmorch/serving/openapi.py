"""The description of a service in OpenAPI 3.1, made from the columns of its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pysmorch.encoders.values import TIMED
from pysmorch.serving.answers import ANSWERS
from pysmorch.serving.fields import MOST_VALUES, Field
from pysmorch.serving.inputs import ARROW, CSV, IMAGES, JSON, MULTIPART, Inputs
from pysmorch.serving.problems import PROBLEM_JSON
from pysmorch.serving.service import Service

NUMBER: Mapping[str, Any] = {"type": "number"}
BINARY: Mapping[str, Any] = {"type": "string", "format": "binary"}


def openapi_of(service: Service, with_token: bool) -> dict[str, Any]:
    """Return the description of a service.

    Parameters
    ----------
    service : Service
        A model.
    with_token : bool
        Whether requests need a token.

    Returns
    -------
    dict
        As plain data.
    """
    about = service.describe()
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": about["title"],
            "version": about["version"],
            "description": f"Predictions of {about['target'] or 'a model'}: {about['task']}.",
        },
        "paths": {
            "/predict": {"post": _predict(service)},
            "/model": {
                "get": _get("What the model takes and says.", {"application/json": {"schema": {"type": "object"}}})
            },
            "/health": {
                "get": _get("Whether the service answers.", {"application/json": {"schema": {"type": "object"}}})
                | {"security": []}
            },
            "/metrics": {"get": _get("Counts for Prometheus.", {"text/plain": {"schema": {"type": "string"}}})},
        },
        "components": {"schemas": _schemas(service)},
    }
    if with_token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


def _get(summary: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": summary, "content": content}}}


def _predict(service: Service) -> dict[str, Any]:
    problem = {"content": {PROBLEM_JSON: {"schema": _ref("Problem")}}}
    problems = {
        "400": "The body cannot be read, or the address has a wrong parameter.",
        "413": "The body is too large, or has too many rows.",
        "415": "The body is of another type.",
        "422": "A column or a row is not what the model takes; the answer names it.",
        "503": "Too many requests are in flight; try again after the seconds in Retry-After.",
    }
    answers: dict[str, Any] = {kind: {"schema": dict(BINARY)} for kind in ANSWERS}
    answers[JSON] = {"schema": _ref("Answer")}
    done = {"200": {"description": "A prediction for each row, in their order.", "content": answers}}
    return {
        "summary": "Predict one row or several.",
        "operationId": "predict",
        "parameters": _parameters(service),
        "requestBody": {"required": True, "content": _bodies(service.inputs)},
        "responses": done | {status: {"description": what} | problem for status, what in problems.items()},
    }


def _parameters(service: Service) -> list[dict[str, Any]]:
    coverage = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    if service.coverage is not None:
        coverage["default"] = service.coverage
    return [
        _parameter("explain", "Whether the reasons are wanted: what each column contributes.", {"type": "boolean"}),
        _parameter(
            "of", "The output that is explained.", {"type": "string", "enum": [str(name) for name in service.outputs]}
        ),
        _parameter("coverage", "Of intervals, or of sets of classes.", coverage),
    ]


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _bodies(inputs: Inputs) -> dict[str, Any]:
    """Return the types of bodies with their schemas."""
    rows = {"type": "array", "items": _ref("Row"), "minItems": 1}
    forms = [_ref("Row"), rows, _only("images" if inputs.kind == "images" else "rows", rows)]
    if inputs.kind == "columns":
        forms.append(_only("columns", {"type": "object", "additionalProperties": {"type": "array"}}))
    files = {"type": "object", "additionalProperties": {"type": "array", "items": dict(BINARY)}}
    schemas: dict[str, dict[str, Any]] = {
        JSON: {"anyOf": forms},
        CSV: {"type": "string"},
        ARROW: dict(BINARY),
        IMAGES: dict(BINARY),
        MULTIPART: files,
    }
    return {kind: {"schema": schemas.get(kind, dict(BINARY))} for kind in inputs.types}


def _only(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _schemas(service: Service) -> dict[str, Any]:
    return {
        "Row": _row(service.inputs),
        "Prediction": _prediction(service),
        "Answer": {
            "type": "object",
            "required": ["predictions"],
            "properties": {
                "predictions": {"type": "array", "items": _ref("Prediction")},
                "remarks": {
                    "type": "array",
                    "items": {"type": "object"},
                    "description": "What is unusual about the rows.",
                },
                "ignored": {"type": "array", "items": {"type": "string"}, "description": "Columns that play no part."},
            },
        },
        "Problem": {
            "type": "object",
            "required": ["title", "status", "detail"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": {"type": "object"},
                    "description": "With column, row, found and expected.",
                },
            },
        },
    }


def _row(inputs: Inputs) -> dict[str, Any]:
    """Return the schema of a row in JSON."""
    if inputs.kind == "columns":
        return {
            "type": "object",
            "properties": {field.name: _cell(field) for field in inputs.fields},
            "required": [field.name for field in inputs.fields if field.required],
        }
    if inputs.kind == "numbers":
        count = len(inputs.fields)
        return {"type": "array", "items": {"type": ["number", "null"]}, "minItems": count, "maxItems": count}
    height, width, channels = inputs.describe()["image"].values()
    pixel = dict(NUMBER) if channels == 1 else _list_of(dict(NUMBER), channels)
    return _list_of(_list_of(pixel, width), height)


def _list_of(schema: dict[str, Any], count: int) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": count, "maxItems": count}


def _cell(field: Field) -> dict[str, Any]:
    """Return the schema of a cell: first what the training saw, then what else is taken."""
    forms: list[dict[str, Any]] = []
    if field.is_category:
        values = list(field.values[:MOST_VALUES])
        forms = [{"enum": values, "description": "a value that the model knows"}] if values else []
        forms.append(
            {"type": ["string", "number", "boolean"], "description": "a value that was never seen is taken, too"}
        )
    elif field.holds == "text":
        forms = [{"type": ["string", "number", "boolean"]}]
    elif field.holds in ("number", "integer"):
        if field.low is not None:
            known = field.plain()
            whole = "integer" if field.holds == "integer" else "number"
            range_ = {"minimum": known["minimum"], "maximum": known["maximum"]}
            forms = [{"type": whole, **range_, "description": "the range of the training"}]
        forms.append({"type": "number"})
    elif field.holds == "boolean":
        forms = [{"type": "boolean"}, {"type": "string", "description": "a word for true or false, as in training"}]
    else:
        kinds = ["string", "number"] if field.numeric else ["string"]
        written = f"a {field.holds or 'value'}" + (f" written {field.written}" if field.written else "")
        forms = [{"type": kinds if field.holds in TIMED else [*kinds, "boolean"], "description": written}]
    schema: dict[str, Any] = {"anyOf": [*forms, {"type": "null", "description": "a missing value"}]}
    return schema if field.typical is None else schema | {"examples": [field.typical]}


def _prediction(service: Service) -> dict[str, Any]:
    """Return the schema of what is said of a row."""
    several = len(service.outputs) > 1
    names = [str(name) for name in service.outputs]
    properties: dict[str, Any] = {}
    if service.classifies and not service.needs_of:
        properties["prediction"] = {
            "enum": [name if isinstance(name, (str, int, float, bool)) else str(name) for name in service.outputs]
        }
    else:
        properties["prediction"] = _list_of(dict(NUMBER), len(names)) if several else {"type": ["number", "null"]}
    if service.classifies:
        each = {"type": "number", "minimum": 0, "maximum": 1}
        properties["probabilities"] = {
            "type": "object",
            "properties": {name: each for name in names},
            "required": names,
        }
    if service.coverage is not None:
        interval = {"description": "The lower and the upper bound."} | _list_of(dict(NUMBER), 2)
        within = {"set": {"type": "array", "description": "The classes that cannot be excluded."}}
        properties |= within if service.classifies else {"interval": interval}
    if not service.no_reasons:
        properties["explanation"] = {"type": "object", "description": "What each column contributes."}
    return {"type": "object", "required": ["prediction"], "properties": properties}
