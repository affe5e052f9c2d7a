#!/bin/sh
# Installs cogan and JupyterLab into .venv beside this file, without a network:
#     sh install.sh
# Another Python than the first that fits:
#     PYTHON=/path/to/python@PYTHON@ sh install.sh
set -eu
cd "$(dirname "$0")"

stop() { echo "$1" >&2; exit 1; }

[ "$(uname -s) $(uname -m)" = "@SYSTEM@ @MACHINE@" ] || stop \
    "This bundle is for @SYSTEM@ on @MACHINE@, and this is $(uname -s) on $(uname -m); ask for one of your own (README.txt)."
[ -d wheelhouse ] || stop "There is no folder wheelhouse here; unpack the whole zip again."

found=
for name in ${PYTHON:+"$PYTHON"} python@PYTHON@ python3 python; do
    if "$name" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "@PYTHON@")' 2>/dev/null; then
        found=$name
        break
    fi
done
[ -n "$found" ] || stop "This bundle needs Python @PYTHON@, which is not here; install it, or say where it is: PYTHON=/path/to/python@PYTHON@ sh install.sh"

"$found" -m venv --clear .venv || stop "Python could not make .venv: is there room on the disk? On Debian and Ubuntu, 'apt install python@PYTHON@-venv' helps."
# nothing of this machine's own pip counts
export PIP_CONFIG_FILE=/dev/null
.venv/bin/python -m pip --isolated --disable-pip-version-check install --quiet --no-index \
    --find-links wheelhouse --constraint constraints.txt @PACKAGES@ \
    || stop "pip could not install from the folder wheelhouse: is there room on the disk? Else unpack the zip again."

echo "Installed. This is how the machine stands, in half a minute:"
.venv/bin/python -m cogan_lib check || true
echo "Start with:  .venv/bin/jupyter lab notebooks"
