"""The pieces that labs share: charts as SVG, colours, the static twin, background work, replayed
answers, words.
"""
