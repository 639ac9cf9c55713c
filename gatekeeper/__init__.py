"""May this code enter? Manifest, rules, artifact, signing, identity, admission."""
