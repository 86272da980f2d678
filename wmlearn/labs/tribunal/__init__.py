"""The lab of the capstone: six services, one budget, a verdict on each, and the score."""
