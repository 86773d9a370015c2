"""How the candidates of a search are put in order: pure functions, no store and no model."""
