"""Where passages are kept: a Chroma folder or server, and whatever else can stand in their place."""
