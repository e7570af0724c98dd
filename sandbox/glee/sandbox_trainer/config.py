"""The configuration: YAML files that build on each other, and overrides, checked as yacs checks them."""

import ast
import os

from .defaults import DEFAULTS
from .yaml_reader import parse


class Config(dict):
    """A dictionary whose keys are attributes too: `cfg.SOLVER.MAX_ITER`."""

    def __getattr__(self, key):
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None


def load_config(path, overrides):
    """Defaults, then the file with the files it is based on, then KEY VALUE pairs."""
    cfg = _copy(DEFAULTS)
    assert os.path.isfile(path), f"Config file '{path}' does not exist!"
    _merge(_read_with_bases(path), cfg, [])
    _merge_overrides(cfg, overrides)
    return cfg


def _copy(value):
    return Config((key, _copy(item)) for key, item in value.items()) if isinstance(value, dict) else value


def _read_with_bases(path):
    """The file's settings on top of those of its `_BASE_`, whose path is relative to the file."""
    with open(path, encoding="utf-8") as file:
        settings = parse(file.read()) or {}
    base = settings.pop("_BASE_", None)
    if base is None:
        return settings
    base = os.path.expanduser(base)
    merged = _read_with_bases(os.path.join(os.path.dirname(path), base))
    _lay_over(settings, merged)
    return merged


def _lay_over(settings, base):
    for key, value in settings.items():
        if isinstance(value, dict) and key in base:
            assert isinstance(base[key], dict), f"Cannot inherit key '{key}' from base!"
            _lay_over(value, base[key])
        else:
            base[key] = value


def _merge(settings, cfg, path):
    for key, value in settings.items():
        full_key = ".".join([*path, str(key)])
        if key not in cfg:
            raise KeyError(f"Non-existent config key: {full_key}")
        if isinstance(value, dict) and isinstance(cfg[key], dict):
            _merge(value, cfg[key], [*path, key])
        else:
            cfg[key] = _checked(_decoded(value), cfg[key], full_key)


def _merge_overrides(cfg, overrides):
    """KEY VALUE pairs from the command line; for a key that is not there yacs asserts, rather than raise KeyError."""
    assert len(overrides) % 2 == 0, f"Override list has odd length: {overrides}; it must be a list of pairs"
    for full_key, value in zip(overrides[0::2], overrides[1::2]):
        *path, key = full_key.split(".")
        node = cfg
        for part in path:
            assert isinstance(node, dict) and part in node, f"Non-existent key: {full_key}"
            node = node[part]
        assert isinstance(node, dict) and key in node, f"Non-existent key: {full_key}"
        node[key] = _checked(_decoded(value), node[key], full_key)


def _decoded(value):
    """Strings that are Python literals mean the literal: this is how tuples and 1e-4 get through YAML."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def _checked(value, original, full_key):
    """The value in the original's type. As in yacs an integer is no float: BASE_LR: 1 is refused."""
    if type(value) is type(original) or value is None or original is None:
        return value
    if isinstance(value, (list, tuple)) and isinstance(original, (list, tuple)):
        return type(original)(value)
    raise ValueError(
        f"Type mismatch ({type(original)} vs. {type(value)}) with values ({original} vs. {value}) "
        f"for config key: {full_key}"
    )
