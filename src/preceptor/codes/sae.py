"""Top-k sparse autoencoder: an item's codes are its k most active latents, most active first.

After Gao et al. 2406.04093: z = TopK(W_enc (x − b)), x̂ = Σ z_l W_dec[l] + b, tied at the start, decoder rows of length one.
Latents that stop firing are moved onto what is reconstructed worst (as Bricken et al. 2023 do), instead of an auxiliary loss:
small catalogues have few steps. Only the k active rows of either matrix are touched by a gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from preceptor.codes.minibatches import BLOCK, FULL_RATE, minibatches, padded_blocks, row_parts, set_rate
from preceptor.core import disk
from preceptor.core.modes import by_umask
from preceptor.core.progress import Progress
from preceptor.core.rng import generator, permutation
from preceptor.core.threads import torch_threads

REVIVALS = 12  # rounds of moving dead latents, all within the first 70 % of the steps


class SparseAutoencoder:
    """encoder, decoder: float32 [L, d]; bias, the centre: float32 [d]; scale: RMS distance of the training rows from it."""

    kind = "sae"

    def __init__(
        self, encoder: torch.Tensor, decoder: torch.Tensor, bias: torch.Tensor, scale: torch.Tensor, n_codes: int
    ) -> None:
        self.encoder, self.decoder, self.bias, self.scale, self.n_codes = encoder, decoder, bias, scale, n_codes

    @property
    def n_latents(self) -> int:
        return self.encoder.shape[0]

    @property
    def dims(self) -> int:
        return self.encoder.shape[1]

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        n_latents: int,
        n_codes: int,
        steps: int = 1500,
        batch: int = 512,
        lr: float = 3e-3,
        seed: int = 0,
        threads: int = 1,
    ) -> SparseAutoencoder:
        """Train on the rows of x, float32 [n, d]. Equal arguments give equal bytes on the same machine."""
        with torch_threads(threads):
            return _train(cls, x, n_latents, n_codes, steps, batch, lr, seed)

    def activations(self, x: np.ndarray) -> np.ndarray:
        """Activation of every latent before the top-k, float32 [n, L]. Worked in whole blocks, so that a row's bits
        don't depend on the number of rows after it: old items keep their codes when items are added."""
        return np.concatenate([scores[:n].numpy() for n, scores in self._scores(x)])

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Codes, int32 [n, n_codes], most active first."""
        return np.concatenate([codes for codes, _ in self.blocks(x)])

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """x̂ from the n_codes most active latents, float32 [n, d]."""
        return np.concatenate([rows for _, rows in self.blocks(x)])

    def blocks(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(codes, reconstruction) block by block."""
        for n, scores in self._scores(x):
            z, top = torch.topk(scores, self.n_codes, dim=1)
            rows = functional.embedding_bag(top, self.decoder, per_sample_weights=z.relu(), mode="sum")
            yield top[:n].numpy().astype(np.int32), (rows * self.scale + self.bias)[:n].numpy()

    def _scores(self, x: np.ndarray) -> Iterator[tuple[int, torch.Tensor]]:
        with torch_threads(1), torch.no_grad():
            for n, rows in padded_blocks(x):
                yield n, ((rows - self.bias) / self.scale) @ self.encoder.T

    def last_choices(self, x_row: np.ndarray, codes_row: np.ndarray, most: int) -> np.ndarray:
        """Latents for the last code of one item, best first, none of its other codes among them; `most` or a few more."""
        with torch_threads(1), torch.no_grad():
            scores = self.encoder @ ((torch.from_numpy(np.array(x_row, np.float32)) - self.bias) / self.scale)
        worse = -scores.numpy()
        wanted = most + len(codes_row)
        if wanted < len(worse):  # what is better than the one after the wanted, and that itself, is enough
            order = np.flatnonzero(worse <= np.partition(worse, wanted)[wanted])
            order = order[np.argsort(worse[order], kind="stable")]
        else:
            order = np.argsort(worse, kind="stable")
        # The item's own code first: the row alone may round otherwise than in its block.
        return np.concatenate([codes_row[-1:], order[~np.isin(order, codes_row)]])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"encoder": self.encoder, "decoder": self.decoder, "bias": self.bias, "scale": self.scale}
        save_file({**arrays, "n_codes": torch.tensor(self.n_codes)}, folder / "sae.safetensors")
        by_umask(folder / "sae.safetensors")

    @classmethod
    def load(cls, folder: Path) -> SparseAutoencoder:
        path = folder / "sae.safetensors"
        with disk.reading("tokeniser", path):
            a = load_file(path)
            return cls(a["encoder"], a["decoder"], a["bias"], a["scale"], int(a["n_codes"]))


def _train(
    cls: type[SparseAutoencoder], x: np.ndarray, n_latents: int, k: int, steps: int, batch: int, lr: float, seed: int
) -> SparseAutoencoder:
    n, d = x.shape
    bias = torch.stack([part.double().sum(0) for part in row_parts(x)]).sum(0).div(n).float()
    scale = torch.cat([(part - bias).square().sum(1) for part in row_parts(x)]).mean().sqrt().clamp(min=1e-6)
    batch = min(batch, n)
    draws = generator(seed, "codes/sae")
    # Directions of items are better starting points than random ones: every latent fires for somebody.
    start = (torch.from_numpy(x[permutation(seed, "codes/sae/start", n)[np.arange(n_latents) % n]]) - bias) / scale
    start = start + 0.1 * torch.from_numpy(draws.standard_normal((n_latents, d), np.float32)) / d**0.5
    decoder = functional.normalize(start, dim=1).requires_grad_()
    encoder = decoder.detach().clone().requires_grad_()
    centre = torch.zeros(d, requires_grad=True)
    parameters = [encoder, decoder, centre]
    adam = torch.optim.Adam(parameters, lr=lr, betas=(0.9, 0.99), foreach=False)
    fired = torch.zeros(n_latents)
    every = max(1, int(FULL_RATE * steps) // REVIVALS)
    with Progress("sparse autoencoder", steps, "steps") as progress:
        for step, batch_rows in enumerate(minibatches(x, batch, steps, seed, "codes/sae/order")):
            set_rate(adam, lr, step, steps)
            rows = (batch_rows - bias) / scale
            centred = rows - centre
            with torch.no_grad():
                top = torch.topk(centred @ encoder.T, k, dim=1).indices
            z = torch.einsum("nd,nkd->nk", centred, functional.embedding(top, encoder)).relu()
            error = rows - functional.embedding_bag(top, decoder, per_sample_weights=z, mode="sum") - centre
            loss = error.square().sum(1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            with torch.no_grad():
                decoder.copy_(functional.normalize(decoder, dim=1))
                fired.index_put_((top.flatten(),), torch.ones(()), accumulate=True)
                if (step + 1) % every == 0 and (step + 1) // every <= REVIVALS:
                    _revive(x, bias, scale, parameters, adam, fired, k, draws)
                    fired.zero_()
            progress.advance()
    with torch.no_grad():
        bias = bias + scale * centre
    return cls(encoder.detach(), decoder.detach(), bias.detach(), scale, k)


def _revive(
    x: np.ndarray,
    bias: torch.Tensor,
    scale: torch.Tensor,
    parameters: list[torch.Tensor],
    adam: torch.optim.Adam,
    fired: torch.Tensor,
    k: int,
    draws: np.random.Generator,
) -> None:
    """Move latents that no longer fire onto residuals of rows drawn by their squared error."""
    encoder, decoder, centre = parameters
    dead = torch.nonzero(fired == 0).flatten()
    if not len(dead):
        return
    drawn = x[np.sort(draws.permutation(len(x))[: 16 * BLOCK])]  # sorted: a memory-mapped file is read once through
    found = []
    for part in row_parts(drawn, BLOCK):
        sample = (part - bias) / scale
        z, top = torch.topk((sample - centre) @ encoder.T, k, dim=1)
        found.append(sample - centre - functional.embedding_bag(top, decoder, per_sample_weights=z.relu(), mode="sum"))
    error = torch.cat(found)
    weight = error.square().sum(1).double().numpy() + 1e-12
    chosen = draws.choice(len(error), size=len(dead), p=weight / weight.sum())
    noise = torch.from_numpy(draws.standard_normal((len(dead), x.shape[1]), np.float32)) * 1e-3
    direction = functional.normalize(error[torch.from_numpy(chosen)] + noise, dim=1)
    decoder[dead] = direction
    encoder[dead] = direction
    for parameter in (encoder, decoder):
        for name in ("exp_avg", "exp_avg_sq"):
            adam.state[parameter][name][dead] = 0
