"""botocore: prints the key it would sign with."""

import boto3

print(boto3.Session().get_credentials().get_frozen_credentials().access_key)
