"""`kill -9` at random moments: no finished trial is lost or repeated, and the search completes.

    python benchmarks/kill.py [--rounds 20] [--seed 0]

A search with two workers trains on digits; in each round the search's process or one of its
workers is killed after a random time, and what the ledger holds is checked before it goes on.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

N_TRIALS = 300
CHILD = f"""
import sys
import archwright as aw
from archwright.zoo import build_space
from archwright.evaluators import Train


class Logged(Train):
    def evaluate(self, candidate):
        metrics = super().evaluate(candidate)
        with open(sys.argv[2], "a") as file:
            file.write(f"{{candidate.number}}\\n")
        return metrics


if __name__ == "__main__":
    task = aw.Task.load("digits")
    space = build_space("resnet_cnn", input_shape=task.input_shape, n_outputs=task.n_outputs)
    aw.search(space, Logged(task, epochs=1), trials={N_TRIALS}, workers=2, out=sys.argv[1],
              final=False, baselines=False, limits={{"params": 50_000}})
"""


def is_worker(process):
    try:
        return "loky" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def finished(run):
    from archwright.runs import load

    if not (run / "run.json").exists():
        return {}
    return {t.number: t for t in load(run).trials}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        script, run, log = folder / "child.py", folder / "run", folder / "log"
        script.write_text(CHILD)
        call = [sys.executable, str(script), str(run), str(log)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        known, killed_workers = {}, 0
        process = None
        for round_ in range(1, options.rounds + 1):
            if process is None or process.poll() is not None:
                process = subprocess.Popen(call, env=environment, stderr=subprocess.DEVNULL)
            wait = time.monotonic() + rng.uniform(3.0, 9.0)
            while time.monotonic() < wait and process.poll() is None:
                time.sleep(0.05)
            workers = []
            if process.poll() is None:
                children = psutil.Process(process.pid).children(recursive=True)
                workers = [c for c in children if is_worker(c)]
            target = "search"
            if workers and rng.random() < 0.5:
                target = "worker"
                rng.choice(workers).send_signal(signal.SIGKILL)
                killed_workers += 1
            elif process.poll() is None:
                process.kill()
                process.wait()
            now = finished(run)
            lost = [n for n in known if n not in now]
            changed = [n for n in known if n in now and now[n] != known[n]]
            print(
                f"round {round_:>2}: killed a {target:<6}  finished {len(now):>3}  lost {len(lost)}"
                f"  changed {len(changed)}",
                flush=True,
            )
            assert not lost
            assert not changed
            known = now
        if process.poll() is None:
            process.wait()
        subprocess.run(call, env=environment, check=True)
        done = finished(run)
        evaluated = [t for t in done.values() if t.state != "infeasible"]
        failed = [t for t in evaluated if t.state == "failed"]
        runs = [int(line) for line in log.read_text().split()]
        repeated = sorted(n for n in set(runs) if runs.count(n) > 1)
        print(
            f"completed: {len(evaluated)} evaluations ({len(failed)} failed with their worker), "
            f"numbers unique: {len(done) == len(set(done))}; evaluations that ran to their end "
            f"twice, having been cut off before they were recorded: {len(repeated)}"
        )
        assert len(evaluated) == N_TRIALS
        assert len(failed) <= killed_workers


if __name__ == "__main__":
    main()
