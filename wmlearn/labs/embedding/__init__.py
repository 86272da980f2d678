"""The lab of the embedding stage: networks are marked live, beside an unmarked twin."""
