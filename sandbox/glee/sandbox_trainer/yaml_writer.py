"""Writes configs as YAML."""

import re

from .yaml_scalar import scalar


def dump(value, indent=0):
    """YAML as PyYAML's safe_dump writes it: keys sorted, blocks rather than flow, tuples as lists."""
    pad = " " * indent
    lines = []
    for key in sorted(value):
        item = value[key]
        if isinstance(item, dict) and item:
            lines += [f"{pad}{key}:\n", dump(item, indent + 2)]
        elif isinstance(item, (list, tuple)) and item:
            lines += [f"{pad}{key}:\n"] + [f"{pad}- {_scalar_text(entry)}\n" for entry in item]
        else:
            lines.append(f"{pad}{key}: {_scalar_text(item)}\n")
    return "".join(lines)


def _scalar_text(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_scalar_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, float):
        text = repr(value)
        # PyYAML reads an exponent only behind a fraction: 1e-05 would come back as a string.
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    if not isinstance(value, str):
        return str(value)
    plain = re.match(r"[A-Za-z0-9_./][A-Za-z0-9_./ -]*$", value) and value == value.strip() and scalar(value) == value
    return value if plain else "'" + value.replace("'", "''") + "'"
