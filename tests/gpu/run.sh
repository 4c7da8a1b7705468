#!/usr/bin/env bash
# Everything that wants a GPU, in one call: correctness against the CPU, benchmarks, a full street-world training.
#
#   tests/gpu/run.sh [--device cuda:0] [--programs target/release] [--out gpu-check] [--torch DIR] [--case FILE]... [--quick]
#
# Nothing is built or fetched. --torch names the lib folder of a PyTorch 2.11.0 for CUDA 13; without it the programs find the
# one of setup/fetch.py, or that of python3. Whatever fails is noted and the rest still runs; the exit code is the number of
# failed steps. --device cpu --quick is the dry run.
# shellcheck disable=SC2329 # step calls the functions by name
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

device=cuda:0
programs=target/release
out=gpu-check
torch=
quick=no
cases=()
while [ $# -gt 0 ]; do
  case $1 in
    --device) device=$2; shift 2 ;;
    --programs) programs=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    --torch) torch=$2; shift 2 ;;
    --case) cases+=("$2"); shift 2 ;;
    --quick) quick=yes; shift ;;
    *) echo "usage: see the head of $0; unknown argument $1" >&2; exit 2 ;;
  esac
done

trainer=$programs/suw-trainer
prepare=$programs/suw-preprocess
for program in "$trainer" "$prepare"; do
  [ -x "$program" ] || { echo "cannot find $program: build with make build, or pass --programs DIR" >&2; exit 2; }
done
if [ -z "$torch" ] && [ ! -e .deps/py/torch/lib/libtorch_cpu.so ]; then
  torch=$(python3 -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))' 2>/dev/null)
fi
if [ -n "$torch" ]; then
  export LD_LIBRARY_PATH=$torch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
if [ ${#cases[@]} -eq 0 ]; then
  for case in ../shared/data/reference/*.safetensors shared/data/reference/*.safetensors; do
    [ -e "$case" ] && cases+=("$case")
  done
fi

mkdir -p "$out"
summary=$out/summary.txt
: > "$summary"
failed=0
started=$SECONDS

# step NAME COMMAND...: runs it, keeps what it says in NAME.txt, notes how it ended and how long it took.
step() {
  local name=$1 began=$SECONDS code
  shift
  printf '[%4d s] %s\n' $((SECONDS - started)) "$name"
  "$@" > "$out/$name.txt" 2>&1
  code=$?
  if [ $code -eq 0 ]; then
    printf '%-28s ok      %5d s\n' "$name" $((SECONDS - began)) >> "$summary"
  else
    printf '%-28s FAILED  %5d s  exit code %d: %s\n' "$name" $((SECONDS - began)) "$code" \
      "$(tail -n 1 "$out/$name.txt")" >> "$summary"
    failed=$((failed + 1))
  fi
}

# absent NAME WHY: a step that cannot be made here; no success.
absent() {
  printf '%-28s absent  %s\n' "$1" "$2" >> "$summary"
  failed=$((failed + 1))
}

has_cuda() {
  "$trainer" doctor | tee /dev/stderr
  "$trainer" doctor --json | grep -Eq '"cuda": *true'
}

# train_on DIR SET...: the demo's training on the shards below.
train_on() {
  local dir=$1
  shift
  "$trainer" train data-manifests/training/demo.toml -v --resume auto \
    --set "run.dir=$out/$dir" --set "data.train=[\"$out/shards/train\"]" --set "data.validation=[\"$out/shards/val\"]" "$@"
}

# Totals of the first ten updates, one a line.
totals() {
  sed -E 's/.*"total":([^,}]*).*/\1/' "$out/$1/metrics.jsonl"
}

# The same ten updates on both devices, float32 from the same seed: same to 5 % at the first, 20 % at the last; what rounding makes
# of it after that says nothing. The exact comparison is that of float64 in `conformance --networks`.
ten_steps() {
  local same="--set train.epochs=99 --set train.max_steps=10 --set run.log_every=1 --set run.pictures=0 --set data.readers=1"
  # shellcheck disable=SC2086 # a list of words
  train_on ten-cpu --set device=cpu $same && train_on ten-device --set "device=$device" $same || return 1
  paste <(totals ten-cpu) <(totals ten-device) | awk '
    { off = ($2 - $1) / $1; if (off < 0) off = -off; limit = NR == 1 ? 0.05 : 0.2
      printf "update %d: CPU %s, device %s, off by %.2e\n", NR, $1, $2, off
      if (!(off <= limit)) bad = 1 }
    END { exit !(NR == 10 && !bad) }'
}

world() {
  local drives=$1 frames=$2 split
  "$prepare" synth --out "$out/world" --drives "$drives" --frames "$frames" --size 416x128 --seed 1 || return 1
  for split in train val test; do
    "$prepare" scan --dataset kitti --root "$out/world" --split "$out/world/splits/$split.txt" --out "$out/$split.json" || return 1
    "$prepare" run data-manifests/runs/demo.toml --set "input.manifest=$out/$split.json" --set "input.root=$out/world" \
      --set "output.dir=$out/shards/$split" --set "size=$size" --set masks.source=import --set "masks.root=$out/world/masks" \
      --set "depth.gt=$([ "$split" = train ] && echo none || echo exact)" || return 1
  done
}

full_training() {
  train_on full --set "device=$device" --set "train.epochs=$epochs" --set "train.lr_drop_epochs=$(((epochs * 3 + 3) / 4))" \
    --set "train.batch=$batch" || return 1
  "$trainer" eval --checkpoint "$out/full/best" --shards "$out/shards/test" --crop none --json > "$out/eval.json" || return 1
  "$trainer" eval --baseline "$out/shards/train" --shards "$out/shards/test" --crop none --json > "$out/baseline.json" || return 1
  # Better than one depth everywhere by a third, or something is broken.
  local got constant
  got=$(sed -nE 's/.*"abs_rel": *([0-9.eE+-]+).*/\1/p' "$out/eval.json")
  constant=$(sed -nE 's/.*"abs_rel": *([0-9.eE+-]+).*/\1/p' "$out/baseline.json")
  echo "abs_rel on unseen drives: $got, with one depth everywhere: $constant"
  [ "$quick" = yes ] || awk -v a="$got" -v b="$constant" 'BEGIN { exit !(a < 2 / 3 * b) }'
}

# The same step in PyTorch eager, by turns: at most 0.8 of its time.
against_torch() {
  local python=${PYTHON:-python3} learn precision ours theirs bad=0
  for learn in s suw; do
    for precision in float32 bf16; do
      local case=$out/case-$learn made=(--learn "$learn" --size "$size" --batch "$batch")
      "$trainer" bench step "${made[@]}" --precision "$precision" --device "$device" --dump "$case" --json > "$out/ours.json" || return 1
      "$python" tests/bench/step_torch.py "$case" --precision "$precision" --device "$device" --json > "$out/torch.json" || return 1
      ours=$(sed -nE 's/.*"median_ms": *([0-9.]+).*/\1/p' "$out/ours.json")
      theirs=$(sed -nE 's/.*"median_ms": *([0-9.]+).*/\1/p' "$out/torch.json")
      echo "step $learn $precision, $batch images of $size: $ours ms, PyTorch $theirs ms"
      awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "  ratio %.2f\n", a / b; exit !(a <= 0.8 * b) }' || bad=1
    done
  done
  [ "$quick" = yes ] || return $bad
}

size=416x128 epochs=20 batch=8 drives=20 frames=60
if [ "$quick" = yes ]; then
  size=104x32 epochs=1 batch=2 drives=3 frames=5
fi

case $device in
  cpu) step doctor "$trainer" doctor ;;
  *) step doctor has_cuda ;;
esac
if [ ${#cases[@]} -eq 0 ]; then
  absent conformance "no reference case; pass --case FILE"
fi
for case in "${cases[@]}"; do
  name=conformance-$(basename "$case" .safetensors)
  step "$name" "$trainer" conformance "$case" --device "$device"
done
if [ ${#cases[@]} -gt 0 ]; then
  step networks "$trainer" conformance "${cases[0]}" --device "$device" --networks
fi
step world world "$drives" "$frames"
step ten-steps ten_steps
for bench in step loader; do
  if "$trainer" bench "$bench" --help > /dev/null 2>&1; then
    step "bench-$bench" "$trainer" bench "$bench" data-manifests/training/demo.toml \
      --set "device=$device" --set "data.train=[\"$out/shards/train\"]" --set 'data.validation=[]'
  else
    absent "bench-$bench" "this suw-trainer has no bench $bench"
  fi
done
if "${PYTHON:-python3}" -c 'import torch, safetensors' 2> /dev/null; then
  step against-pytorch against_torch
else
  absent against-pytorch "no PyTorch for ${PYTHON:-python3}; PYTHON names another"
fi
step full-training full_training

cat "$summary"
exit "$failed"
