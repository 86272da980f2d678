"""The black box: a network that shows its answers and nothing else, in this process or behind HTTP.

`blackbox` and `remote` are asked; `server` answers, by the Open Inference Protocol on both sides. A client needs no
torch.

Imports: ground, training.
"""
