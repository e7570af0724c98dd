"""Reads as much of YAML 1.1 as GLEE's configs and generated overrides need.

Block mappings and sequences, flow lists and mappings, plain, quoted and block scalars over one or several lines, and
comments; scalars mean what PyYAML takes them for (`yes` is true, `1e-4` a string that the config reads as a number).
Anchors, aliases, tags and several documents in a file are refused.
"""

import re

from .yaml_scalar import flow, scalar

_KEY = re.compile(r"""("[^"]*"|'[^']*'|[^\s"'\[\]{}#&*!|>%@`,-][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+(.*))?$""")


def parse(text):
    """The value of a YAML document; ValueError with a line number when it is none."""
    reader = _Reader(text.splitlines())
    line = reader.peek()
    value = None if line is None else reader.block(line[0])
    if reader.peek() is not None:
        raise reader.error("unexpected indentation")
    return value


class _Reader:
    """Walks the lines of a document, block by block."""

    def __init__(self, lines):
        self.lines = lines
        self.at = 0

    def error(self, what):
        return ValueError(f"YAML line {self.at + 1}: {what}")

    def peek(self):
        """(indentation, text) of the next line that is neither blank nor a comment, without moving past it."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            text = _without_comment(line).strip()
            if text and not (text == "---" and not line.startswith(" ")):
                if "\t" in line[: len(line) - len(line.lstrip())]:
                    raise self.error("tabs cannot indent")
                return len(line) - len(line.lstrip(" ")), text
            self.at += 1
        return None

    def block(self, indent):
        return self.sequence(indent) if _is_item(self.peek()[1]) else self.mapping(indent)

    def mapping(self, indent):
        result = {}
        while True:
            line = self.peek()
            if line is None or line[0] < indent or (line[0] == indent and _is_item(line[1])):
                return result
            match = _KEY.match(line[1])
            if line[0] > indent or not match:
                raise self.error(f"expected 'KEY: value', found '{line[1]}'")
            self.at += 1
            result[scalar(match.group(1))] = self.value(match.group(2) or "", indent)

    def sequence(self, indent):
        result = []
        while True:
            line = self.peek()
            if line is None or line[0] < indent or not _is_item(line[1]):
                return result
            if line[0] > indent:
                raise self.error("unexpected indentation")
            text = line[1][1:].lstrip()
            if _is_item(text) or _KEY.match(text):
                # "- key: value" opens a mapping, "- - item" a list, indented as far as its first line's text.
                inner = indent + len(line[1]) - len(text)
                self.lines[self.at] = " " * inner + text
                result.append(self.block(inner))
            else:
                self.at += 1
                result.append(self.value(text, indent))

    def value(self, text, indent):
        """What stands behind `key:` or `-`: on the same line, and on the lines after it that are indented further."""
        if not text:
            line = self.peek()
            if line is None or line[0] < indent or (line[0] == indent and not _is_item(line[1])):
                return None
            if _is_item(line[1]) or _KEY.match(line[1]):
                return self.block(line[0])
            self.at += 1
            text = line[1]
        if text[0] in "|>":
            return self.block_scalar(text, indent)
        if text[0] in "&*!%@`":
            raise self.error(f"'{text[0]}' is not in the subset of YAML that the sandbox reads")
        parts = [text]
        while not _is_closed(text):
            line = self.peek()
            if line is None:
                raise self.error("a bracket or quote is never closed")
            self.at += 1
            parts.append(line[1])
            text = " ".join(parts)
        if text[0] not in "[{\"'":
            line = self.peek()
            while line is not None and line[0] > indent:
                if _KEY.match(line[1]):
                    raise self.error("a key cannot stand inside a value")
                self.at += 1
                text += " " + line[1]
                line = self.peek()
        if text[0] in "[{":
            value, rest = flow(text)
            if rest.strip():
                raise self.error(f"unexpected '{rest.strip()}'")
            return value
        return scalar(text)

    def block_scalar(self, header, indent):
        """Text after `|` (lines kept) or `>` (lines folded), with its chomping mark."""
        rows = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
                break
            rows.append(line)
            self.at += 1
        margin = min((len(row) - len(row.lstrip(" ")) for row in rows if row.strip()), default=0)
        text = "\n".join(row[margin:] for row in rows).rstrip("\n")
        if header[0] == ">":
            text = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
        return text if "-" in header else text + "\n"


def _is_item(text):
    return text == "-" or text.startswith("- ")


def _without_comment(line):
    """The line up to a `#` that stands at its beginning or behind a blank, outside quotes."""
    quote = None
    for index, char in enumerate(line):
        if quote:
            quote = None if char == quote else quote
        elif char in "\"'" and not (index and line[index - 1].isalnum()):
            quote = char
        elif char == "#" and (index == 0 or line[index - 1] in " \t"):
            return line[:index]
    return line


def _is_closed(text):
    """Whether a flow value or quoted scalar ends in this text; a plain scalar always does."""
    if text[0] in "\"'":
        return len(text) > 1 and text.endswith(text[0]) and not text.endswith("\\" + text[0])
    if text[0] in "[{":
        bare = re.sub(r""""[^"]*"|'[^']*'""", "", text)
        return sum(bare.count(char) for char in "[{") <= sum(bare.count(char) for char in "]}")
    return True
