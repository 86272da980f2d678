"""The lab of the thefts: what each leaves of the watermark, and what it costs the thief."""
