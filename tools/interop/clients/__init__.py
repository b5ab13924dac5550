"""One module for each kind of client. A client is a function of a sink and a scratch folder; it
sends, and returns what it sent. Its docstring names it."""
