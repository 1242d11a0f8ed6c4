"""What one command gives in two minutes: `archwright search FILE --minutes 2`, on held-out data.

    python benchmarks/two_minutes.py [--data digits fashion california adult] [--seeds 0 1 2]
    python benchmarks/two_minutes.py --strategies auto cascade --seeds 0 1 2 3 4   # side by side

A seeded quarter of the data is held out before the command sees anything (Fashion-MNIST: 6,000 and
2,000 images); the command gets the rest, the name of the target and the time, and nothing else. It
keeps a test part of its own from that. What is printed is the score of `archwright predict` on the
held-out quarter, beside scikit-learn's models trained on the same rows in the same run.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).parents[2] / "shared" / "data" / "sets"


def idx(path):
    raw = gzip.decompress(Path(path).read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def digits(seed):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    return train_test_split(
        data.images, data.target, test_size=0.25, random_state=seed, stratify=data.target
    )


def fashion(seed):
    folder = DATA / "fashion_mnist"
    x = idx(next(folder.glob("*train-images*")))
    y = idx(next(folder.glob("*train-labels*")))
    rows = np.random.default_rng(seed).permutation(len(x))
    a, b = rows[:6000], rows[6000:8000]
    return x[a], x[b], y[a], y[b]


def frame(name, seed):
    from sklearn.model_selection import train_test_split

    folder = DATA / "tabular"
    if name == "california":
        table, target = pd.read_csv(next(folder.glob("*california*"))), None
        target = table.columns[-1] if "MedHouseVal" not in table else "MedHouseVal"
        if "median_house_value" in table:
            target = "median_house_value"
    else:
        table = pd.read_csv(folder / "adult_train.csv.gz", header=None, skipinitialspace=True)
        table.columns = [f"c{i}" for i in range(table.shape[1] - 1)] + ["income"]
        table = table.replace("?", np.nan)
        target = "income"
    train, test = train_test_split(table, test_size=0.25, random_state=seed)
    return train, test, target


def command(train_file, target, minutes, out, strategy):
    call = [sys.executable, "-m", "archwright.cli", "search", str(train_file)]
    call += ["--target", target] if target else []
    call += ["--minutes", str(minutes), "--out", str(out), "--quiet", "--strategy", strategy]
    start = time.monotonic()
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def predictions(out, test_file):
    made = out / "predictions.csv"
    call = [sys.executable, "-m", "archwright.cli", "predict", str(out / "export")]
    subprocess.run(
        [*call, str(test_file), "--out", str(made)], check=True, stdout=subprocess.DEVNULL
    )
    return pd.read_csv(made)["prediction"].to_numpy()


def peers_of_images(x, y, x_test, y_test):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.svm import SVC

    flat, flat_test = x.reshape(len(x), -1) / x.max(), x_test.reshape(len(x_test), -1) / x.max()
    found = {}
    for name, model in (
        ("random forest", RandomForestClassifier(300, n_jobs=2, random_state=0)),
        ("RBF SVM", SVC(C=5, gamma="scale")),
    ):
        found[name] = float((model.fit(flat, y).predict(flat_test) == y_test).mean())
    return found


def peers_of_tables(train, test, target, regression):
    from sklearn import ensemble, neural_network
    from sklearn.compose import (
        TransformedTargetRegressor,
        make_column_selector,
        make_column_transformer,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    names = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (names, make_column_selector(dtype_exclude="number")),
        sparse_threshold=0,
    )
    kind = "Regressor" if regression else "Classifier"
    found = {}
    for name, module, maker in (
        ("MLP (scikit-learn)", neural_network, f"MLP{kind}"),
        ("gradient boosting", ensemble, f"HistGradientBoosting{kind}"),
    ):
        last = getattr(module, maker)(random_state=0)
        if regression:
            last = TransformedTargetRegressor(last, transformer=StandardScaler())
        model = make_pipeline(columns, last)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(train.drop(columns=target), train[target])
            found[name] = model.score(test.drop(columns=target), test[target])
    return found


def prepared(name, seed, folder):
    """The files of one split, how predictions are scored, and what the peers reach."""
    if name in ("digits", "fashion"):
        x, x_test, y, y_test = {"digits": digits, "fashion": fashion}[name](seed)
        files = folder / "train.npz", folder / "test.npz"
        np.savez(files[0], x=x, y=y)
        np.savez(files[1], x=x_test)
        peers = peers_of_images(x, y, x_test, y_test)
        return files, None, lambda guess: float((guess.astype(int) == y_test).mean()), peers
    train, test, target = frame(name, seed)
    files = folder / "train.csv", folder / "test.csv"
    train.to_csv(files[0], index=False)
    test.drop(columns=target).to_csv(files[1], index=False)
    truth = test[target].to_numpy()
    regression = name == "california"

    def score(guess):
        if regression:
            return 1 - ((guess - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
        return float((guess.astype(str) == truth.astype(str)).mean())

    return files, target, score, peers_of_tables(train, test, target, regression)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    names = ["digits", "fashion", "california", "adult"]
    parser.add_argument("--data", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--strategies", nargs="+", default=["auto"])
    parser.add_argument("--keep", type=Path, help="keep the runs in this folder")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(
        "data        seed  strategy      held-out  own test  trials  params    seconds  "
        "peers on the same split"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.data:
            scores = {strategy: [] for strategy in options.strategies}
            for seed in options.seeds:
                (train, test), target, score, peers = prepared(name, seed, folder)
                others = ", ".join(f"{k} {v:.4f}" for k, v in peers.items())
                # The first to run would always meet the same machine.
                turn = seed % len(options.strategies)
                for strategy in options.strategies[turn:] + options.strategies[:turn]:
                    out = folder / f"{name}-{seed}-{strategy}"
                    seconds = command(train, target, options.minutes, out, strategy)
                    found = score(predictions(out, test))
                    scores[strategy].append(found)
                    result = json.loads((out / "result.json").read_text())
                    print(
                        f"{name:<11} {seed:>4}  {strategy:<12}  {found:>8.4f}  "
                        f"{result['test']:>8.4f}  {result['n_trials']:>6}  "
                        f"{result['parameters']:>8,.0f}  {seconds:>7.1f}  {others}",
                        flush=True,
                    )
            for strategy, found in scores.items():
                if len(found) > 1:
                    print(
                        f"{name:<11} {strategy:<12} median {statistics.median(found):.4f}, "
                        f"worst {min(found):.4f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
