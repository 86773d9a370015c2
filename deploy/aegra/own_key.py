"""The key by which an instance calls itself when it starts; the gate lets nobody in with it."""

import secrets

OWN_KEY = secrets.token_urlsafe(32)
