"""Residual quantisers: each level explains more, codes are the nearest centroids, bytes repeat."""

from pathlib import Path

import numpy as np
import pytest

from preceptor.codes.distinguish import distinguish
from preceptor.codes.residual import ResidualQuantiser, fit_rq_kmeans, fit_rq_vae

KINDS = ["rq-kmeans", "rq-vae"]


def fit(kind: str, x: np.ndarray, n_codes: int = 3, steps: int = 200) -> ResidualQuantiser:
    if kind == "rq-vae":
        return fit_rq_vae(x, 16 * n_codes, n_codes, steps=steps, batch=128)
    pytest.importorskip("faiss")
    return fit_rq_kmeans(x, 16 * n_codes, n_codes)


@pytest.fixture(scope="module")
def clusters() -> np.ndarray:
    draws = np.random.default_rng(0)
    centres = draws.standard_normal((10, 12))
    return (centres[np.arange(300) % 10] + 0.3 * draws.standard_normal((300, 12))).astype(np.float32)


def r2(x: np.ndarray, y: np.ndarray) -> float:
    return float(1 - ((x - y) ** 2).sum() / ((x - x.mean(0)) ** 2).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_learns_and_spreads(kind: str, clusters: np.ndarray) -> None:
    model = fit(kind, clusters)
    codes = model.encode(clusters)
    assert r2(clusters, model.reconstruct(clusters)) > 0.9
    assert len(np.unique(codes)) >= 0.7 * model.n_latents
    assert (codes // 16 == np.arange(3)).all()


def test_each_level_of_k_means_explains_more(clusters: np.ndarray) -> None:
    scores = [r2(clusters, fit("rq-kmeans", clusters, levels).reconstruct(clusters)) for levels in (1, 2, 3)]
    assert scores == sorted(scores)
    assert scores[2] > scores[0] + 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_equal_bytes_again_and_after_loading(kind: str, clusters: np.ndarray, tmp_path: Path) -> None:
    for name in "ab":
        fit(kind, clusters, steps=40).save(tmp_path / name)
    assert (tmp_path / "a/residual.safetensors").read_bytes() == (tmp_path / "b/residual.safetensors").read_bytes()
    loaded = ResidualQuantiser.load(tmp_path / "a")
    assert loaded.kind == kind
    assert loaded.dims == 12
    assert np.array_equal(loaded.encode(clusters), fit(kind, clusters, steps=40).encode(clusters))


@pytest.mark.parametrize("kind", KINDS)
def test_last_choices_tell_twins_apart(kind: str, clusters: np.ndarray) -> None:
    model = fit(kind, clusters, steps=40)
    twins = np.repeat(clusters[:30], 3, axis=0)
    base = model.encode(twins)
    codes = distinguish(base, lambda i, most: model.last_choices(twins[i], base[i], most))
    assert len(np.unique(codes, axis=0)) == 90
    assert np.array_equal(codes[:, :-1], base[:, :-1])
    assert (codes[:, -1] // 16 == 2).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_rows_after_it(kind: str, clusters: np.ndarray) -> None:
    model = fit(kind, clusters, steps=40)
    assert np.array_equal(model.reconstruct(clusters[:7]), model.reconstruct(clusters)[:7])


def test_the_vae_learns_wide_rows_of_length_one() -> None:
    """As sentence encoders give them: hundreds of small components around a common mean. Codebooks that can't follow the
    projection explain next to nothing here."""
    draws = np.random.default_rng(0)
    x = draws.standard_normal((20, 384))[np.arange(600) % 20] + draws.standard_normal((600, 8)) @ draws.standard_normal(
        (8, 384)
    )
    x = (x + 3).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    model = fit_rq_vae(x, 64, 8, steps=300, batch=256)
    codes = model.encode(x)
    assert r2(x, model.reconstruct(x)) > 0.5
    assert len(np.unique(codes)) == 64
    assert len(np.unique(codes, axis=0)) > 500


@pytest.mark.parametrize("kind", KINDS)
def test_last_choices_name_every_latent_once(kind: str, clusters: np.ndarray) -> None:
    model = fit(kind, clusters, steps=40)
    codes = model.encode(clusters[:1])[0]
    choices = model.last_choices(clusters[0], codes, 10**6)
    assert choices[0] == codes[-1]
    assert sorted(choices) == list(range(48))
    assert (choices[:16] // 16 == 2).all()
