"""Small files in the job folder, by which the trainer and the worker that watches it speak with each other.

    GLEE_JOB_FOLDER   the folder; without it nothing is written, and nothing is asked
"""

import json
import os
import time


def path_of(name):
    """None where there is no job folder."""
    folder = os.environ.get("GLEE_JOB_FOLDER")
    return os.path.join(folder, name) if folder else None


def write(name, content):
    """Whole or not at all; not to have written it is no reason to stop training."""
    path = path_of(name)
    if path is None:
        return
    try:
        with open(path + ".tmp", "w") as file:
            json.dump(content, file)
        os.replace(path + ".tmp", path)
    except OSError:
        pass


def append(name, content):
    """A line, whole: no one else writes to the file."""
    path = path_of(name)
    if path is None:
        return
    try:
        with open(path, "a") as file:
            file.write(json.dumps(content) + "\n")
    except OSError:
        pass


def read(name):
    """None where there is no such file, or none that can be read."""
    try:
        with open(path_of(name)) as file:
            return json.load(file)
    except (OSError, TypeError, ValueError):
        return None


def now():
    """Epoch milliseconds."""
    return int(time.time() * 1000)
