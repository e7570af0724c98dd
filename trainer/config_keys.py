"""Prints the keys of a GLEE checkout's config with the types of their defaults, as JSON: {"SOLVER.MAX_ITER": "int", ...}.

Run by the control worker and `glee plan` with the folder of the checkout, under the Python that trains. Imports detectron2's
config and GLEE's config.py alone: neither torch nor the model.
"""

import importlib.util
import json
import os
import sys


def leaves(node, path=()):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield ".".join((*path, key)), type(value).__name__


def main(checkout):
    # Not this folder's modules; the checkout's own detectron2 where no other is installed.
    sys.path[0:1] = []
    sys.path.append(checkout)
    from detectron2.config import get_cfg

    spec = importlib.util.spec_from_file_location(
        "glee_config", os.path.join(checkout, "projects", "GLEE", "glee", "config.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = get_cfg()
    module.add_glee_config(config)
    print(json.dumps(dict(leaves(config))))


main(sys.argv[1])
