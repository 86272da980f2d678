"""The lab of the triggers: make them, see them, ask innocent networks what they would answer."""
