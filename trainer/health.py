"""Short work for GPUs, to see that they do it: asked of a host before a lease of it is used.

    python3 health.py environment CHECKOUT
    python3 health.py gemm
    python3 health.py collective HOST HOSTS GPUS ADDRESS PORT BACKEND PATIENCE

CUDA_VISIBLE_DEVICES says which GPUs; HOST is its number among the HOSTS, PATIENCE in seconds for ranks to come. The last line on stdout is JSON: what was seen, in figures.
"""

import importlib
import importlib.util
import json
import os
import random
import signal
import sys
import time

# A process that hangs in the driver must not outlive the worker's patience for long.
LIMIT_SECONDS = 150
SIZE = 8192
SECONDS = 0.3
BYTES = 64 << 20
ROUNDS = 5


def main() -> None:
    signal.alarm(LIMIT_SECONDS)
    what, *arguments = sys.argv[1:]
    if what == "environment":
        say(environment(*arguments))
    elif what == "gemm":
        say(gemm())
    else:
        host, hosts, gpus, address, port, backend, patience = arguments
        collective(int(host), int(hosts), int(gpus), f"tcp://{address}:{port}", backend, int(patience))


def say(seen: dict) -> None:
    print(json.dumps(seen), flush=True)


# What GLEE's train_net.py imports before it does anything, and which package has it.
NEEDED = {
    "torch": "torch",
    "torchvision": "torchvision",
    "detectron2": "GLEE's own detectron2: pip install -e . in its checkout",
    "fvcore": "fvcore",
    "iopath": "iopath",
    "scipy": "scipy",
    "timm": "timm",
    "transformers": "transformers",
    "einops": "einops",
    "fairscale": "fairscale",
    "pycocotools.ytvos": "the pycocotools of github.com/wjf5203/cocoapi (subdirectory PythonAPI)",
}
# GLEE falls back to a slow one without it, and says nothing.
ATTENTION = "MultiScaleDeformableAttention"


def environment(checkout: str) -> dict:
    """What this Python lacks to run the GLEE of the checkout; of another trainer nothing is known."""
    seen = {"python": ".".join(map(str, sys.version_info[:3])), "isGlee": False, "missing": [], "samplesSets": True}
    if not os.path.exists(os.path.join(checkout, "projects", "GLEE", "glee", "GLEE.py")):
        return {**seen, "hasAttention": True}
    # As train_net.py has it.
    sys.path[0] = os.path.join(os.path.abspath(checkout), "projects", "GLEE")
    missing = [{"module": module, "install": install} for module, install in NEEDED.items() if not is_there(module)]
    return {
        **seen,
        "isGlee": True,
        "missing": missing,
        "hasAttention": is_there(ATTENTION),
        "samplesSets": sys.version_info < (3, 11) or samples_sets(),
    }


def is_there(module: str) -> bool:
    """Whether it could be imported, which takes long and may fail for want of a GPU."""
    try:
        spec = importlib.util.find_spec(module)
        # A folder without Python in it, as one that was removed leaves, has no origin.
        return spec is not None and spec.origin is not None
    except (ImportError, AttributeError, ValueError):
        return False


def samples_sets() -> bool:
    """Whether random.sample takes a set, as GLEE needs it: Python 3.11 refuses, unless the checkout has mended that."""
    for module in ("torch", "detectron2._C"):
        try:
            importlib.import_module(module)
        except Exception:
            break
    try:
        return len(random.sample({1, 2}, 1)) == 1
    except TypeError:
        return False


def gemm() -> dict:
    """How many GPUs torch sees, and how fast each multiplies two matrices of halves."""
    try:
        import torch
    except ImportError as error:
        return {"missing": str(error)}
    count = torch.cuda.device_count()
    return {"torch": str(torch.__version__), "count": count, "tflops": [tflops(torch, gpu) for gpu in range(count)]}


def tflops(torch, gpu: int) -> float:
    matrix = torch.ones((SIZE, SIZE), dtype=torch.float16, device=f"cuda:{gpu}")
    torch.matmul(matrix, matrix)
    torch.cuda.synchronize(gpu)
    begun, products = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        for _ in range(4):
            torch.matmul(matrix, matrix)
        products += 4
        torch.cuda.synchronize(gpu)
    seconds = time.perf_counter() - begun
    return round(2 * SIZE**3 * products / seconds / 1e12, 1)


def collective(host: int, hosts: int, gpus: int, url: str, backend: str, patience: int) -> None:
    """One rank a GPU, on all hosts of the gang; the first of each host says what it saw."""
    import torch.multiprocessing as multiprocessing

    multiprocessing.spawn(rank, (host, hosts, gpus, url, backend, patience), nprocs=gpus)


def rank(gpu: int, host: int, hosts: int, gpus: int, url: str, backend: str, patience: int) -> None:
    from datetime import timedelta

    import torch
    import torch.distributed as distributed

    signal.alarm(LIMIT_SECONDS)
    device = f"cuda:{gpu}" if backend == "nccl" else "cpu"
    if backend == "nccl":
        torch.cuda.set_device(gpu)
    world = hosts * gpus
    distributed.init_process_group(
        backend, init_method=url, rank=host * gpus + gpu, world_size=world, timeout=timedelta(seconds=patience)
    )
    ones = torch.ones(BYTES // 4, device=device)
    distributed.all_reduce(ones)
    if ones[0].item() != world or ones[-1].item() != world:
        raise ValueError(f"{world} ones add up to {ones[0].item()}")
    ones.zero_()
    distributed.barrier()
    begun = time.perf_counter()
    for _ in range(ROUNDS):
        distributed.all_reduce(ones)
    # Waits for the GPU.
    ones[0].item()
    seconds = (time.perf_counter() - begun) / ROUNDS
    if gpu == 0:
        # Of the busiest link, as NCCL's own tests count it.
        say({"ranks": world, "gbPerSecond": round(2 * (world - 1) / world * BYTES / seconds / 1e9, 2)})
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
