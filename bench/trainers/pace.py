"""A stand-in for a trainer that keeps two cores busy: two ranks that compute and wait for each other at every iteration,
as data-parallel ranks do. Prints the milliseconds that an iteration took: `pace.py SECONDS`."""

import multiprocessing
import sys
import time


def compute():
    total = 0
    for number in range(120_000):
        total += number * number % 7
    return total


def rank(number, barrier, seconds, answer):
    barrier.wait()
    began, iterations = time.monotonic(), 0
    while True:
        compute()
        iterations += 1
        # Both must make the same number of iterations: rank 0 decides before the barrier.
        if number == 0 and time.monotonic() - began >= seconds:
            answer.value = (time.monotonic() - began) * 1000 / iterations
        barrier.wait()
        if answer.value > 0:
            return


def main():
    barrier, answer = multiprocessing.Barrier(2), multiprocessing.Value("d", 0)
    seconds = float(sys.argv[1])
    ranks = [multiprocessing.Process(target=rank, args=(n, barrier, seconds, answer)) for n in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    print(answer.value)


main()
