"""Compares the crate with scipy, Evidently, whylogs and NannyML on the same work, in one run.

Installs the peers into ${MILLWRIGHT_HOME:-~/.cache/millwright}/drift-peers on first use (about
1 GB), runs the crate's benchmark and then each peer on one core, and prints processor seconds and
ratios. Peers that cannot be installed or run are named, not guessed. Run it from anywhere in the
repository:

    python3 drift/benches/peers.py
"""

import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
HOME = pathlib.Path(os.environ.get("MILLWRIGHT_HOME", pathlib.Path.home() / ".cache/millwright"))
VENV = HOME / "drift-peers"
PACKAGES = {
    "scipy": ["numpy==2.4.6", "pandas==2.3.3", "scipy==1.17.1"],
    "evidently": ["evidently==0.7.23"],
    "whylogs": ["whylogs==1.6.4"],
    "nannyml": ["nannyml==0.13.1"],
}
# Task of the crate, peer, how many values, least ratio wanted of the peer's time.
TASKS = [
    ("ks+wasserstein", "scipy ks_2samp + wasserstein_distance", 2_000_000, None),
    ("psi", "evidently psi", 2_000_000, None),
    ("profile-live-sketches", "whylogs log", 10_000_000, 20),
    ("report", "evidently DataDriftPreset", 4_000_000, 50),
    ("report", "nannyml UnivariateDriftCalculator", 4_000_000, None),
]
# Values per second asked of the crate whatever the peers do.
SPEED = {"ks+wasserstein": 25e6, "psi": 150e6, "psi+js-stored-edges": 150e6}
ONE_CORE = {name: "1" for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"]}

# No peer is to report its use.
QUIET = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}


def install():
    """Makes the virtual environment; returns the peers that could not be installed."""
    if not (VENV / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    missing = []
    for peer, packages in PACKAGES.items():
        mark = VENV / f"{peer}.installed"
        if mark.exists() and mark.read_text() == " ".join(packages):
            continue
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        done = subprocess.run([str(VENV / "bin/pip"), "install", "-q", *packages])
        if done.returncode == 0:
            mark.write_text(" ".join(packages))
        else:
            missing.append(peer)
    return missing


def crate():
    """Seconds per task of the crate's own benchmark."""
    command = ["cargo", "bench", "-q", "-p", "millwright-drift", "--bench", "drift"]
    out = subprocess.run(command, cwd=HERE.parents[2], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: float(seconds) for name, seconds in (line.split() for line in out.splitlines() if line)}


def peer(task):
    """Seconds of one peer's task, in a process of its own; None if it fails."""
    command = [str(VENV / "bin/python"), str(HERE), "--peer", task]
    done = subprocess.run(command, env={**os.environ, **ONE_CORE, **QUIET}, stdout=subprocess.PIPE, text=True)
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 and lines else None


def median(work, runs):
    work()
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return sorted(seconds)[len(seconds) // 2]


def run_peer(task):
    import warnings

    warnings.filterwarnings("ignore")
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(1)

    def ih4(rows):
        return rng.random((rows, 4)).sum(axis=1)

    if task.startswith("scipy"):
        from scipy import stats

        r, c = ih4(1_000_000), ih4(1_000_000) + 0.001
        seconds = median(lambda: (stats.ks_2samp(r, c), stats.wasserstein_distance(r, c)), 3)
    elif task == "evidently psi":
        from evidently.legacy.calculations.stattests.psi import _psi
        from evidently.legacy.core import ColumnType

        r, c = pd.Series(ih4(1_000_000)), pd.Series(ih4(1_000_000) + 0.001)
        seconds = median(lambda: _psi(r, c, ColumnType.Numerical, 0.1), 3)
    elif task.startswith("whylogs"):
        import whylogs

        frame = pd.DataFrame({f"c{i}": ih4(1_000_000) for i in range(10)})
        seconds = median(lambda: whylogs.log(frame), 1)
    else:
        r = pd.DataFrame({f"c{i}": ih4(100_000) for i in range(20)})
        c = pd.DataFrame({f"c{i}": ih4(100_000) for i in range(20)})
        if task.startswith("evidently"):
            from evidently import Report
            from evidently.presets import DataDriftPreset

            seconds = median(lambda: Report([DataDriftPreset()]).run(c, r), 1)
        else:
            import nannyml

            def report():
                calculator = nannyml.UnivariateDriftCalculator(
                    column_names=list(r.columns), continuous_methods=["wasserstein"], chunk_number=1
                )
                calculator.fit(r).calculate(c)

            seconds = median(report, 1)
    print(json.dumps(seconds))


def main():
    missing = install()
    own = crate()
    for task, wanted in SPEED.items():
        speed = 2_000_000 / own[task]
        print(f"{task}: {speed / 1e6:.1f} M values/s (wanted {wanted / 1e6:.0f})")
    print(f"{'task':24}{'own s':>10}  {'peer':40}{'peer s':>10}{'ratio':>8}")
    for task, name, _, wanted in TASKS:
        seconds = None if name.split()[0] in missing else peer(name)
        if seconds is None:
            print(f"{task:24}{own[task]:10.4f}  {name:40}{'cannot run':>10}")
            continue
        goal = f" (wanted {wanted})" if wanted else ""
        print(f"{task:24}{own[task]:10.4f}  {name:40}{seconds:10.3f}{seconds / own[task]:8.1f}{goal}")


if sys.argv[1:2] == ["--peer"]:
    run_peer(sys.argv[2])
else:
    main()
