"""What ONNX Runtime itself needs for the calls that the full-size networks take: nothing but `run`, prepared input.

Prints one JSON line: the wall seconds of all calls at the given number of sessions and threads.
"""
import argparse
import json
import threading
import time

import numpy as np
import onnxruntime


def sessions(path, n, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return [onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for _ in range(n)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    opened = [sessions(path, args.sessions, args.threads) for path in args.models]
    inputs = []
    for first, *_ in opened:
        put = first.get_inputs()[0]
        # Noise would give Mask R-CNN thousands of proposals; a smooth picture is like a real one.
        h, w = put.shape[-2:]
        picture = np.broadcast_to(np.linspace(0, 1, w, dtype=np.float32), (3, h, w)) + rng.normal(0, 0.02, (3, h, w)).astype(np.float32)
        inputs.append((put.name, np.ascontiguousarray(picture.reshape([d if isinstance(d, int) else 1 for d in put.shape]))))
    begun = time.monotonic()

    def work(k):
        for _ in range(k, args.calls, args.sessions):
            for own, (name, picture) in zip(opened, inputs):
                own[k].run(None, {name: picture})

    workers = [threading.Thread(target=work, args=(k,)) for k in range(args.sessions)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps({"seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main()
