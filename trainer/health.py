"""Short work for GPUs, to see that they do it: asked of a host before a lease of it is used.

    python3 health.py gemm
    python3 health.py collective HOST HOSTS GPUS ADDRESS PORT BACKEND PATIENCE

CUDA_VISIBLE_DEVICES says which GPUs; HOST is its number among the HOSTS, PATIENCE in seconds for ranks to come. The last line on stdout is JSON: what was seen, in figures.
"""

import json
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
    if what == "gemm":
        say(gemm())
    else:
        host, hosts, gpus, address, port, backend, patience = arguments
        collective(int(host), int(hosts), int(gpus), f"tcp://{address}:{port}", backend, int(patience))


def say(seen: dict) -> None:
    print(json.dumps(seen), flush=True)


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
