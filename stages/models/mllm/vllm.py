"""A multimodal model on a vLLM engine, which batches the calls of all workers as they arrive.

In a prompt the frames come before the text, so that questions about the same frames share a prefix, which the
engine recognises by its hash and computes only once.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field

from pipeline.identity import OPERATIONAL
from pipeline.requirements import Context, Finding, Package, Requirement
from stages.models.checkpoint import Weights
from stages.models.mllm.replies import IN_WORDS, after, bad, checked, first_token, sentence, whole_characters
from stages.models.mllm.thinking import Habits, Said, ThinkingBackend, start_of, starts_thought
from stages.models.placement import Placement
from stages.models.protocols import Reply, Request

RETRY_TEMPERATURE = 0.7  # at least, for further attempts: a greedy answer would be the same again
GIB = 1024**3
TAIL = 16  # tokens at the end of a prompt, where a chat template may begin a thought
T = TypeVar("T")
WATCH = """
import signal, sys
sys.stdin.read()
for process in map(int, sys.argv[1:]):
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class VllmPlacement(Placement):
    """A `Placement` with a GPU and as many concurrent calls as an engine can batch well."""

    num_gpus: float = Field(
        1.0,
        ge=0,
        description="GPUs reserved by each actor: the same as tensor_parallel, or 0 for an engine on the CPU",
    )
    max_concurrency: int = Field(64, ge=1, description="calls that an actor works on at once")


class VllmConfig(ThinkingBackend):
    """Which model, how its engine is configured, and where it runs."""

    reentrant: ClassVar[bool] = True  # the engine batches the calls of all threads

    backend: Literal["vllm"] = "vllm"
    model: str = Field(
        min_length=1, description="folder of a checkpoint, or its name on the Hugging Face Hub"
    )
    revision: str | None = Field(None, description="commit, tag or branch on the Hub; null: the newest")
    dtype: str = Field("auto", description="bfloat16, float16 or float32; auto: as in the checkpoint")
    tensor_parallel: Annotated[int, OPERATIONAL] = Field(
        1, ge=1, description="number of GPUs over which the weights of one engine are split"
    )
    gpu_memory_utilization: Annotated[float, OPERATIONAL] = Field(
        0.9, gt=0, le=1, description="share of a GPU's memory that the engine may use"
    )
    max_model_len: int | None = Field(
        None, ge=1, description="maximum tokens in a call, answer included; null: the model's own limit"
    )
    max_images: int = Field(
        32, ge=1, description="maximum frames in a call; 32 are two visual prompts on 16 frames"
    )
    trust_remote_code: bool = Field(False, description="run Python code that comes with the checkpoint")
    max_attempts: Annotated[int, OPERATIONAL] = Field(
        3, ge=1, le=20, description="maximum number of attempts to get a usable answer"
    )
    engine: dict[str, Any] = Field(
        {}, description="further arguments of vLLM's AsyncEngineArgs, such as quantization or hf_overrides"
    )
    actor: Annotated[VllmPlacement, OPERATIONAL] = Field(
        VllmPlacement(), description="Ray actors, one engine in each"
    )

    def build(self) -> "VllmMllm":
        """Start the engine in this process.

        Raises:
            ImportError: vLLM is not installed.
            Exception: Whatever vLLM raises if it cannot start.
        """
        return VllmMllm(self)

    def requirements(self) -> Iterable[Requirement]:
        """Return vLLM, the weights, and the GPU memory for them."""
        yield Package("vllm", "pip install 'motionsight-distill[vllm]'")
        yield Weights(self.model, self.revision)
        yield GpuMemory(self)


@dataclass(frozen=True)
class GpuMemory:
    """Enough memory on this machine's GPUs for weights on this machine.

    Attributes:
        config: Which weights, and how many GPUs share them.
    """

    slow: ClassVar[bool] = True
    config: VllmConfig

    def examine(self, context: Context) -> Iterator[Finding]:
        """Compare the size of the weights with the memory of a GPU; finds nothing if either is elsewhere."""
        import torch

        config, folder = self.config, Path(self.config.model).expanduser()
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder.is_dir() else 0
        if size and torch.cuda.is_available() and config.actor.num_gpus:
            usable = torch.cuda.get_device_properties(0).total_memory * config.gpu_memory_utilization
            share = size / config.tensor_parallel
            needed = -(-size // int(usable))
            remedy = f"--set {context.part}.tensor_parallel={needed} {context.part}.actor.num_gpus={needed}"
            found = f"{share / GIB:.1f} GiB of weights on each, {usable / GIB:.1f} GiB usable"
            yield Finding(context.part, "GPU memory", found, "" if share < usable else remedy)


class VllmMllm:
    """An `Mllm`: a vLLM engine and its event loop. `generate` may be called from several threads at once."""

    name = "vllm"

    def __init__(self, config: VllmConfig) -> None:
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # do not report usage to vLLM's developers
        os.environ.setdefault(
            "VLLM_HOST_IP", "127.0.0.1"
        )  # the processes of an engine communicate locally only
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self._config, self._habits = config, Habits(config)
        self.version = f"{config.model}@{config.revision}" if config.revision else config.model
        arguments = {
            "model": config.model,
            "revision": config.revision,
            "dtype": config.dtype,
            "tensor_parallel_size": config.tensor_parallel,
            "gpu_memory_utilization": config.gpu_memory_utilization,
            "max_model_len": config.max_model_len,
            "limit_mm_per_prompt": {"image": config.max_images, "video": 0},
            "trust_remote_code": config.trust_remote_code,
            "enable_prefix_caching": True,
            "disable_log_stats": True,
        }

        async def start() -> AsyncLLM:  # inside the loop, because the engine starts tasks there
            return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments | config.engine))

        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="vllm").start()
        before = set(active_children())
        self._engine = self._run(start())
        end_with_this_process(set(active_children()) - before)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @property
    def broken(self) -> bool:
        """Whether the engine has died and cannot recover."""
        return self._engine.errored

    def close(self) -> None:
        """Shut down the engine and its processes."""
        self._engine.shutdown()
        self._loop.call_soon_threadsafe(self._loop.stop)
        del self._engine  # its destructor would shut down again, during interpreter shutdown

    def generate(self, requests: Sequence[Request]) -> list[Reply]:
        """Return one reply for each request, in order.

        A failed request has a reply with error `mllm_error` or `mllm_bad_output`.
        """

        async def all_of_them() -> list[Reply]:
            return await asyncio.gather(*map(self._ask, requests))

        return [replace(reply, detail=sentence(reply.detail)) for reply in self._run(all_of_them())]

    async def _ask(self, request: Request) -> Reply:
        """Ask until a reply is usable, at most `max_attempts` times."""
        from vllm.exceptions import VLLMError

        reply = Reply("", requests=0)
        try:
            attempt = 0
            while attempt < self._config.max_attempts:
                room = self._habits.budget
                one, cut = await self._once(request, attempt, room)
                reply = after(reply, one)
                if cut and one.error and room < self._habits.budget:
                    continue  # with room for thoughts
                if not one.error or (cut and one.thought_tokens):
                    break
                attempt += 1
        except (VLLMError, ValueError) as error:
            why = error.__cause__ or error  # the wrapped error says more than vLLM's own message
            return replace(reply, error="mllm_error", detail=f"{type(why).__name__}: {why}")
        return reply

    async def _prompt(self, request: Request) -> Any:
        """Render a request by the model's own chat template and processor."""
        from PIL import Image
        from vllm.renderers import ChatParams

        content: list[dict[str, Any]] = [
            {"type": "image_pil", "image_pil": Image.fromarray(frame)} for frame in request.frames
        ]
        content.append({"type": "text", "text": whole_characters(request.prompt)})
        messages = [{"role": "user", "content": content}]
        template = ChatParams(
            chat_template_kwargs={"add_generation_prompt": True, **self._config.chat_template_kwargs}
        )
        _, (prompt,) = await self._engine.renderer.render_chat_async([messages], template)
        return prompt

    async def _once(self, request: Request, attempt: int, room: int) -> tuple[Reply, bool]:
        """Ask once.

        Args:
            request: What is asked.
            attempt: Number of attempts before.
            room: Tokens that the model may think.

        Returns:
            The reply, and whether it was cut off because its tokens ran out.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        in_words = room and request.json_schema is not None and not self._reads_reasoning
        if in_words:  # a grammar would rule out thoughts
            request = replace(
                request, prompt=f"{request.prompt}\n\n{IN_WORDS}{json.dumps(request.json_schema)}"
            )
        schema = None if in_words else request.json_schema
        prompt = await self._prompt(request)
        opened = starts_thought(self._engine.get_tokenizer().decode(prompt["prompt_token_ids"][-TAIL:]))
        settings = self._engine.model_config.get_diff_sampling_param() | {
            "max_tokens": request.max_tokens + room,
            "temperature": max(request.temperature, RETRY_TEMPERATURE if attempt else 0.0),
            "seed": request.seed + attempt,
            "structured_outputs": StructuredOutputsParams(json=dict(schema)) if schema is not None else None,
            "logprob_token_ids": await self._spellings(request.logprob_tokens) or None,
            "output_kind": RequestOutputKind.FINAL_ONLY,
            "skip_special_tokens": False,  # for marks around thoughts are special tokens of some models
        }
        (made,) = [
            x async for x in self._engine.generate(prompt, SamplingParams(**settings), uuid.uuid4().hex)
        ]
        (output,) = made.outputs
        read, cut = len(made.prompt_token_ids or ()), output.finish_reason == "length"
        said = self._habits.take_apart(output.text, cut, opened=opened)
        said = replace(said, answer=self._special.sub("", said.answer).strip())
        reply = Reply(
            said.answer,
            read + len(output.token_ids),
            first_token(self._candidates(output, said), request.logprob_tokens),
            prompt_tokens=read,
            cached_tokens=made.num_cached_tokens or 0,
            thought_tokens=round(len(output.token_ids) * said.share),
        )
        if said.thought and not said.answer:
            return bad(reply, said.without_answer(cut)), cut
        return checked(reply, request), cut

    def _candidates(self, output: Any, said: Said) -> list[tuple[str, float]]:
        """Return spelling and log-probability of the candidates for the answer's first token."""
        if not output.logprobs:
            return []
        at = 0
        if said.thought:
            try:
                at = start_of(said.answer, [self._vocabulary[token] for token in output.token_ids])
            except ValueError:
                return []
        return [(self._vocabulary[token], item.logprob) for token, item in output.logprobs[at].items()]

    @property
    def _reads_reasoning(self) -> bool:
        """Whether the engine applies a grammar only after the thoughts."""
        return bool((self._config.engine.get("structured_outputs_config") or {}).get("reasoning_parser"))

    @cached_property
    def _special(self) -> re.Pattern[str]:
        """The tokens that are no text."""
        return re.compile("|".join(map(re.escape, self._engine.get_tokenizer().all_special_tokens)) or r"\Z")

    async def _spellings(self, wanted: Sequence[str]) -> list[int]:
        """Return the tokens that spell one of the wanted words, with or without surrounding white space."""
        if not wanted:
            return []
        vocabulary = await asyncio.to_thread(lambda: self._vocabulary)
        return [token for token, text in enumerate(vocabulary) if text.strip() in wanted]

    @cached_property
    def _vocabulary(self) -> list[str]:
        """The text of each token."""
        tokenizer = self._engine.get_tokenizer()
        return tokenizer.batch_decode([[token] for token in range(len(tokenizer))])


def end_with_this_process(children: Iterable[BaseProcess]) -> None:
    """Make sure that child processes do not outlive this one, even if it is killed.

    An engine whose parent was killed would otherwise wait forever and keep its GPU.

    Args:
        children: The processes that end with this one.
    """
    processes = [os.pidfd_open(child.pid) for child in children if child.pid]
    watch = [sys.executable, "-I", "-S", "-c", WATCH, *map(str, processes)]
    # The pipe to its standard input closes when this process ends; its own session shields it from Ctrl-C.
    subprocess.Popen(watch, stdin=subprocess.PIPE, pass_fds=processes, start_new_session=True)
    for process in processes:
        os.close(process)
