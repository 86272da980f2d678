"""The pieces that labs share: their base, charts as SVG, colours, the picture for where nothing
runs, background work, replayed answers, words.
"""
