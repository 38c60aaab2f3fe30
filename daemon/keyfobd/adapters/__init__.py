"""One outside thing each; every adapter turns its errors into ours at the border."""
