"""The version of the REST contract this server speaks."""

VERSION = "1.0.0"
