"""node2vec of PecanPy 2.0.9, in an environment of its own, against the exact law of ours."""

import json
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from preceptor.generator.policies import node2vec
from preceptor.generator.probability import log_probability
from preceptor.generator.walk_tables import walk_tables
from preceptor.graph.graph import from_edges

PYTHON = Path(__file__).parents[2] / "build" / "pecanpy" / "bin" / "python"
WALKS = """
import json, sys
import numpy as np
from pecanpy import pecanpy
n, edges, p, q = json.load(sys.stdin)
dense = np.zeros((n, n))
for a, b, w in edges:
    dense[a, b] = dense[b, a] = w
nodes = [str(i) for i in range(n)]
g = pecanpy.SparseOTF.from_mat(dense, nodes, p=p, q=q, workers=1, verbose=False, random_state=1)
g.preprocess_transition_probs()
print(json.dumps([[int(i) for i in walk] for walk in g.simulate_walks(400, 30)]))
"""


@pytest.fixture(scope="module")
def pecanpy() -> Path:
    if not PYTHON.exists():
        venv.create(PYTHON.parents[1], with_pip=True)
    have = subprocess.run([PYTHON, "-c", "import pecanpy"], capture_output=True, check=False).returncode == 0
    if not have and subprocess.run([PYTHON, "-m", "pip", "install", "-q", "pecanpy==2.0.9"], check=False).returncode:
        pytest.skip("PecanPy 2.0.9 can't be installed here (pip needs a package index)")
    return PYTHON


@pytest.mark.slow
@pytest.mark.parametrize(("p", "q"), [(0.5, 2.0), (4.0, 0.25), (0.05, 20.0)])
def test_pecanpys_walks_follow_our_law(pecanpy: Path, p: float, q: float) -> None:
    """Chi-square over the third item given the two before it, all cells of at least 5 expected; false alarm once in 10^6."""
    n, rng = 24, np.random.default_rng(0)
    edges = [(a, b, float(rng.integers(1, 9))) for a in range(n) for b in range(a + 1, n) if b == a + 1 or rng.random() < 0.25]
    made = subprocess.run(
        [pecanpy, "-c", WALKS], input=json.dumps([n, edges, p, q]), capture_output=True, text=True, check=True
    )
    walks = json.loads(made.stdout.splitlines()[-1])
    seen = np.zeros((n, n, n))
    for walk in walks:
        np.add.at(seen, (walk[:-2], walk[1:-1], walk[2:]), 1)
    a, b, w = (np.array(column) for column in zip(*edges, strict=True))
    graph = from_edges(n, np.r_[a, b], np.r_[b, a], np.r_[w, w])
    law = walk_tables(graph, np.ones(n), 3, node2vec(p, q))
    triples = np.array(list(np.ndindex(n, n, n)), np.int32)
    joint = np.exp(log_probability(law, triples, np.full(len(triples), 3))).reshape(n, n, n)
    given = np.divide(
        joint, joint.sum(axis=2, keepdims=True), out=np.zeros_like(joint), where=joint.sum(axis=2, keepdims=True) > 0
    )
    assert not seen[given == 0].any()
    expected = seen.sum(axis=2, keepdims=True) * given
    used = expected >= 5
    rest = (np.where(used, 0, expected).sum(), np.where(used, 0, seen).sum())
    statistic = ((seen - expected)[used] ** 2 / expected[used]).sum() + (rest[1] - rest[0]) ** 2 / max(rest[0], 1)
    freedom = used.sum() + 1 - (used.sum(axis=2) > 0).sum()
    assert seen.sum() > 250_000
    assert statistic < chi2.isf(1e-6, freedom), (statistic, freedom)
