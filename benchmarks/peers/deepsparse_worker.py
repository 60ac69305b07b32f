"""Runs a model in DeepSparse, in whatever environment that is installed in; a child of ``remote.Remote``.

Usage: python deepsparse_worker.py MODEL FEED OUTPUTS THREADS

Runs the model once on the arrays of FEED and writes what comes out to OUTPUTS, both .npz files; says "ready". Then each
line "run N" is answered with the seconds of N runs: of processor time on one thread, of wall time on more. It ends when
its input does. Nothing here is newer than Python 3.8 and numpy 1.
"""

import os
import sys
import time

import numpy as np


def main() -> None:
    """Run the model, then as often as each line says."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # DeepSparse says hello on the standard output
    from deepsparse import Engine

    model, feed_path, outputs_path, threads = sys.argv[1:]
    engine = Engine(model, batch_size=None, num_cores=int(threads))
    feed = np.load(feed_path)
    inputs = [np.ascontiguousarray(feed[name]) for name in engine.input_names]
    np.savez(outputs_path, *engine.run(inputs))
    print("ready", file=answers, flush=True)
    clock = time.process_time if threads == "1" else time.perf_counter
    for line in sys.stdin:
        runs = int(line.split()[1])
        start = clock()
        for _ in range(runs):
            engine.run(inputs, val_inp=False)
        print(clock() - start, file=answers, flush=True)


if __name__ == "__main__":
    main()
