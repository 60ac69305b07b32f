from __future__ import annotations

from collections.abc import Iterator

import dask
import distributed
import pytest


@pytest.fixture(scope="package")
def cluster() -> Iterator[distributed.LocalCluster]:
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": "CRITICAL"}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),  # deaths, after which work is given up
        distributed.LocalCluster(processes=True, **options) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster: distributed.LocalCluster) -> Iterator[distributed.Client]:
    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
        yield client
