"""The servers: the endpoint for SDKs, the control socket for the client, the callback of a sign-in."""
