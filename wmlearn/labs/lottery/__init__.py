"""The lottery lab: the labels drawn again, and what becomes of innocents where somebody peeks."""
