#!/usr/bin/env bash
# The whole way on a small street world: render, masks, shards, training, evaluation, a page of pictures.
# Everything lands in demo/out; what is complete there is kept, so a second call is short.
set -euo pipefail
cd "$(dirname "$0")/.."
out=demo/out
prepare=target/release/suw-preprocess
trainer=target/release/suw-trainer
run=data-manifests/runs/demo.toml
started=$SECONDS
step() { printf '\n\033[1m[%3d s] %s\033[0m\n' $((SECONDS - started)) "$*"; }
mkdir -p "$out"

step "1/7 render a street world: drives with exact depth, masks and motion"
world_is="drives 10, frames 18, 416x128, seed 1, $($prepare --version)"
if [ "$(cat $out/world.txt 2>/dev/null)" != "$world_is" ]; then
  rm -rf "$out"
  mkdir -p "$out"
  $prepare synth --out $out/world --drives 10 --frames 18 --size 416x128 --seed 1
  echo "$world_is" > $out/world.txt
fi

step "2/7 list what is there"
for split in train val test; do
  [ -f $out/$split.json ] ||
    $prepare scan --dataset kitti --root $out/world --split $out/world/splits/$split.txt --out $out/$split.json
done

step "3/7 masks by Mask R-CNN and PSPNet, objects aligned over three frames, ordinal pairs, shards"
$prepare plan $run
for split in train val test; do
  truth=none
  [ $split = train ] || truth=exact
  $prepare run $run --set input.manifest=$out/$split.json --set output.dir=$out/shards/$split --set depth.gt=$truth
done

step "4/7 check every rule of the format on every sample; hold the weak labels against depth"
$prepare validate --root $out/world $out/{train,val,test}.json
$prepare validate --deep $out/shards/{train,val,test}/manifest.json
$prepare quality $out/shards/train
$prepare quality $out/shards/train --json > $out/quality.json

step "5/7 train supervised + unsupervised + weakly supervised"
$trainer train data-manifests/training/demo.toml --resume auto

step "6/7 evaluate on drives that were never trained on"
best=runs/demo/best
$trainer eval --checkpoint $best --shards $out/shards/test --crop none --predictions $out/predictions --json > $out/eval.json
$trainer eval --baseline $out/shards/train --shards $out/shards/test --crop none --json > $out/baseline.json
$trainer eval --checkpoint $best --shards $out/shards/test --crop none
echo "the constant median depth of the training drives instead:"
$trainer eval --baseline $out/shards/train --shards $out/shards/test --crop none

step "7/7 write the page"
$prepare report --shards $out/shards/train --test $out/shards/test --predictions $out/predictions --run runs/demo \
  --eval "S+U+W network=$out/eval.json" --eval "constant median=$out/baseline.json" --quality $out/quality.json \
  --out $out/report.html > /dev/null
printf '\nDone in %d s. Open this page in a browser:\n  %s/%s/report.html\n' $((SECONDS - started)) "$PWD" $out
