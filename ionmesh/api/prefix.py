"""Where the API is mounted; osmo-remsim-server's own REST has the same prefix on another port."""

API_PREFIX = "/api/backend/v1"
# Row numbers in paths are 32 bits wide, as the columns are.
NUMBER_MAX = 2**31 - 1
