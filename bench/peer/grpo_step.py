"""GRPO steps by TRL on the CPU in float32: prompts and completions of exact length, the reward as good as free."""
import tempfile
import time

from task import print_result, read_task

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

task = read_task()
shape = task["shape"]
rows = shape["prompts"] * shape["generations"]

tokenizer = AutoTokenizer.from_pretrained(task["model"])
for prompt in task["prompts"]:
    assert tokenizer(prompt["text"])["input_ids"] == prompt["ids"], f"the peer reads other ids from {prompt['text']!r}"


class Timed(GRPOTrainer):
    """Adds up what sampling takes, and sampling with everything else that comes before the update."""

    spent = {"rollout": 0.0, "prepare": 0.0}

    def _generate_single_turn(self, *args, **kwargs):
        began = time.perf_counter()
        try:
            return super()._generate_single_turn(*args, **kwargs)
        finally:
            self.spent["rollout"] += time.perf_counter() - began

    def _generate_and_score_completions(self, *args, **kwargs):
        began = time.perf_counter()
        try:
            return super()._generate_and_score_completions(*args, **kwargs)
        finally:
            self.spent["prepare"] += time.perf_counter() - began


class Clock(TrainerCallback):
    """One record per optimizer step."""

    def __init__(self):
        self.steps = []

    def on_step_begin(self, *args, **kwargs):
        Timed.spent.update(rollout=0.0, prepare=0.0)
        self.began = time.perf_counter()

    def on_step_end(self, *args, **kwargs):
        seconds = time.perf_counter() - self.began
        self.steps.append({"step": seconds, "rollout": Timed.spent["rollout"], "update": seconds - Timed.spent["prepare"]})


lengths = set()


def reward(completions, completion_ids, **_):
    lengths.update(len(ids) for ids in completion_ids)
    return [float(sum(ids) % 7) for ids in completion_ids]


rank = task["peer"].get("lora", 0)
clock = Clock()
with tempfile.TemporaryDirectory() as folder:
    trainer = Timed(
        model=task["model"],
        reward_funcs=reward,
        train_dataset=Dataset.from_list([{"prompt": prompt["text"]} for prompt in task["prompts"]]),
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules="all-linear") if rank else None,
        callbacks=[clock],
        args=GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            model_init_kwargs={"dtype": "float32"},
            num_generations=shape["generations"],
            per_device_train_batch_size=rows,
            gradient_accumulation_steps=1,
            max_completion_length=shape["newTokens"],
            generation_kwargs={"min_new_tokens": shape["newTokens"]},
            beta=task["peer"].get("beta", 0.0),
            learning_rate=1e-6,
            max_steps=task["steps"],
            shuffle_dataset=False,
            gradient_checkpointing=task["gradientCheckpointing"],
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
    )
    trainer.train()
assert lengths == {shape["newTokens"]}, f"sampled lengths {lengths}, not {shape['newTokens']}"
print_result(clock.steps)
