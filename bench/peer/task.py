"""What both peer programs share: reading the task, setting threads, and printing the one line that the bench reads."""
import json
import os
import platform
import sys
from importlib.metadata import version

# Read when transformers is imported, so this module comes first.
os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false", TRL_EXPERIMENTAL_SILENCE="1")


def read_task():
    """The record in the first argument, with the file of prompts read and the number of threads set."""
    import torch

    task = json.loads(sys.argv[1])
    torch.set_num_threads(task["threads"])
    with open(task["promptsFile"], encoding="utf-8") as file:
        task["prompts"] = json.load(file)
    return task


def print_result(steps):
    """`steps` holds a record of seconds for every step, the warm-up first."""
    packages = ("torch", "transformers", "trl", "peft")
    versions = {"python": platform.python_version(), **{name: version(name) for name in packages}}
    print(json.dumps({"steps": steps, "versions": versions}))
