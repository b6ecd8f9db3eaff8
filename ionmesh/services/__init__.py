"""What the orchestrator does. Each service takes a session and the present moment; none knows of HTTP."""
