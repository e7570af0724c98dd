#!/usr/bin/env bash
# Makes a Python with torch and detectron2's real engine, for the tests of trainer/; prints its path. Once: it is kept.
#
# Debian's torch, and from PyPI what detectron2 needs, and its Python source. Its compiled part and torchvision are missing:
# no test needs an operator of theirs, and next to empty modules let it be imported.
set -euo pipefail
target="${XDG_CACHE_HOME:-$HOME/.cache}/glee-pipeline/detectron2-venv"
if [ ! -x "$target/bin/python" ]; then
  # It gets its name when it is complete. Only the scripts that pip makes name the folder, and those are not used.
  unfinished="$(mkdir -p "$(dirname "$target")" && mktemp -d "$target.XXXXXX")"
  trap 'rm -rf "$unfinished"' EXIT
  /usr/bin/python3 -m venv --system-site-packages "$unfinished"
  pip=("$unfinished/bin/python" -m pip --quiet --disable-pip-version-check)
  "${pip[@]}" install fvcore==0.1.5.post20221221 iopath pycocotools termcolor yacs tabulate cloudpickle omegaconf hydra-core 'numpy<2' 'Pillow<10' >&2
  "${pip[@]}" download --no-deps --no-binary :all: --no-build-isolation --dest "$unfinished/sdist" pb1-detectron2==0.6 >&2
  site="$("$unfinished/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
  tar -xzf "$unfinished"/sdist/pb1-detectron2-0.6.tar.gz -C "$site" --strip-components=1 pb1-detectron2-0.6/detectron2
  echo 'get_compiler_version = get_cuda_version = has_cuda = lambda: ""' > "$site/detectron2/_C.py"
  mkdir -p "$site/torchvision/ops"
  echo '__version__ = "0.14.1"' > "$site/torchvision/__init__.py"
  echo 'boxes = nms = roi_align = deform_conv2d = RoIPool = None' > "$site/torchvision/ops/__init__.py"
  "$unfinished/bin/python" -c 'import detectron2.engine' >&2
  mv -T "$unfinished" "$target" 2> /dev/null || [ -x "$target/bin/python" ]
fi
echo "$target/bin/python"
