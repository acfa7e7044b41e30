"""Connections to workers that are there before a request needs them (limits.warm_per_worker)."""

from harness.ballast import Ballast, settings

IDLE = 'ballast_connections{side="worker",state="idle"}'
OPEN = 'ballast_connections{side="worker",state="open"}'


def test_the_first_requests_find_connections_and_so_do_those_to_a_worker_that_is_back(balance, demo):
    workers = [demo(), demo()]
    balancer = balance(*workers, threads=1, limits={"warm_per_worker": 2})
    balancer.wait_metric(IDLE, 4)
    for _ in range(4):
        assert balancer.get().status == 200
    assert balancer.metrics()[OPEN] == 4
    workers[0].end()
    balancer.wait_alive(1).wait_metric(IDLE, 2)
    workers[0].again()
    balancer.wait_alive(2).wait_metric(IDLE, 4)



def test_of_those_that_carry_many_requests_one_is_enough(balance, demo, stack, ballast_path):
    behind = stack.enter_context(Ballast(ballast_path, settings([demo()], threads=1))).wait_alive(1)
    worker = f"127.0.0.1:{behind.address[1]}"
    balancer = balance(worker, threads=1, limits={"warm_per_worker": 3}, pools={"web": {"protocol": "h2c"}})
    balancer.wait_metric(IDLE, 1)
    for _ in range(3):
        assert balancer.get().status == 200
    assert balancer.metrics()[OPEN] == 1
