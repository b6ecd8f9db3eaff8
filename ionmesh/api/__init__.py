"""The HTTP side: authentication, schemas, one service call, and the bytes of the answer."""
