"""How true the measurements are, on clips whose motion is known: `make truth`."""
