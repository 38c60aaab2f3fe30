"""aws-sdk-rust, through icechunk: looks for a repository in a bucket of the service at SERVICE."""

import os

import icechunk

storage = icechunk.s3_storage(
    bucket="bucket",
    prefix="prefix",
    region="us-east-1",
    endpoint_url=os.environ["SERVICE"],
    allow_http=True,
    from_env=True,
    force_path_style=True,
)
icechunk.Repository.exists(storage)
