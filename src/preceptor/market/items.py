"""The things of the simulated market as people see them: title, brand, categories. Every kind, brand and word is made up."""

from __future__ import annotations

import numpy as np
import polars as pl

from preceptor.core import rng

KINDS_A_GROUP = 4  # department › group › kind: 8 × 4 × 4
DEPARTMENTS: dict[str, dict[str, tuple[str, str, str, str]]] = {
    "Kitchen": {
        "Cookware": ("frying pan", "saucepan", "casserole", "wok"),
        "Baking": ("cake tin", "stand mixer", "rolling pin", "kitchen scale"),
        "Tableware": ("dinner plate", "salad bowl", "water jug", "cutlery set"),
        "Hot drinks": ("coffee grinder", "espresso pot", "kettle", "milk frother"),
    },
    "Garden": {
        "Hand tools": ("spade", "rake", "trowel", "pruning shears"),
        "Watering": ("garden hose", "watering can", "sprinkler", "rain barrel"),
        "Sitting out": ("deck chair", "garden bench", "parasol", "hammock"),
        "Growing": ("seed tray", "cold frame", "planter", "compost bin"),
    },
    "Music": {
        "Strings": ("violin", "acoustic guitar", "ukulele", "cello"),
        "Percussion": ("snare drum", "cymbal", "tambourine", "djembe"),
        "Keys": ("keyboard", "accordion", "melodica", "synthesizer"),
        "Wind": ("flute", "clarinet", "trumpet", "harmonica"),
    },
    "Camping": {
        "Sleeping": ("tent", "sleeping bag", "camping mat", "bivouac sack"),
        "Camp cooking": ("gas stove", "mess tin", "canteen", "cool box"),
        "Packs": ("rucksack", "dry bag", "duffel bag", "hip pack"),
        "Light and way": ("lantern", "head torch", "compass", "map case"),
    },
    "Cycling": {
        "Parts": ("saddle", "pedal set", "chain", "handlebar"),
        "Wheels": ("inner tube", "tyre", "spoke set", "wheel rim"),
        "Riding wear": ("cycling helmet", "cycling gloves", "rain cape", "overshoes"),
        "Loads": ("pannier", "front basket", "bike rack", "bike trailer"),
    },
    "Office": {
        "Writing": ("fountain pen", "marker set", "pencil case", "whiteboard"),
        "Paper": ("notebook", "ring binder", "envelope box", "paper tray"),
        "Machines": ("label printer", "paper shredder", "desk calculator", "laminator"),
        "Desk": ("desk lamp", "monitor stand", "office chair", "footrest"),
    },
    "Art": {
        "Colours": ("watercolour set", "oil paint set", "acrylic set", "pastel box"),
        "Brushes": ("round brush", "flat brush", "palette knife", "paint roller"),
        "Surfaces": ("canvas", "sketchbook", "drawing board", "watercolour pad"),
        "Studio": ("easel", "palette", "varnish", "portfolio case"),
    },
    "Clothing": {
        "Coats": ("rain jacket", "parka", "trench coat", "down vest"),
        "Shoes": ("walking boots", "trainers", "sandals", "loafers"),
        "Bags": ("handbag", "satchel", "tote bag", "wallet"),
        "Accessories": ("wool scarf", "leather belt", "sun hat", "wristwatch"),
    },
}
PATHS = [(department, group, kind) for department, groups in DEPARTMENTS.items() for group in groups for kind in groups[group]]
BRANDS = (
    "Orrin", "Tallow & Sons", "Kestrel", "Blåvik", "Mirado", "Fennwick", "Halden", "Quillon", "Sørby", "Tamarack", "Ostra",
    "Vellum", "Larkspur", "Nordane", "Pembry", "Calder", "Ilmen", "Roswith", "Zephyrine", "Brackwater", "Durrant", "Elmet",
    "Galloway", "Hesper",
)  # fmt: skip
_COLOURS = ("black", "white", "grey", "navy", "blue", "teal", "green", "olive", "yellow", "orange", "red", "brown")
_CONDITIONS = ("much used", "used", "good", "as new")


def catalogue(seed: int, kind: np.ndarray, brand: np.ndarray, quality: np.ndarray) -> pl.DataFrame:
    """One row per item, schema data.log.CATALOGUE. kind, brand: places in PATHS and BRANDS. quality: float64 in (0, 1).

    The stated condition tells something of the quality, not all of it. Kind and number make every title different.
    """
    n = len(kind)
    index = np.arange(n)
    colour = (rng.uniform(rng.purpose_key(seed, "market/colour"), index) * len(_COLOURS)).astype(np.int64)
    told = 0.5 * np.argsort(np.argsort(quality, kind="stable")) / n
    told += 0.5 * rng.uniform(rng.purpose_key(seed, "market/condition"), index)
    order = np.argsort(kind, kind="stable")
    counts = np.bincount(kind, minlength=len(PATHS))
    number = np.empty(n, np.int64)
    number[order] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    names = [path[2] for path in PATHS]
    frame = pl.DataFrame({"index": index, "number": number}).with_columns(
        brand=pl.Series(BRANDS).gather(brand.astype(np.int64)),
        name=pl.Series(names).gather(kind.astype(np.int64)),
        colour=pl.Series(_COLOURS).gather(colour),
        condition=pl.Series(_CONDITIONS).gather((told * len(_CONDITIONS)).astype(np.int64)),
        categories=pl.Series([[a, b, c.capitalize()] for a, b, c in PATHS]).gather(kind.astype(np.int64)),
    )
    return frame.select(
        item_id=pl.format("i{}", "index"),
        title=pl.format("{} {} {}, {}, {}", "brand", "name", "number", "colour", "condition"),
        brand="brand",
        categories="categories",
        description=pl.lit(None, pl.String),
    )
