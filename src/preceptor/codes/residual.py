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

from preceptor.codes.minibatches import BLOCK, FULL_RATE, distinct_rows, minibatches, padded_blocks, row_parts, set_rate
from preceptor.codes.sae import REVIVALS
from preceptor.core import disk
from preceptor.core.errors import PreceptorError
from preceptor.core.modes import by_umask
from preceptor.core.progress import Progress, track
from preceptor.core.rng import generator
from preceptor.core.threads import torch_threads

ITERATIONS = 20
POINTS = 64  # rows a centroid that k-means sees at most
COMMITMENT = 1.0
MEMORY = 0.9  # of a centroid's running mean, by step
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
        return np.concatenate([codes for codes, _ in self.blocks(x)])

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """x̂ from the codes, float32 [n, d]."""
        return np.concatenate([rows for _, rows in self.blocks(x)])

    def last_choices(self, x_row: np.ndarray, codes_row: np.ndarray, most: int) -> np.ndarray:
        """Latents for the last code of one item: those of the last level, nearest centroid first, then those of the other
        levels, so that a small codebook can still tell many twins apart."""
        with torch_threads(1), torch.no_grad():
            rest = self._project("in", torch.from_numpy(np.array(x_row[None], np.float32)))
            for level in range(self.n_codes - 1):
                rest = rest - self.books[level][int(codes_row[level]) - level * self.books.shape[1]]
            order = np.argsort(_distances(rest, self.books[-1])[0].numpy(), kind="stable")
        # The item's own code first: the row alone may round otherwise than in its block.
        own = int(codes_row[-1])
        ranked = order + (self.n_codes - 1) * self.books.shape[1]
        return np.concatenate([[own], ranked[ranked != own], np.arange((self.n_codes - 1) * self.books.shape[1])])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"books": self.books.contiguous(), **self.layers}, folder / "residual.safetensors")
        by_umask(folder / "residual.safetensors")

    @classmethod
    def load(cls, folder: Path) -> ResidualQuantiser:
        path = folder / "residual.safetensors"
        with disk.reading("tokeniser", path):
            arrays = load_file(path)
            return cls(arrays.pop("books"), arrays)

    def _project(self, side: str, x: torch.Tensor) -> torch.Tensor:
        return _mlp(self.layers, side, x) if self.layers else x

    def blocks(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(codes, reconstruction) block by block."""
        with torch_threads(1), torch.no_grad():
            for n, rows in padded_blocks(x):
                codes, quantised = quantise(self._project("in", rows), self.books)
                flat = codes + torch.arange(self.n_codes) * self.books.shape[1]
                yield flat[:n].numpy().astype(np.int32), self._project("out", quantised)[:n].numpy()


def fit_rq_kmeans(x: np.ndarray, n_latents: int, n_codes: int, seed: int = 0, threads: int = 1) -> ResidualQuantiser:
    """K-means (faiss) of the residuals, level by level, n_latents // n_codes centroids each, of at most POINTS rows a centroid
    drawn at random. Equal bytes on one machine."""
    try:
        import faiss
    except ImportError:
        raise PreceptorError(
            "codes.tokeniser 'rq-kmeans' needs faiss", remedy="pip install 'preceptor[faiss]' (or faiss-cpu)"
        ) from None
    size = _book_size(x, n_latents, n_codes)
    faiss.omp_set_num_threads(threads)
    rest = np.array(x, np.float32, order="C")  # the one copy: what the levels so far leave over
    books = []
    for level in track(range(n_codes), "residual k-means", unit="levels"):
        draw = int(generator(seed, "codes/rq-kmeans", level).integers(2**31 - 1))
        kmeans = faiss.Kmeans(
            x.shape[1], size, niter=ITERATIONS, seed=draw, min_points_per_centroid=1, max_points_per_centroid=POINTS
        )
        kmeans.train(rest)
        book = torch.from_numpy(np.array(kmeans.centroids, np.float32).reshape(size, -1))
        books.append(book)
        with torch_threads(1):
            for start in range(0, len(rest), BLOCK):
                part = torch.from_numpy(rest[start : start + BLOCK])
                part -= book[_distances(part, book).argmin(1)]
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
    """Autoencoder with a residual-quantised middle and a straight-through gradient. Equal bytes on one machine.

    Centroids start from the projections of items and are the running means of what they meet (van den Oord et al. 1711.00937,
    appendix A.1): moved by gradients they can't follow the projection in a few hundred steps, and most fall out of use. Those
    that nothing uses are moved onto residuals."""
    size = _book_size(x, n_latents, n_codes)
    with torch_threads(threads):
        return _train_vae(x, size, n_codes, steps, batch, lr, seed)


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
    return max(1, min(n_latents // n_codes, distinct_rows(x)))


def _mlp(layers: dict[str, torch.Tensor], side: str, x: torch.Tensor) -> torch.Tensor:
    hidden = functional.relu(functional.linear(x, layers[f"{side}.0.weight"], layers[f"{side}.0.bias"]))
    return functional.linear(hidden, layers[f"{side}.1.weight"], layers[f"{side}.1.bias"])


def _train_vae(x: np.ndarray, size: int, n_codes: int, steps: int, batch: int, lr: float, seed: int) -> ResidualQuantiser:
    n, d = x.shape
    mean = torch.stack([part.double().sum(0) for part in row_parts(x)]).sum(0).div(n).float()
    scale = torch.cat([(part - mean).square().mean(1) for part in row_parts(x)]).mean().sqrt().clamp(min=1e-6)
    batch = min(batch, n)
    draws = generator(seed, "codes/rq-vae")
    layers: dict[str, torch.Tensor] = {}
    for side, widths in (("in", (d, HIDDEN, INNER)), ("out", (INNER, HIDDEN, d))):
        for i in range(2):
            weight = torch.from_numpy(draws.standard_normal((widths[i + 1], widths[i]), np.float32))
            layers[f"{side}.{i}.weight"] = nn.Parameter(weight * ((2 - i) / widths[i]) ** 0.5)
            layers[f"{side}.{i}.bias"] = nn.Parameter(torch.zeros(widths[i + 1]))
    books = torch.zeros(n_codes, size, INNER)
    unused = torch.ones(n_codes, size, dtype=torch.bool)
    with torch.no_grad():
        _restart(_projected(layers, x, mean, scale), books, unused, draws)
    met, total_met = torch.ones(n_codes, size), books.clone()  # running count and sum of what each centroid met
    adam = torch.optim.Adam(layers.values(), lr=lr, betas=(0.9, 0.99), foreach=False)
    every = max(1, int(FULL_RATE * steps) // REVIVALS)
    with Progress("rq-vae", steps, "steps") as progress:
        for step, batch_rows in enumerate(minibatches(x, batch, steps, seed, "codes/rq-vae/order")):
            set_rate(adam, lr, step, steps)
            rows = (batch_rows - mean) / scale
            z = _mlp(layers, "in", rows)
            with torch.no_grad():
                quantised = _follow(z, books, met, total_met, unused)
            error = (rows - _mlp(layers, "out", z + (quantised - z).detach())).square().mean()
            meet = (z - quantised).square().mean() / z.detach().var().clamp(min=1e-9)
            adam.zero_grad()
            (error + COMMITMENT * meet).backward()
            adam.step()
            with torch.no_grad():
                torch.div(total_met, met.clamp(min=1e-5)[..., None], out=books)
                if (step + 1) % every == 0 and (step + 1) // every <= REVIVALS:
                    _restart(_projected(layers, x, mean, scale), books, unused, draws)
                    met[unused], total_met[unused] = 1.0, books[unused]
                    unused.fill_(True)
            progress.advance()
    with torch.no_grad():  # the scaling becomes part of the outer layers
        layers["in.0.weight"] /= scale
        layers["in.0.bias"] -= layers["in.0.weight"] @ mean
        layers["out.1.weight"] *= scale
        layers["out.1.bias"] *= scale
        layers["out.1.bias"] += mean
    return ResidualQuantiser(books, {name: value.detach() for name, value in layers.items()})


def _follow(
    z: torch.Tensor, books: torch.Tensor, met: torch.Tensor, total_met: torch.Tensor, unused: torch.Tensor
) -> torch.Tensor:
    """Quantise z, and let the running means of its centroids take it in. Returns the sum of the centroids."""
    rest = z
    for level, book in enumerate(books):
        nearest = _distances(rest, book).argmin(1)
        count = torch.bincount(nearest, minlength=len(book)).float()
        met[level].mul_(MEMORY).add_(count, alpha=1 - MEMORY)
        total_met[level].mul_(MEMORY).add_(torch.zeros_like(book).index_add_(0, nearest, rest), alpha=1 - MEMORY)
        unused[level, nearest] = False
        rest = rest - book[nearest]
    return z - rest


def _projected(layers: dict[str, torch.Tensor], x: np.ndarray, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return torch.cat([_mlp(layers, "in", (part - mean) / scale) for part in row_parts(x)])


def _restart(z: torch.Tensor, books: torch.Tensor, unused: torch.Tensor, draws: np.random.Generator) -> None:
    """Put unused centroids onto what the levels before leave over of random items."""
    rest = z
    for level in range(len(books)):
        where = torch.nonzero(unused[level]).flatten()
        chosen = np.resize(draws.permutation(len(rest)), len(where))
        books[level, where] = rest[torch.from_numpy(chosen)]
        rest = rest - books[level][_distances(rest, books[level]).argmin(1)]
