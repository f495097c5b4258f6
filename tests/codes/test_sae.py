"""The sparse autoencoder learns, repeats itself to the bit, and survives saving."""

from pathlib import Path

import numpy as np
import pytest

from preceptor.codes.sae import SparseAutoencoder


@pytest.fixture(scope="module")
def planted() -> np.ndarray:
    """Rows that are sums of two of twelve directions."""
    draws = np.random.default_rng(0)
    directions = np.linalg.qr(draws.standard_normal((24, 12)))[0].T
    rows = []
    for _ in range(400):
        a, b = draws.permutation(12)[:2]
        rows.append(1.5 * directions[a] + directions[b])
    return np.array(rows, np.float32)


@pytest.fixture(scope="module")
def fitted(planted: np.ndarray) -> SparseAutoencoder:
    return SparseAutoencoder.fit(planted, 24, 3, steps=400, batch=128)


def r2(x: np.ndarray, y: np.ndarray) -> float:
    return float(1 - ((x - y) ** 2).sum() / ((x - x.mean(0)) ** 2).sum())


def test_overfits(planted: np.ndarray, fitted: SparseAutoencoder) -> None:
    assert r2(planted, fitted.reconstruct(planted)) > 0.95


def test_few_latents_are_dead(planted: np.ndarray, fitted: SparseAutoencoder) -> None:
    assert len(np.unique(fitted.encode(planted))) >= 0.8 * 24


def test_codes_are_the_most_active_latents_in_order(planted: np.ndarray, fitted: SparseAutoencoder) -> None:
    order = np.argsort(-fitted.activations(planted), kind="stable")
    assert np.array_equal(fitted.encode(planted), order[:, :3])


def test_decoder_rows_have_length_one(fitted: SparseAutoencoder) -> None:
    assert np.allclose(fitted.decoder.norm(dim=1).numpy(), 1, atol=1e-5)


def test_equal_bytes_again(planted: np.ndarray, tmp_path: Path) -> None:
    for name in "ab":
        SparseAutoencoder.fit(planted, 16, 3, steps=60, batch=64).save(tmp_path / name)
    assert (tmp_path / "a/sae.safetensors").read_bytes() == (tmp_path / "b/sae.safetensors").read_bytes()


def test_saved_model_gives_the_same_codes(planted: np.ndarray, fitted: SparseAutoencoder, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    loaded = SparseAutoencoder.load(tmp_path)
    assert np.array_equal(loaded.encode(planted), fitted.encode(planted))
    assert np.array_equal(loaded.reconstruct(planted), fitted.reconstruct(planted))


def test_a_row_does_not_depend_on_rows_after_it(planted: np.ndarray, fitted: SparseAutoencoder) -> None:
    many = np.concatenate([planted] * 4)
    assert np.array_equal(fitted.activations(planted[:37]), fitted.activations(many)[:37])


def test_last_choices_go_on_after_the_codes(planted: np.ndarray, fitted: SparseAutoencoder) -> None:
    codes = fitted.encode(planted[:1])[0]
    choices = fitted.last_choices(planted[0], codes, 10**6)
    few = fitted.last_choices(planted[0], codes, 5)
    assert 5 <= len(few) < len(choices)
    assert np.array_equal(few, choices[: len(few)])
    assert choices[0] == codes[-1]
    assert sorted([*choices, *codes[:-1]]) == list(range(24))
