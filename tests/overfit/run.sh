#!/usr/bin/env bash
# Four clips of one street-world drive, learned by heart: S alone, and U alone (known intrinsics, no depth).
#
#   tests/overfit/run.sh [--programs target/release] [--out overfit] [--only S|U] [--set KEY=VALUE]...
#
# Lines to reach, on the clips themselves: S abs_rel < 0.03; U a1 > 0.9 after median scaling. The exit code is the number of
# lines that were missed. What is complete in the output folder is kept; a stopped run goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."

programs=target/release
out=overfit
only=SU
sets=()
while [ $# -gt 0 ]; do
  case $1 in
    --programs) programs=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    --only) only=$2; shift 2 ;;
    --set) sets+=(--set "$2"); shift 2 ;;
    *) echo "usage: see the head of $0; unknown argument $1" >&2; exit 2 ;;
  esac
done
prepare=$programs/suw-preprocess
trainer=$programs/suw-trainer
mkdir -p "$out"

if [ ! -f "$out/world/street-world.json" ]; then
  "$prepare" synth --out "$out/world" --drives 4 --frames 6 --size 416x128 --seed 7 -q
fi
for frame in 1 2 3 4; do
  echo "2026_01_01/2026_01_01_drive_0002_sync $frame l"
done > "$out/four.txt"
"$prepare" scan --dataset kitti --root "$out/world" --split "$out/four.txt" --name four --out "$out/four.json" -q

missed=0

# learn KIND SIZE METRIC: shards of that size, the training, and its figures; METRIC is what is judged.
learn() {
  local kind=$1 size=$2 metric=$3 value source=lidar
  [ "$kind" = S ] && source=exact # what is learned is what is judged
  case $only in *"$kind"*) ;; *) return 0 ;; esac
  "$prepare" run data-manifests/runs/demo.toml -q --set "input.manifest=$out/four.json" --set "input.root=$out/world" \
    --set "output.dir=$out/shards-$kind" --set "size=$size" --set masks.source=import --set "masks.root=$out/world/masks" \
    --set "depth.source=$source" --set depth.gt=exact
  "$trainer" train "tests/overfit/$kind.toml" --resume auto --set "data.train=[\"$out/shards-$kind\"]" \
    --set "data.validation=[\"$out/shards-$kind\"]" --set "run.dir=$out/run-$kind" ${sets[@]+"${sets[@]}"}
  local scale=()
  [ "$kind" = U ] && scale=(--median-scale)
  "$trainer" eval --checkpoint "$out/run-$kind/best" --shards "$out/shards-$kind" --crop none ${scale[@]+"${scale[@]}"} --json \
    > "$out/$kind.json"
  value=$(sed -nE "s/.*\"$metric\": *([0-9.eE+-]+).*/\1/p" "$out/$kind.json")
  if [ "$kind" = S ]; then
    awk -v v="$value" 'BEGIN { exit !(v < 0.03) }' && echo "S: abs_rel $value, below 0.03" && return 0
    echo "S: abs_rel $value, not below 0.03"
  else
    awk -v v="$value" 'BEGIN { exit !(v > 0.9) }' && echo "U: a1 $value after median scaling, above 0.9" && return 0
    echo "U: a1 $value after median scaling, not above 0.9"
  fi
  missed=$((missed + 1))
}

learn S 416x128 abs_rel
learn U 208x64 a1
exit "$missed"
