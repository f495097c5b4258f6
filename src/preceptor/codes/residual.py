"""Residual quantisers: code j says which of K centroids is nearest to what the codes before it left over.

`rq-kmeans` quantises the embedding itself, k-means by level; `rq-vae` (TIGER, 2305.05065; Lee et al. 2203.01941) a learnt
projection of it. Level j's centroid c is latent j·K + c of the flat vocabulary, so the same number never means two things.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from preceptor.codes.minibatches import FULL_RATE, minibatches, set_rate
from preceptor.codes.sae import BLOCK, REVIVALS, torch_threads
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import Progress, track
from preceptor.core.rng import generator

ITERATIONS = 20
COMMITMENT = 0.25
HIDDEN, INNER = 256, 32  # widths of the rq-vae: of its hidden layer and of what it quantises


class ResidualQuantiser:
    """books: float32 [n_codes, K, z]; layers: the projections in and out of z, float32, empty for rq-kmeans."""

    def __init__(self, books: torch.Tensor, layers: dict[str, torch.Tensor]) -> None:
        self.books, self.layers = books, layers
        self.kind = "rq-vae" if layers else "rq-kmeans"
        self.n_codes = books.shape[0]

    @property
    def n_latents(self) -> int:
        return self.books.shape[0] * self.books.shape[1]

    @property
    def dims(self) -> int:
        return self.layers["in.0.weight"].shape[1] if self.layers else self.books.shape[2]

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Codes, int32 [n, n_codes], coarsest first."""
        return np.concatenate([codes for codes, _ in self._blocks(x)])

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """x̂ from the codes, float32 [n, d]."""
        found = []
        for _, rest in self._blocks(x):
            found.append(rest)
        return np.concatenate(found)

    def last_choices(self, x_row: np.ndarray, codes_row: np.ndarray) -> np.ndarray:
        """Latents of the last level for one item, nearest centroid first."""
        with torch_threads(1), torch.no_grad():
            rest = self._project("in", torch.from_numpy(x_row[None]))
            for level in range(self.n_codes - 1):
                rest = rest - self.books[level][int(codes_row[level]) - level * self.books.shape[1]]
            order = np.argsort(_distances(rest, self.books[-1])[0].numpy(), kind="stable")
        # The item's own code first: the row alone may round otherwise than in its block.
        own = int(codes_row[-1])
        ranked = order + (self.n_codes - 1) * self.books.shape[1]
        return np.concatenate([[own], ranked[ranked != own]])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"books": self.books.contiguous(), **self.layers}, folder / "residual.safetensors")

    @classmethod
    def load(cls, folder: Path) -> ResidualQuantiser:
        arrays = load_file(folder / "residual.safetensors")
        return cls(arrays.pop("books"), arrays)

    def _project(self, side: str, x: torch.Tensor) -> torch.Tensor:
        return _mlp(self.layers, side, x) if self.layers else x

    def _blocks(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(codes, reconstruction) of blocks of one size, the last one padded: a row's bits don't depend on rows after it."""
        with torch_threads(1), torch.no_grad():
            for start in range(0, len(x), BLOCK):
                rows = np.zeros((BLOCK, x.shape[1]), np.float32)
                n = len(x[start : start + BLOCK])
                rows[:n] = x[start : start + BLOCK]
                codes, quantised = quantise(self._project("in", torch.from_numpy(rows)), self.books)
                flat = codes + torch.arange(self.n_codes) * self.books.shape[1]
                yield flat[:n].numpy().astype(np.int32), self._project("out", quantised)[:n].numpy()


def fit_rq_kmeans(x: np.ndarray, n_latents: int, n_codes: int, seed: int = 0, threads: int = 1) -> ResidualQuantiser:
    """K-means (faiss) of the residuals, level by level, n_latents // n_codes centroids each. Equal bytes on one machine."""
    try:
        import faiss
    except ImportError:
        raise PreceptorError(
            "codes.tokeniser 'rq-kmeans' needs faiss", remedy="pip install 'preceptor[faiss]' (or faiss-cpu)"
        ) from None
    size = _book_size(x, n_latents, n_codes)
    faiss.omp_set_num_threads(threads)
    rest = torch.from_numpy(np.ascontiguousarray(x, np.float32))
    books = []
    for level in track(range(n_codes), "residual k-means", unit="levels"):
        draw = int(generator(seed, "codes/rq-kmeans", level).integers(2**31 - 1))
        kmeans = faiss.Kmeans(x.shape[1], size, niter=ITERATIONS, seed=draw, min_points_per_centroid=1)
        kmeans.train(rest.numpy())
        book = torch.from_numpy(np.array(kmeans.centroids, np.float32).reshape(size, -1))
        books.append(book)
        with torch_threads(1):
            rest = rest - torch.cat([book[_distances(part, book).argmin(1)] for part in rest.split(BLOCK)])
    return ResidualQuantiser(torch.stack(books), {})


def fit_rq_vae(
    x: np.ndarray,
    n_latents: int,
    n_codes: int,
    steps: int = 600,
    batch: int = 512,
    lr: float = 3e-3,
    seed: int = 0,
    threads: int = 1,
) -> ResidualQuantiser:
    """Autoencoder with a residual-quantised middle, straight-through gradient, codebooks started from the projections
    of items; centroids that nothing uses are moved onto residuals. Equal bytes on one machine."""
    size = _book_size(x, n_latents, n_codes)
    with torch_threads(threads):
        return _train_vae(torch.from_numpy(np.ascontiguousarray(x, np.float32)), size, n_codes, steps, batch, lr, seed)


def quantise(z: torch.Tensor, books: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(centroid of each level, int64 [n, n_codes]; their sum, [n, z])."""
    codes, total = [], torch.zeros_like(z)
    for book in books:
        nearest = _distances(z - total, book).argmin(1)
        codes.append(nearest)
        total = total + functional.embedding(nearest, book)
    return torch.stack(codes, 1), total


def _distances(x: torch.Tensor, book: torch.Tensor) -> torch.Tensor:
    return book.square().sum(1) - 2 * x @ book.T


def _book_size(x: np.ndarray, n_latents: int, n_codes: int) -> int:
    return max(1, min(n_latents // n_codes, len(np.unique(x, axis=0))))


def _mlp(layers: dict[str, torch.Tensor], side: str, x: torch.Tensor) -> torch.Tensor:
    hidden = functional.relu(functional.linear(x, layers[f"{side}.0.weight"], layers[f"{side}.0.bias"]))
    return functional.linear(hidden, layers[f"{side}.1.weight"], layers[f"{side}.1.bias"])


def _train_vae(x: torch.Tensor, size: int, n_codes: int, steps: int, batch: int, lr: float, seed: int) -> ResidualQuantiser:
    n, d = x.shape
    batch = min(batch, n)
    draws = generator(seed, "codes/rq-vae")
    layers: dict[str, torch.Tensor] = {}
    for side, widths in (("in", (d, HIDDEN, INNER)), ("out", (INNER, HIDDEN, d))):
        for i in range(2):
            weight = torch.from_numpy(draws.standard_normal((widths[i + 1], widths[i]), np.float32))
            layers[f"{side}.{i}.weight"] = nn.Parameter(weight * (2 / widths[i]) ** 0.5)
            layers[f"{side}.{i}.bias"] = nn.Parameter(torch.zeros(widths[i + 1]))
    books = nn.Parameter(torch.zeros(n_codes, size, INNER))
    unused = torch.ones(n_codes, size, dtype=torch.bool)
    with torch.no_grad():
        _restart(_mlp(layers, "in", x), books, unused, draws)
    adam = torch.optim.Adam([*layers.values(), books], lr=lr, foreach=False)
    spread = (x - x.mean(0)).square().sum(1).mean().clamp(min=1e-12)
    every = max(1, int(FULL_RATE * steps) // REVIVALS)
    with Progress("rq-vae", steps, "steps") as progress:
        for step, rows in enumerate(minibatches(x, batch, steps, seed, "codes/rq-vae/order")):
            set_rate(adam, lr, step, steps)
            z = _mlp(layers, "in", rows)
            codes, total = quantise(z, books)
            error = (rows - _mlp(layers, "out", z + (total - z).detach())).square().sum(1).mean() / spread
            meet = (z.detach() - total).square().sum(1).mean() + COMMITMENT * (z - total.detach()).square().sum(1).mean()
            adam.zero_grad()
            (error + meet).backward()
            adam.step()
            with torch.no_grad():
                unused[torch.arange(n_codes), codes] = False
                if (step + 1) % every == 0 and (step + 1) // every <= REVIVALS:
                    _restart(_mlp(layers, "in", x), books, unused, draws)
                    for name in ("exp_avg", "exp_avg_sq"):
                        adam.state[books][name][unused] = 0
                    unused.fill_(True)
            progress.advance()
    return ResidualQuantiser(books.detach(), {name: value.detach() for name, value in layers.items()})


def _restart(z: torch.Tensor, books: torch.Tensor, unused: torch.Tensor, draws: np.random.Generator) -> None:
    """Put unused centroids onto what the levels before leave over of random items."""
    rest = z
    for level in range(len(books)):
        where = torch.nonzero(unused[level]).flatten()
        chosen = np.resize(draws.permutation(len(rest)), len(where))
        books[level, where] = rest[torch.from_numpy(chosen)]
        rest = rest - books[level][_distances(rest, books[level]).argmin(1)]
