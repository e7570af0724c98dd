"""What a scalar means in YAML 1.1, and flow lists and mappings, which are scalars between brackets."""

import json
import re

_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)$")
_HEX = re.compile(r"[-+]?0x[0-9a-fA-F_]+$")
_FLOAT = re.compile(r"([-+]?[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?$")
_BOOL = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_WORDS = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}


def scalar(text):
    """The value of a plain or quoted scalar."""
    if text[:1] == '"':
        return json.loads(text)
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in (text.lower(), text.upper(), text.capitalize()) and text.lower() in _BOOL:
        return _BOOL[text.lower()]
    if _INT.match(text):
        return int(text.replace("_", ""))
    if _HEX.match(text):
        return int(text.replace("_", ""), 16)
    if re.match(r"[-+]?0[0-7_]+$", text):
        return int(text.replace("_", ""), 8)
    if _FLOAT.match(text):
        return float(text.replace("_", ""))
    return _WORDS.get(text.lower(), text)


def flow(text):
    """A flow list, mapping or scalar at the beginning of the text, and what is left of the text."""
    text = text.lstrip()
    if text[:1] == "[":
        items, text = [], text[1:].lstrip()
        while text[:1] != "]":
            item, text = flow(text)
            items.append(item)
            text = _after_comma(text, "]")
        return items, text[1:]
    if text[:1] == "{":
        items, text = {}, text[1:].lstrip()
        while text[:1] != "}":
            key, text = flow(text)
            if not text.lstrip().startswith(":"):
                raise ValueError(f"YAML: expected ':' in a flow mapping, found '{text}'")
            items[key], text = flow(text.lstrip()[1:])
            text = _after_comma(text, "}")
        return items, text[1:]
    match = re.match(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?:[^,\[\]{}:]|:(?=\S))*""", text)
    return scalar(match.group(0).strip()), text[match.end() :]


def _after_comma(text, close):
    text = text.lstrip()
    if text[:1] == ",":
        return text[1:].lstrip()
    if text[:1] != close:
        raise ValueError(f"YAML: expected ',' or '{close}', found '{text}'")
    return text
