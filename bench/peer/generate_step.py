"""Sampling alone, by transformers on the CPU in float32: completions of exact length for prompts of exact length."""
import time

from task import print_result, read_task

import torch
from transformers import AutoModelForCausalLM

task = read_task()
shape = task["shape"]
model = AutoModelForCausalLM.from_pretrained(task["model"], dtype=torch.float32)
model.eval()


def sample(prompts):
    ids = torch.tensor([prompt["ids"] for prompt in prompts]).repeat_interleave(shape["generations"], dim=0)
    began = time.perf_counter()
    with torch.no_grad():
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            min_new_tokens=shape["newTokens"],
            max_new_tokens=shape["newTokens"],
        )
    seconds = time.perf_counter() - began
    got, wanted = tuple(out.shape), (len(ids), shape["promptTokens"] + shape["newTokens"])
    assert got == wanted, f"sampled {got}, not {wanted}"
    return {"step": seconds, "rollout": seconds}


per_step = shape["prompts"]
print_result([sample(task["prompts"][first : first + per_step]) for first in range(0, task["steps"] * per_step, per_step)])
