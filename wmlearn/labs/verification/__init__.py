"""The lab of the detection stage: answers are bought once, and a slider replays them."""
