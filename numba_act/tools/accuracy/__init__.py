"""How exact the activations are: one subject a file, from definitions to the command."""
