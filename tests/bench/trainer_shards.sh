#!/usr/bin/env bash
# The shard set that loaders are compared on: 192 samples of 128x416, street world, its own exact masks. Kept once made.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=target/bench/trainer
prepare=target/release/suw-preprocess
[ -f $out/shards/manifest.json ] && exit 0
rm -rf $out
mkdir -p $out
$prepare synth --out $out/world --drives 8 --frames 34 --size 416x128 --seed 3 -q
$prepare scan --dataset kitti --root $out/world --split $out/world/splits/train.txt --out $out/train.json
# The demo's run file without its networks.
sed -e 's/^source = "models"/source = "import"/; /^instance = /d; /^semantic = /d' data-manifests/runs/demo.toml > $out/run.toml
$prepare run $out/run.toml -q --set input.manifest=$out/train.json --set input.root=$out/world --set output.dir=$out/shards \
  --set masks.root=$out/world/masks --set size=416x128 --set depth.gt=none
