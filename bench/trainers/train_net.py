#!/usr/bin/env python3
"""The sandbox's train_net.py with beacon.py attached. The bench puts both into its copy of the checkout, in the
place of train_net.py, which it renames to sandbox_train_net.py."""

import os
import runpy
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(os.path.dirname(HERE)), HERE]

import beacon  # noqa: E402

beacon.attach()
runpy.run_path(os.path.join(HERE, "sandbox_train_net.py"), run_name="__main__")
