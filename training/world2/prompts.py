"""The prompt sets, made once on the processor: ``python prompts.py FILE`` writes {name: (spec, level)} as a PyTorch file.

validation: whatever is chosen is chosen on it; test: everything is measured on it; confirmation: one use, for hypotheses fixed before.
"""
import sys

import torch

import world

SETS = {"validation": (78, 40), "test": (77, 112), "confirmation": (79, 112)}  # seed, prompts a level

if __name__ == "__main__":
    torch.save({name: world.prompts(per, seed, "cpu") for name, (seed, per) in SETS.items()}, sys.argv[1])
