"""aws-sdk-cpp, through pyarrow: lists a bucket of the service at SERVICE."""

import os

from pyarrow import fs

service = os.environ["SERVICE"].removeprefix("http://")
s3 = fs.S3FileSystem(endpoint_override=service, scheme="http", region="us-east-1")
s3.get_file_info(fs.FileSelector("bucket"))
