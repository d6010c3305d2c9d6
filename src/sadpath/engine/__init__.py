"""How a fault reaches the wire: the plan, the exchange, the uvicorn protocol class and the ASGI application."""
