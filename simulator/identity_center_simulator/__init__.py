"""A faithful stand-in for AWS IAM Identity Center, for development and CI. Never for production."""
