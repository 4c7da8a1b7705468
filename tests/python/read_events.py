"""Reads TensorBoard event files with TensorBoard itself and prints what is in them as JSON.

Usage: read_events.py RUN_DIR
"""

import io
import json
import sys

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main():
    events = EventAccumulator(sys.argv[1], size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    tags = events.Tags()
    scalars = {
        tag: [[point.step, point.value] for point in events.Scalars(tag)]
        for tag in tags["scalars"]
    }
    pictures = {}
    for tag in tags["images"]:
        rows = []
        for picture in events.Images(tag):
            decoded = Image.open(io.BytesIO(picture.encoded_image_string))
            decoded.load()
            if decoded.size != (picture.width, picture.height):
                raise SystemExit(f"{tag}: expected {decoded.size}, got {picture.width}x{picture.height}")
            rows.append([picture.step, picture.width, picture.height])
        pictures[tag] = rows
    json.dump({"scalars": scalars, "pictures": pictures}, sys.stdout, sort_keys=True)


main()
