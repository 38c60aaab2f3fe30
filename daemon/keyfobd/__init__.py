"""keyfobd: the daemon that holds IAM Identity Center sessions and serves role credentials on loopback."""
