#!/usr/bin/env bash
# Everything that touches an accelerator, in one command, from a bare machine that has Python, torch and numpy.
#
#   benchmarks/gpu.sh pack FOLDER [--coco DIR] [--python 3.12] [--have "torch numpy ..."]
#       here, where packages can be downloaded: puts the wheels that the other machine lacks into FOLDER, those of this
#       repository among them, and the data. --have names packages that are there already.
#   benchmarks/gpu.sh run FOLDER [--device cuda] [--out DIR] [--only STEP ...]
#       there: installs FOLDER's wheels beside what is there, without a network, and runs benchmarks/gpu.py
#   benchmarks/gpu.sh here [--device cpu] [--out DIR] [--only STEP ...]
#       in an environment in which segharness is installed
#
# The folder and this repository must reach the other machine; gpu.json and gpu.md are what comes back.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
mode=${1:?pack, run or here}
shift

case $mode in
pack)
    folder=${1:?the folder to fill}
    shift
    coco="" python=3.12 have="torch torchvision numpy"
    while (($#)); do
        case $1 in
        --coco) coco=$2 ;;
        --python) python=$2 ;;
        --have) have=$2 ;;
        *) echo "no option $1" >&2 && exit 4 ;;
        esac
        shift 2
    done
    rm -rf "$folder/wheels"
    mkdir -p "$folder/wheels"
    names=(torch torchvision toycells toymaskrcnn corruptions coco)
    plugins=("${names[@]/#/$root/plugins/segharness-}")
    pip wheel --quiet --no-deps --wheel-dir "$folder/wheels" "$root" "${plugins[@]}"
    platforms=()
    for version in 2_34 2_28 2_27 2_24 2_17; do platforms+=(--platform "manylinux_${version}_x86_64"); done
    for name in hotcoco numpy packaging pillow pluggy pyarrow pycocotools pyyaml rich tomlkit markdown-it-py mdurl pygments \
        opencv-python-headless safetensors pytest iniconfig hypothesis sortedcontainers; do
        [[ " $have " == *" $name "* ]] && continue
        pip download --quiet --no-deps --only-binary=:all: --python-version "$python" --implementation cp \
            "${platforms[@]}" --platform manylinux2014_x86_64 --dest "$folder/wheels" "$name"
    done
    if [[ -n $coco ]]; then
        mkdir -p "$folder/coco"
        cp -r "$coco/annotations" "$coco/val2017" "$folder/coco/"
    fi
    du -sh "$folder"
    ;;
run)
    folder=$(cd "${1:?the packed folder}" && pwd)
    shift
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    python3 -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$folder"/wheels/*.whl
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
    [[ -d $folder/coco ]] && set -- "$@" --coco "$folder/coco"
    python3 "$root/benchmarks/gpu.py" "$@"
    ;;
here)
    python3 "$root/benchmarks/gpu.py" "$@"
    ;;
*)
    echo "no mode $mode: pack, run or here" >&2
    exit 4
    ;;
esac
