"""Sessions, control API and the uvicorn runner."""
