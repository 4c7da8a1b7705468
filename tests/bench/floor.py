"""What ONNX Runtime itself needs for the calls that the full-size networks take: nothing but `run`, on the same pictures, prepared.
Objects are looked for in every picture, classes in those in the middle of a clip alone, as both programs do.

Prints one JSON line: the wall seconds of all calls at the given number of sessions and threads.
"""
import argparse
import json
import threading
import time

import cv2
import numpy as np
import onnxruntime

from pipeline import Networks


def sessions(path, n, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return [onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for _ in range(n)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mask_rcnn")
    parser.add_argument("pspnet")
    parser.add_argument("--pictures", nargs="+", required=True)
    parser.add_argument("--middle", nargs="+", required=True, help="those of the pictures that are the middle of a clip")
    parser.add_argument("--sessions", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    opened = [sessions(path, args.sessions, args.threads) for path in (args.mask_rcnn, args.pspnet)]
    mean, std = (np.array(v, np.float32).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    calls = []
    for path in args.pictures:
        picture = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
        mine, other = (Networks.letterbox(own[0], picture)[0] for own in opened)
        calls.append((mine, ((other - mean) / std)[None] if path in args.middle else None))
    names = [own[0].get_inputs()[0].name for own in opened]
    begun = time.monotonic()

    def work(k):
        for call in calls[k :: args.sessions]:
            for own, name, picture in zip(opened, names, call):
                if picture is not None:
                    own[k].run(None, {name: picture})

    workers = [threading.Thread(target=work, args=(k,)) for k in range(args.sessions)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps({"seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main()
