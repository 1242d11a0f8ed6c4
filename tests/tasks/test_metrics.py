import numpy as np
import pytest
import sklearn.metrics as sk

from archwright.errors import DataError, UnknownNameError
from archwright.tasks import METRICS, Metric, confidence_interval, resolve_metric, wilson_interval


def random_case(kind, seed):
    rng = np.random.default_rng(seed)
    if kind == "classification":
        n_classes = 2 + seed % 4
        scores = rng.dirichlet(np.ones(n_classes), 60).round(2)
        scores /= scores.sum(1, keepdims=True)
        targets = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, 60)])[:60]
        return scores, targets
    if kind == "multilabel":
        return rng.random((60, 4)).round(2), rng.integers(0, 2, (60, 4)).astype(np.float32)
    return rng.normal(size=(60, 2)), rng.normal(size=(60, 2))


def reference(name, scores, targets):
    if targets.ndim == 1:
        chosen = scores.argmax(1)
        binary = scores.shape[1] == 2
        return {
            "accuracy": lambda: sk.accuracy_score(targets, chosen),
            "balanced_accuracy": lambda: sk.balanced_accuracy_score(targets, chosen),
            "macro_f1": lambda: sk.f1_score(targets, chosen, average="macro"),
            "log_loss": lambda: sk.log_loss(targets, scores, labels=range(scores.shape[1])),
            "auc": lambda: (
                sk.roc_auc_score(targets, scores[:, 1])
                if binary
                else sk.roc_auc_score(targets, scores, multi_class="ovr")
            ),
        }[name]()
    if name in ("r2", "rmse", "mae"):
        return {
            "r2": lambda: sk.r2_score(targets, scores),
            "rmse": lambda: sk.root_mean_squared_error(targets, scores),
            "mae": lambda: sk.mean_absolute_error(targets, scores),
        }[name]()
    chosen = (scores >= 0.5).astype(int)
    return {
        "accuracy": lambda: (chosen == targets).mean(),
        "macro_f1": lambda: sk.f1_score(targets, chosen, average="macro"),
        "micro_f1": lambda: sk.f1_score(targets, chosen, average="micro"),
        "exact_match": lambda: sk.accuracy_score(targets, chosen),
        "log_loss": lambda: np.mean([sk.log_loss(targets[:, k], scores[:, k]) for k in range(4)]),
        "auc": lambda: sk.roc_auc_score(targets, scores, average="macro"),
        "mean_average_precision": lambda: sk.average_precision_score(targets, scores),
    }[name]()


CASES = [(name, kind) for name, one in METRICS.items() for kind in one.kinds]


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.parametrize("seed", range(4))
def test_metrics_agree_with_scikit_learn(name, kind, seed):
    scores, targets = random_case(kind, seed)
    assert METRICS[name](scores, targets) == pytest.approx(reference(name, scores, targets))


def test_auc_is_one_half_where_it_is_not_defined():
    assert METRICS["auc"](np.array([[0.2, 0.8], [0.4, 0.6]]), np.array([1, 1])) == 0.5


def test_r2_of_a_constant_target():
    assert METRICS["r2"](np.ones((4, 1)), np.ones((4, 1))) == 1.0
    assert METRICS["r2"](np.zeros((4, 1)), np.ones((4, 1))) == 0.0


def test_log_loss_of_a_wrong_certainty_is_finite():
    assert np.isfinite(METRICS["log_loss"](np.array([[1.0, 0.0]]), np.array([1])))


def test_an_unknown_metric_lists_those_of_the_kind():
    with pytest.raises(UnknownNameError, match=r"did you mean 'rmse'\? Known: mae, r2, rmse"):
        resolve_metric("rsme", "regression")


def test_a_metric_of_another_kind_says_which_kind_it_judges():
    with pytest.raises(UnknownNameError, match="judges classification and multilabel"):
        resolve_metric("accuracy", "regression")


def test_a_metric_of_ones_own_passes_through():
    own = Metric("bias", False, lambda scores, targets: float(abs((scores - targets).mean())))
    assert resolve_metric(own, "regression") is own


def test_wilson_interval_known_values():
    # Published example: 81 of 263, 95 %: 0.2553 to 0.3662 (Newcombe, 1998, method 3).
    assert wilson_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_intervals_hold_their_value_and_repeat(kind):
    scores, targets = random_case(kind, 1)
    for metric in METRICS.values():
        if kind in metric.kinds:
            first = confidence_interval(metric, scores, targets, n_resamples=60)
            assert first == confidence_interval(metric.name, scores, targets, n_resamples=60)
            # Accuracy-like shares are exactly inside; a bootstrap of few rows may be biased.
            assert first[0] <= metric(scores, targets) + 0.1
            assert first[1] >= metric(scores, targets) - 0.1
            assert first[0] < first[1]


def test_an_interval_level_out_of_range_is_refused():
    with pytest.raises(DataError, match="level must be between 0 and 1"):
        confidence_interval("accuracy", *random_case("classification", 0), level=95)


def test_an_interval_of_an_unknown_metric_is_refused():
    with pytest.raises(UnknownNameError, match="unknown metric"):
        confidence_interval("acc", *random_case("classification", 0))
