from __future__ import annotations

import pytest

from identity_center_simulator import Scenario
from identity_center_simulator.world import normalised_start_url


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("eu-central-2", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
    ],
)
def test_the_region_decides_the_partition(region: str, partition: str) -> None:
    assert Scenario({}, {}, {}, region=region).partition == partition


@pytest.mark.parametrize("ending", ["", "/", "#", "#/", "/#/", "/#/device"])
def test_start_urls_are_the_same_however_they_were_pasted(ending: str) -> None:
    assert normalised_start_url(f" HTTPS://Example.awsapps.com/start{ending} ") == "https://example.awsapps.com/start"


def test_start_urls_of_different_paths_differ() -> None:
    assert normalised_start_url("https://x/start") != normalised_start_url("https://x/Start")
