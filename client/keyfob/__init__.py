"""keyfob: the thin client of the daemon that keeps AWS IAM Identity Center credentials fresh."""

__version__ = "0.1.0"
