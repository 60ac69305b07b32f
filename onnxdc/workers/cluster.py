"""Work goes to workers of dask.distributed, a few calls at a time.

The scheduler keeps each call until its result was taken, and gives it to another worker where one dies. Scheduler and
workers unpickle what they are sent, which can run anything: they belong in a network that is trusted.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, Union

from onnxdc.errors import MissingExtraError, OnnxdcError, OptionError, OptionName, WorkersError
from onnxdc.graph.weights import Weight
from onnxdc.workers.mapper import Call, Mapper, here
from onnxdc.workers.stored import StoredWeight, stored

if TYPE_CHECKING:
    import distributed

Workers: TypeAlias = Union[str, "distributed.Client"]
"""The address of a scheduler, such as ``"tcp://HOST:8786"``, or a client of dask."""

Answer = TypeVar("Answer")

_CONNECTING: Final = 10  # seconds until a scheduler answers
_JOINING: Final = 15  # seconds until the first worker is there
_ALONE: Final = 60  # seconds without any worker, after which the rest is given up: restarting one takes a few
_LOOKING: Final = 5  # seconds between two looks at whether there are workers
_TAKING: Final = 600  # seconds that a result may take to come over: gigabytes in a slow network
_RETRIES: Final = 2  # of a call that fails, such as for want of memory or of a network's file
_AHEAD: Final = 2  # calls for each thread of the workers: one that runs and one that is on its way
_NO_WARNING: Final = {"distributed.admin.large-graph-warning-threshold": 2**63}  # weights are large


@contextmanager
def connected(workers: Workers | None) -> Iterator[Mapper]:
    """Give a mapper for as long as the block runs: that of a cluster, or of this process if there is none.

    Raises:
        MissingExtraError: dask.distributed is not installed.
        OptionError: That is no address.
        WorkersError: The scheduler does not answer, or has no workers.
    """
    if workers is None:
        yield here
        return
    try:
        import dask
        import distributed
        from distributed.utils import silence_logging_cmgr
    except ImportError as error:
        raise MissingExtraError("dask.distributed is not installed: pip install 'onnxdc[distributed]'") from error
    with dask.config.set(_NO_WARNING):
        if isinstance(workers, distributed.Client):
            if workers.asynchronous:
                raise OptionError(OptionName("workers"), ": expected a client that waits, got an asynchronous one")
            yield _Cluster(workers)
            return
        with silence_logging_cmgr("CRITICAL"), _client(workers) as client:  # errors are told in a line of our own
            yield _Cluster(client)


def _client(address: str) -> AbstractContextManager[distributed.Client]:
    import distributed

    try:
        distributed.comm.resolve_address(address)
    except (ValueError, OSError) as error:
        expected = f": expected an address such as tcp://HOST:8786, got {address}"
        raise OptionError(OptionName("workers"), expected) from error
    try:
        with ThreadPoolExecutor(1) as thread:  # a loop of asyncio may run in this one, as in notebooks
            thread.submit(asyncio.run, _knock(address)).result()
        client = distributed.Client(address, timeout=_CONNECTING, set_as_default=False)
    except (OSError, ValueError, MemoryError) as error:  # what some other server says may be read as a huge message
        raise WorkersError(f"{address}: no scheduler of dask answers within {_CONNECTING} s") from error
    try:
        client.wait_for_workers(1, timeout=_JOINING)
    except TimeoutError as error:
        client.close()
        raise WorkersError(f"{address}: no worker has joined the scheduler within {_JOINING} s") from error
    return client  # type: ignore[no-any-return]


async def _knock(address: str) -> None:
    """See whether something of dask is there: a client that finds nothing takes long to close, and is noisy."""
    from distributed import Security
    from distributed.comm import connect

    comm = await connect(address, timeout=_CONNECTING, **Security().get_connection_args("client"))
    await comm.close()


class _Unseen:
    """What a worker returns that does not have the values of a weight where they were said to be."""


class _Work:
    """A call on its way to a worker; dask does not look inside.

    Args:
        function: The function.
        call: Its arguments, weights as references or values.
    """

    def __init__(self, function: Callable[..., Any], call: Call) -> None:
        self._version = _version()
        self._function, self._call = function, call

    def do(self) -> Any:
        """Do the work, on the worker."""
        if _version() != self._version:
            raise WorkersError(f"a worker has onnxdc {_version()}, expected {self._version}")
        arguments = []
        for argument in self._call:
            value = argument.array() if isinstance(argument, StoredWeight) else argument
            if value is None and argument is not None:
                return _Unseen()
            arguments.append(value)
        return self._function(*arguments)


def _version() -> str:
    return importlib.metadata.version("onnxdc")


class _Cluster:
    """The workers of a scheduler: a ``Mapper``.

    Args:
        client: Talks to the scheduler.
    """

    def __init__(self, client: distributed.Client) -> None:
        self._client = client
        self._are_seen = True  # whether workers have found what was stored so far

    def __call__(self, function: Callable[..., Answer], calls: Iterable[Call]) -> Iterator[Answer]:
        """Yield what the function returns for each call; see ``Mapper``."""
        rest = iter(calls)
        waiting: deque[tuple[Call, distributed.Future]] = deque()
        try:
            while True:
                room = max(1, _AHEAD * self._threads()) - len(waiting)
                waiting.extend((call, self._submit(function, call)) for call in islice(rest, max(0, room)))
                if not waiting:
                    return
                call, future = waiting.popleft()
                answer = self._result(future, call)
                if isinstance(answer, _Unseen):
                    self._are_seen = False
                    answer = self._result(self._submit(function, call), call)
                del future  # which lets the scheduler forget it
                yield answer
        finally:
            for _, future in waiting:
                future.release()

    def _submit(self, function: Callable[..., Any], call: Call) -> distributed.Future:
        sent = _Work(function, tuple(self._portable(argument) for argument in call))
        return self._client.submit(_Work.do, sent, pure=False, retries=_RETRIES)

    def _portable(self, argument: Any) -> Any:
        if not isinstance(argument, Weight):
            return argument
        reference = stored(argument) if self._are_seen else None
        return argument.array() if reference is None else reference

    def _result(self, future: distributed.Future, call: Call) -> Any:
        """Wait for a result for as long as there are workers."""
        from distributed.scheduler import KilledWorker

        where = ", ".join(argument.name for argument in call if isinstance(argument, Weight)) or "a call"
        try:
            self._wait(future, where)
            return future.result(timeout=_TAKING)
        except (OnnxdcError, MemoryError):
            raise
        except KilledWorker as error:
            raise WorkersError(f"{where}: workers died of it time after time, probably of too little memory") from error
        except CancelledError as error:
            raise WorkersError(f"{where}: the connection to the scheduler is gone") from error
        except Exception as error:
            raise WorkersError(f"{where}: a worker failed: {type(error).__name__}: {error}") from error

    def _wait(self, future: distributed.Future, where: str) -> None:
        """Wait until the work is done, or has failed."""
        alone = 0
        while not future.done():
            try:
                future.exception(timeout=_LOOKING)
            except TimeoutError:
                alone = 0 if self._threads() else alone + _LOOKING
                if alone >= _ALONE:
                    raise WorkersError(f"{where}: the scheduler has had no worker for {_ALONE} s") from None

    def _threads(self) -> int:
        """Return the number of threads that all workers have now."""
        if self._client.status == "closed":
            raise WorkersError("the connection to the scheduler is gone")
        try:
            return sum(self._client.nthreads().values())
        except OSError as error:
            raise WorkersError(f"the connection to the scheduler is gone: {error}") from error
