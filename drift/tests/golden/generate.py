"""Computes scipy.json: what scipy and scikit-learn say on cases that are easy to get wrong."""

import json
import math
import sys
import warnings

import numpy as np
import scipy
import sklearn
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics
from sklearn.isotonic import IsotonicRegression

warnings.simplefilter("ignore")
GAMMA = np.uint64(0x9E3779B97F4A7C15)


def splitmix(seed, n):
    """The first n values of SplitMix64 from a seed, in [0, 1)."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + GAMMA * np.arange(1, n + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def ih4(seed, n):
    """Sums of four, nearly normal."""
    u = splitmix(seed, 4 * n).reshape(n, 4)
    return ((u[:, 0] + u[:, 1]) + u[:, 2]) + u[:, 3]


def draw(spec):
    """Values from a list, or drawn: floor((shift + scale * ih4) * grid) / grid."""
    if "values" in spec:
        return np.array([float(v) for v in spec["values"]])
    x = spec["shift"] + spec["scale"] * ih4(spec["seed"], spec["n"])
    return np.floor(x * spec["grid"]) / spec["grid"] if spec["grid"] else x


def drawn(seed, n, shift=0.0, scale=1.0, grid=0):
    return {"seed": seed, "n": n, "shift": shift, "scale": scale, "grid": grid}


def listed(*values):
    return {"values": [str(v) if not math.isfinite(v) else v for v in map(float, values)]}


def finite(x):
    return float(x) if math.isfinite(x) else None


def pair(name, reference, current):
    r, c = draw(reference), draw(current)
    out = {"name": name, "reference": reference, "current": current}
    ks = stats.ks_2samp(r, c)
    out["ks"] = [float(ks.statistic), float(ks.pvalue)]
    out["ks_asymptotic"] = finite(stats.ks_2samp(r, c, method="asymp").pvalue)
    if np.isfinite(r).all() and np.isfinite(c).all():
        out["wasserstein"] = finite(stats.wasserstein_distance(r, c))
        out["energy"] = finite(stats.energy_distance(r, c))
        out["std"] = finite(np.std(r))
    if min(len(r), len(c)) > 1 and len(r) + len(c) < 100_000:
        cvm = stats.cramervonmises_2samp(r, c)
        out["cvm"] = [float(cvm.statistic), float(cvm.pvalue)]
        if len(np.unique(np.concatenate([r, c]))) > 1 and len(r) + len(c) > 3:
            ad = stats.anderson_ksamp([r, c], midrank=True)
            out["anderson"] = [float(ad.statistic), float(ad.pvalue)]
    return out


def pairs():
    ends = np.finfo(float).max
    tiny = 5e-324
    yield pair("one value each", listed(1), listed(2))
    yield pair("one equal value each", listed(1), listed(1))
    yield pair("one against five", listed(3), listed(1, 2, 3, 4, 5))
    yield pair("constants", listed(*[2] * 30), listed(*[2] * 40))
    yield pair("constant against another", listed(*[2] * 30), listed(*[3] * 40))
    yield pair("all ties", listed(1, 1, 2, 2, 3, 3), listed(1, 2, 2, 2, 3, 3, 3))
    yield pair("signed zeros", listed(-0.0, 0.0, 1, 2), listed(0.0, -0.0, -0.0, 1, 3))
    yield pair("infinities", listed(-np.inf, 1, 2, np.inf, 3), listed(1, np.inf, 5, np.inf))
    yield pair("subnormal", listed(*[tiny * i for i in range(1, 40)]), listed(*[tiny * 2 * i for i in range(1, 30)]))
    yield pair("1e300", listed(*[1e300 * i for i in range(1, 30)]), listed(*[1.1e300 * i for i in range(1, 26)]))
    yield pair("ends of the range", listed(-ends, 0, ends), listed(-ends, ends, ends, 1))
    yield pair("beyond 2^53", listed(*[2**53 + 2 * i for i in range(50)]), listed(*[2**53 + 2 * i + 10 for i in range(45)]))
    yield pair("large offset", drawn(21, 400, 1e9), drawn(22, 300, 1e9 + 0.1))
    for n, m in [(2, 2), (2, 3), (5, 9), (7, 11), (20, 20), (19, 20), (21, 20), (64, 64), (139, 141), (280, 281), (300, 270), (1000, 1000), (2500, 4000), (10_000, 9_999)]:
        for shift in (0.0, 0.05, 0.3, 1.0):
            yield pair(f"{n} against {m} shifted {shift}", drawn(n, n), drawn(m + 1, m, shift))
        yield pair(f"{n} against {m} on a grid", drawn(n + 2, n, 0, 1, 4), drawn(m + 3, m, 0.1, 1, 4))
    for n, m in [(10_001, 20_000), (100_000, 80_000), (1_000_000, 1_000_000), (10_000_000, 3_000_000)]:
        for shift in (0.0, 0.01, 0.1):
            if n < 10_000_000 or shift == 0.01:
                yield pair(f"{n} against {m} shifted {shift}", drawn(n, n), drawn(m + 1, m, shift))


def counts_case(name, r, c):
    out = {"name": name, "reference": r, "current": c}
    both = [(a, b) for a, b in zip(r, c) if a + b > 0]
    table = np.array(both, dtype=float).T
    if table.shape[1] > 1:
        for key, correction in [("chi_squared", False), ("chi_squared_yates", True)]:
            res = stats.chi2_contingency(table, correction=correction)
            out[key] = [float(res.statistic), float(res.pvalue)]
        for key, correction in [("g", False), ("g_yates", True)]:
            res = stats.chi2_contingency(table, correction=correction, lambda_="log-likelihood")
            out[key] = [float(res.statistic), float(res.pvalue)]
        n = table.sum()
        phi2 = max(0.0, out["chi_squared"][0] / n - (table.shape[1] - 1) / (n - 1))
        k = table.shape[1] - (table.shape[1] - 1) ** 2 / (n - 1)
        rows = 2 - 1 / (n - 1)
        out["cramers_v"] = math.sqrt(phi2 / min(k - 1, rows - 1))
        if all(a > 0 for a, _ in both):
            res = stats.chisquare(table[1], table[0] * table[1].sum() / table[0].sum())
            out["goodness_of_fit"] = [float(res.statistic), float(res.pvalue)]
    p, q = np.array(r, float) / sum(r), np.array(c, float) / sum(c)
    out["jensen_shannon_2"] = float(jensenshannon(p, q, 2))
    out["jensen_shannon_e"] = float(jensenshannon(p, q))
    out["hellinger"] = float(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2))
    out["total_variation"] = float(np.abs(p - q).sum() / 2)
    out["l_infinity"] = float(np.abs(p - q).max())
    out["kullback_leibler"] = finite(stats.entropy(p, q))
    pf, qf = np.where(p == 0, 1e-4, p), np.where(q == 0, 1e-4, q)
    out["psi_floor"] = float(np.sum((qf - pf) * np.log(qf / pf)))
    out["kl_floor"] = float(stats.entropy(pf, qf))
    pl = (np.array(r) + 1.0) / (sum(r) + len(r))
    ql = (np.array(c) + 1.0) / (sum(c) + len(c))
    out["psi_laplace"] = float(np.sum((ql - pl) * np.log(ql / pl)))
    return out


def counts():
    yield counts_case("one category", [10], [20])
    yield counts_case("equal", [10, 20, 30], [10, 20, 30])
    yield counts_case("proportional", [10, 20, 30], [100, 200, 300])
    yield counts_case("two categories", [303, 197], [138, 162])
    yield counts_case("two categories, tiny", [1, 3], [2, 1])
    yield counts_case("new category", [500, 300, 200, 0], [450, 300, 200, 50])
    yield counts_case("missing category", [500, 300, 200, 10], [450, 300, 200, 0])
    yield counts_case("empty on both sides", [500, 0, 200], [400, 0, 300])
    yield counts_case("disjoint", [100, 0], [0, 80])
    yield counts_case("large counts", [10**12, 2 * 10**12, 5], [10**12 + 10**10, 2 * 10**12, 9])
    yield counts_case("one row against many", [1, 0, 0], [1000, 2000, 3000])
    r = np.floor(1000 * splitmix(31, 300)).astype(int).tolist()
    c = np.floor(1000 * splitmix(32, 300)).astype(int).tolist()
    yield counts_case("300 categories", r, c)
    r = np.floor(1000 * splitmix(33, 300)).astype(int) + 1000
    noise = np.floor(60 * splitmix(34, 300)).astype(int)
    yield counts_case("300 categories, close", r.tolist(), (r + noise).tolist())


def quality():
    for name, n, grid in [("distinct scores", 2000, 0), ("tied scores", 1500, 20), ("few", 7, 3)]:
        score = splitmix(41, n)
        score = np.floor(score * grid) / grid if grid else score
        label = (splitmix(42, n) < 0.2 + 0.6 * score).astype(int)
        clipped = np.clip(score, 1e-15, 1 - 1e-15)
        predicted = (score >= 0.5).astype(int)
        iso = IsotonicRegression(out_of_bounds="clip").fit(score, label)
        at = [0.0, 0.1, 0.25, 0.5, 0.77, 0.9, 1.0]
        yield {
            "name": name, "seed": 41, "n": n, "grid": grid,
            "auc": metrics.roc_auc_score(label, score),
            "log_loss": metrics.log_loss(label, clipped),
            "brier": metrics.brier_score_loss(label, score),
            "accuracy": metrics.accuracy_score(label, predicted),
            "precision": metrics.precision_score(label, predicted),
            "recall": metrics.recall_score(label, predicted),
            "f1": metrics.f1_score(label, predicted),
            "isotonic_at": at, "isotonic": iso.predict(at).tolist(),
        }


def regression():
    label, noise = ih4(51, 1000), ih4(52, 1000)
    predicted = label + 0.3 * (noise - 1.9)
    yield {
        "mae": metrics.mean_absolute_error(label, predicted),
        "mse": metrics.mean_squared_error(label, predicted),
        "r2": metrics.r2_score(label, predicted),
    }


def kolmogorov():
    for n in [1, 2, 3, 10, 50, 139, 140, 141, 500, 2000, 99_999, 100_001, 500_000, 1_000_000, 1_500_000, 5_000_000]:
        for z in [0.3, 0.52, 0.6, 0.7, 0.86, 0.9, 1.1, 1.3, 1.45, 1.5, 1.8, 2.05, 2.5, 4.0, 10.0, 19.0]:
            d = z / math.sqrt(n)
            if d < 1.05:
                yield [n, d, float(stats.kstwo.sf(d, n))]


json.dump(
    {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
        "pairs": list(pairs()),
        "counts": list(counts()),
        "quality": list(quality()),
        "regression": list(regression()),
        "kolmogorov": list(kolmogorov()),
    },
    sys.stdout,
    indent=1,
)
print()
