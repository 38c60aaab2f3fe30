"""object_store, through obstore: lists a bucket of the service at SERVICE."""

import os
from datetime import timedelta

import obstore
from obstore.store import S3Store

store = S3Store(
    "bucket",
    endpoint=os.environ["SERVICE"],
    region="us-east-1",
    client_options={"allow_http": True},
    retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=5)},
)
obstore.list_with_delimiter(store)
