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

if [ ! -f "$out/world-9/street-world.json" ]; then
  "$prepare" synth --out "$out/world-9" --drives 2 --frames 9 --size 416x128 --seed 7 -q
fi
for frame in 2 3 4 5; do
  echo "2026_01_01/2026_01_01_drive_0002_sync $frame l"
done > "$out/four.txt"
for stride in 1 2; do # neighbors, and frames two apart
  "$prepare" scan --dataset kitti --root "$out/world-9" --split "$out/four.txt" --name "four-$stride" --stride "$stride" \
    --out "$out/four-$stride.json" -q
done

missed=0

# make_shards NAME STRIDE SIZE DEPTH
make_shards() {
  "$prepare" run data-manifests/runs/demo.toml -q --set "input.manifest=$out/four-$2.json" --set "input.root=$out/world-9" \
    --set "output.dir=$out/shards-$1" --set "size=$3" --set masks.source=import --set "masks.root=$out/world-9/masks" \
    --set "depth.source=$4" --set depth.gt=exact
}

# learn NAME KIND SHARDS [ARGUMENT]...: a run of that name, from KIND.toml.
learn() {
  local name=$1 kind=$2 shards=$3
  shift 3
  "$trainer" train "tests/overfit/$kind.toml" --resume auto --set "data.train=[\"$out/shards-$shards\"]" \
    --set "data.validation=[\"$out/shards-$shards\"]" --set "run.dir=$out/run-$name" "$@" ${sets[@]+"${sets[@]}"}
}

# learn_on FROM ...: the same, beginning with the last weights of the run FROM.
learn_on() {
  local from=$1
  shift
  learn "$@" --init "$out/run-$from/latest/model.safetensors"
}

# judge NAME SHARDS METRIC CONDITION [ARGUMENT]...: prints the figure of the last checkpoint and whether it keeps the condition.
judge() {
  local name=$1 shards=$2 metric=$3 condition=$4 value
  shift 4
  "$trainer" eval --checkpoint "$out/run-$name/latest" --shards "$out/shards-$shards" --crop none "$@" --json > "$out/$name.json"
  value=$(sed -nE "s/.*\"$metric\": *([0-9.eE+-]+).*/\1/p" "$out/$name.json")
  if awk "BEGIN { exit !($value $condition) }"; then
    echo "$name: $metric $value, which is $condition"
  else
    echo "$name: $metric $value, which is not $condition"
    missed=$((missed + 1))
  fi
}

case $only in *S*)
  # What is learned is what is judged. Larger pictures in the end, since the network's depth has a quarter of their size.
  make_shards S-small 1 416x128 exact
  make_shards S-large 1 624x192 exact
  learn S-1 S S-small
  learn_on S-1 S-2 S S-large --set train.epochs=4 --set train.lr_drop_epochs=3
  learn_on S-2 S-3 S S-large --set train.epochs=3 --set train.lr_drop_epochs=2
  judge S-3 S-large abs_rel "< 0.03"
esac
case $only in *U*)
  # From coarse to fine. Between neighboring frames near things move a few pixels, from where gradients lead to the true
  # depth; then frames two apart show what far things do. The pose network goes on as it was: twice as far is its scale.
  slow="--set train.lr=3e-4"
  far="--set pose.translation_scale=2.0 --set pose.rotation_scale=0.02"
  fine="--set data.ratio=[25.0]"
  make_shards U-small-1 1 208x64 lidar
  make_shards U-small-2 2 208x64 lidar
  make_shards U-large-1 1 416x128 lidar
  make_shards U-large-2 2 416x128 lidar
  learn U-1 U U-small-1
  learn_on U-1 U-2 U U-small-2 $slow $far --set train.epochs=6 --set train.lr_drop_epochs=4
  learn_on U-2 U-3 U U-large-1 $slow $fine --set train.epochs=5 --set train.lr_drop_epochs=5
  learn_on U-3 U-4 U U-large-2 $slow $fine $far --set train.epochs=6 --set train.lr_drop_epochs=4
  judge U-4 U-large-1 a1 "> 0.9" --median-scale
esac
exit "$missed"
