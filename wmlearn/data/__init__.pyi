from .splits import Split, Splits, load_data

__all__ = [
    "Split",
    "Splits",
    "load_data",
]
