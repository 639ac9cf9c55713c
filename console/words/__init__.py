"""The words of the command line; each says what an MCP tool says."""
