import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from archwright.errors import InputError
from archwright.executors import Adapted, InProcess, Processes


def _pid():
    return os.getpid()


def _die():
    os.kill(os.getpid(), signal.SIGKILL)


def _hang():
    while True:
        pass


def test_in_process_returns_and_raises():
    executor = InProcess()
    assert executor.submit(max, 1, 2).result() == 2
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 / 0).result()
    assert not executor.kill(executor.submit(max, 1, 2))


def test_any_futures_executor_will_do():
    with ThreadPoolExecutor(2) as pool:
        executor = Adapted(pool, n_workers=2)
        assert executor.submit(max, 1, 2).result() == 2
        executor.close()


@pytest.mark.parametrize("options", [{"n_workers": 0}, {"n_threads": 0}])
def test_refuses(options):
    with pytest.raises(InputError, match="at least 1"):
        Processes(**options)


@pytest.mark.integration
def test_one_death_is_one_failure():
    executor = Processes(2)
    try:
        hangs = executor.submit(_hang)
        dies = executor.submit(_die)
        with pytest.raises(Exception):  # noqa: B017, PT011
            dies.result(timeout=60)
        assert not hangs.done()
        pid = executor.submit(_pid).result(timeout=60)
        assert pid != os.getpid()
        # Threads that spin while they wait would starve whatever runs beside them.
        policy = executor.submit(os.getenv, "OMP_WAIT_POLICY").result(timeout=60)
        assert policy == os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
        assert executor.kill(hangs)
        with pytest.raises(Exception):  # noqa: B017, PT011
            hangs.result(timeout=60)
        assert executor.submit(_pid).result(timeout=60) != os.getpid()
        # A worker killed between two calls is replaced without anybody noticing.
        for worker in executor.pids():
            os.kill(worker, signal.SIGKILL)
            with contextlib.suppress(psutil.NoSuchProcess):
                while psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
                    pass
        assert executor.submit(_pid).result(timeout=60) not in (pid, os.getpid())
    finally:
        executor.close()
    assert executor.pids() == []
